package server

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"net"
	"net/netip"
	"testing"
	"time"

	"pmemfs/pmemfs"
	"pmemfs/pmemfs/safego"
	"pmemfs/server/export"
	"pmemfs/server/handle"
	"pmemfs/server/nfs3"
	"pmemfs/server/nfswire"
	"pmemfs/server/ninep"
	"pmemfs/server/ninetest"
	"pmemfs/server/rpc"
	"pmemfs/server/traffic"
)

// canned is a connection whose client has sent everything already: once what begins a session, then the same calls again and again.
type canned struct {
	net.Conn // nil: a server asks for no more than what is here
	calls    []byte
	first    [][]byte
	at       int           // of first, and beyond them
	wrote    chan struct{} // has an element when something was answered
	left     int           // times that calls are still to be read
	closed   chan struct{}
}

func (c *canned) Read(b []byte) (int, error) {
	if c.at > 0 && c.at <= len(c.first) {
		<-c.wrote
	}
	if c.at++; c.at <= len(c.first) {
		return copy(b, c.first[c.at-1]), nil
	}
	if c.left == 0 {
		return 0, io.EOF
	}
	c.left--
	return copy(b, c.calls), nil // all of them: they are few
}

func (c *canned) Write(b []byte) (int, error) {
	select {
	case c.wrote <- struct{}{}:
	default:
	}
	return len(b), nil
}

func (c *canned) Close() error { close(c.closed); return nil }
func (c *canned) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:700"))
}
func (c *canned) LocalAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:2049"))
}
func (c *canned) SetDeadline(time.Time) error      { return nil }
func (c *canned) SetReadDeadline(time.Time) error  { return nil }
func (c *canned) SetWriteDeadline(time.Time) error { return nil }

// cannedListener accepts connections that are given to it.
type cannedListener struct {
	net.Listener
	conns chan net.Conn
}

func (l *cannedListener) Accept() (net.Conn, error) {
	if c, ok := <-l.conns; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}

func (l *cannedListener) Close() error { return nil }

// benchServer begins to serve, and returns how to have calls of it carried out.
func benchServer(b testing.TB, c rpc.Config) func(first [][]byte, calls []byte, times int) time.Duration {
	l := &cannedListener{conns: make(chan net.Conn)}
	ctx, stop := context.WithCancel(b.Context())
	var wg safego.Group
	wg.Go("server", func() {
		if err := rpc.NewServer(c).Serve(ctx, l); err != nil {
			b.Error(err)
		}
	})
	b.Cleanup(func() {
		stop()
		close(l.conns)
		wg.Wait()
	})
	return func(first [][]byte, calls []byte, times int) time.Duration {
		conn := &canned{calls: calls, first: first, left: times, closed: make(chan struct{}), wrote: make(chan struct{}, 1)}
		start := time.Now()
		l.conns <- conn
		<-conn.closed
		return time.Since(start)
	}
}

// record is an NFS call as it is sent.
func record(proc uint32, args func(*rpc.Encoder)) []byte {
	e := rpc.NewEncoder(make([]byte, 4, 8192))
	for _, v := range []uint32{1, 0, rpc.Version, nfswire.ProgNFS, nfswire.Version, proc, rpc.AuthSys, 5 * 4, 0, 0, 0, 0, 0, 0, 0} {
		e.Uint32(v)
	}
	args(e)
	rpc.SetMark(e.Bytes())
	return e.Bytes()
}

// hotCalls are the calls that there are most of, of NFS and of 9P.
func hotCalls(eng *pmemfs.FS, file pmemfs.Handle) (nfs, nine map[string][]byte, session [][]byte) {
	codec := handle.New(eng)
	exp := export.Default()
	fh := func(e *rpc.Encoder, h pmemfs.Handle) { e.Opaque(codec.Append(nil, exp.ID(), h)) }
	nfs = map[string][]byte{
		"GETATTR": record(nfswire.ProcGetattr, func(e *rpc.Encoder) { fh(e, file) }),
		"LOOKUP":  record(nfswire.ProcLookup, func(e *rpc.Encoder) { fh(e, eng.Root()); e.Opaque([]byte("file")) }),
		"READ":    record(nfswire.ProcRead, func(e *rpc.Encoder) { fh(e, file); e.Uint64(0); e.Uint32(4096) }),
		"WRITE": record(nfswire.ProcWrite, func(e *rpc.Encoder) {
			fh(e, file)
			e.Uint64(0)
			e.Uint32(4096)
			e.Uint32(nfswire.FileSync)
			e.Opaque(make([]byte, 4096))
		}),
	}
	message := func(kind uint8, tag uint16, values ...any) []byte {
		return ninetest.Message(kind, tag, ninetest.Args(values...))
	}
	session = [][]byte{
		message(ninetest.Version, 0xffff, uint32(1<<20), "9P2000.L"), message(ninetest.Attach, 1, uint32(0), ninetest.NoFid, "", "/", uint32(0)),
		message(ninetest.Walk, 1, uint32(0), uint32(1), uint16(1), "file"), message(ninetest.Lopen, 1, uint32(1), uint32(2)),
		message(ninetest.Walk, 1, uint32(0), uint32(2), uint16(0)),
	}
	nine = map[string][]byte{
		"Tgetattr": message(ninetest.Getattr, 1, uint32(1), uint64(0x7ff)),
		"Twalk":    message(ninetest.Walk, 1, uint32(2), uint32(2), uint16(1), "."),
		"Tread":    message(ninetest.Read, 1, uint32(1), uint64(0), uint32(4096)),
		"Twrite":   message(ninetest.Write, 1, uint32(1), uint64(0), uint32(4096), ninetest.Raw(make([]byte, 4096))),
	}
	return nfs, nine, session
}

// hotCase is one of these calls, and a server that does not count it.
type hotCase struct {
	name   string
	config rpc.Config
	first  [][]byte
	call   []byte
}

// hotCases are all of them. What is counted of exports goes to table.
func hotCases(tb testing.TB, table *traffic.Table) (list []hotCase) {
	eng, err := pmemfs.OpenMemory(64<<20, pmemfs.DomainVolatile, pmemfs.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := eng.Close(); err != nil {
			tb.Error(err)
		}
	})
	file, err := eng.Create(&pmemfs.Cred{}, nil, eng.Root(), []byte("file"), &pmemfs.CreateOptions{})
	if err == nil {
		_, _, err = eng.Write(&pmemfs.Cred{}, nil, file.Handle, make([]byte, 4096), 0)
	}
	if err != nil {
		tb.Fatal(err)
	}
	exports := export.NewTable(eng)
	exports.Count(func(name string) traffic.Export { return table.Export("image", name) })
	one := export.Default()
	one.Squash = export.SquashNone
	set, err := export.NewSet([]export.Export{one})
	if err != nil {
		tb.Fatal(err)
	}
	exports.Store(set)
	native := nfs3.New(nfs3.Config{Engine: eng, Exports: exports})
	files := ninep.New(ninep.Config{Images: []ninep.Image{{Engine: eng, Exports: exports}}, MessageMax: rpc.DefaultRecord})
	nfs, nine, session := hotCalls(eng, file.Handle)
	for name, call := range nfs {
		list = append(list, hotCase{name, rpc.Config{Programs: []rpc.Program{native.Program()}}, nil, call})
	}
	for name, call := range nine {
		list = append(list, hotCase{name, rpc.Config{Session: files.Session}, session, call})
	}
	return list
}

// BenchmarkTraffic is what counting adds to a call, in place and without the network: each round is the same calls with and without, and the
// quickest round of each counts. "x16" has 16 calls arrive together, "x1" one.
func BenchmarkTraffic(b *testing.B) {
	table := traffic.New()
	for _, h := range hotCases(b, table) {
		off := benchServer(b, h.config)
		h.config.Traffic = table
		on := benchServer(b, h.config)
		for _, depth := range []int{16, 1} {
			together := bytes.Repeat(h.call, depth)
			b.Run(fmt.Sprintf("%s/x%d", h.name, depth), func(b *testing.B) { compareRounds(b, off, on, h.first, together, depth) })
		}
	}
}

// compareRounds runs rounds of some milliseconds with one server and the other in turn.
func compareRounds(b *testing.B, off, on func(first [][]byte, calls []byte, times int) time.Duration, first [][]byte, calls []byte, depth int) {
	const callsPerRound = 1 << 14
	without, with := time.Duration(math.MaxInt64), time.Duration(math.MaxInt64)
	for range b.N {
		without = min(without, off(first, calls, callsPerRound/depth))
		with = min(with, on(first, calls, callsPerRound/depth))
	}
	perCall := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / callsPerRound }
	b.ReportMetric(perCall(without), "off-ns/call")
	b.ReportMetric(perCall(with), "on-ns/call")
	b.ReportMetric(perCall(with-without), "added-ns/call")
	b.ReportMetric(0, "ns/op")
}
