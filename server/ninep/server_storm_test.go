package ninep

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"pmemfs/pmemfs"
	"pmemfs/pmemfs/pmemfstest"
	"pmemfs/pmemfs/safego"
	"pmemfs/server/export"
	"pmemfs/server/ninetest"
	"pmemfs/server/rpc"
)

// storm is a server, on a socket, that clients do to what they like.
type storm struct {
	t       testing.TB
	eng     *pmemfs.FS
	srv     *Server
	addr    string
	panics  uint64 // before it
	answers atomic.Int64
	conns   atomic.Int64
	wrong   atomic.Pointer[string] // the first error in the log
}

// newStorm serves a domain until the test ends. Then nothing is left of the clients, and nothing has panicked. Clients get at a directory; one
// at 127.0.0.1 at all of it.
func newStorm(t testing.TB, domain pmemfs.Domain) *storm {
	s := &storm{t: t, panics: safego.Panics()}
	var err error
	if s.eng, err = pmemfs.OpenMemory(64<<20, domain, pmemfs.Options{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.eng.Mkdir(&pmemfs.Cred{}, nil, s.eng.Root(), []byte("storm"), &pmemfs.SetAttr{Mask: pmemfs.SetMode, Mode: 0o777}); err != nil {
		t.Fatal(err)
	}
	whole, open := export.Default(), export.Default()
	whole.Squash, whole.Clients = export.SquashNone, []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	open.Squash, open.Name, open.Subtree = export.SquashNone, "/storm", "/storm"
	set, err := export.NewSet([]export.Export{whole, open})
	if err != nil {
		t.Fatal(err)
	}
	table := export.NewTable(s.eng)
	table.Store(set)
	s.srv = New(Config{Images: []Image{{Engine: s.eng, Exports: table}}, MessageMax: 1 << 20, Logger: slog.New(complaints{s})})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = l.Addr().String()
	ctx, stop := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := rpc.NewServer(rpc.Config{Session: s.srv.Session}).Serve(ctx, l); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		stop()
		serving.Wait()
		s.nothingLeft()
		pmemfstest.CheckFS(t, s.eng)
		if err := s.eng.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// sound looks for panics, and errors in the log.
func (s *storm) sound(t testing.TB) {
	t.Helper()
	if n := safego.Panics() - s.panics; n != 0 {
		t.Errorf("%d panics", n)
	}
	if text := s.wrong.Load(); text != nil {
		t.Error(*text)
	}
}

// nothingLeft looks, when all sessions have ended, for what they should have given back.
func (s *storm) nothingLeft() {
	s.sound(s.t)
	for what, n := range map[string]int64{
		"fids":                s.srv.fids.Free() - int64(s.srv.limits.Fids),
		"bytes of attributes": s.srv.xattrBytes.Free() - int64(s.srv.limits.XattrBytes),
		"waiting requests":    s.srv.lockWaits.Free() - int64(s.srv.limits.AllWaits),
		"owners of locks":     s.srv.lockers.Free() - int64(s.srv.limits.Lockers),
	} {
		if n != 0 {
			s.t.Errorf("%d %s are left", -n, what)
		}
	}
	if u := s.eng.LockUsage(); u.Units+u.Waits != 0 {
		s.t.Errorf("locks are left: %+v", u)
	}
}

// complaints is a log that keeps an error.
type complaints struct{ s *storm }

func (complaints) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelError }
func (c complaints) WithAttrs([]slog.Attr) slog.Handler         { return c }
func (c complaints) WithGroup(string) slog.Handler              { return c }

func (c complaints) Handle(_ context.Context, r slog.Record) error {
	text := r.Message
	r.Attrs(func(a slog.Attr) bool {
		text += fmt.Sprintf(" %s=%v", a.Key, a.Value)
		return true
	})
	c.s.wrong.CompareAndSwap(nil, &text)
	return nil
}

// chooser makes decisions, of a seed or of what a fuzzer says. It has an end only in the latter case.
type chooser interface {
	pick(n int) int
	done() bool
}

type seeded struct {
	*rand.Rand
	left int // decisions
}

func (s *seeded) pick(n int) int { s.left--; return s.IntN(n) }
func (s *seeded) done() bool     { return s.left <= 0 }

// spelled are decisions that somebody has written down, two bytes each.
type spelled struct{ b []byte }

func (s *spelled) done() bool { return len(s.b) < 2 }

func (s *spelled) pick(n int) int {
	if s.done() {
		return 0
	}
	v := int(binary.LittleEndian.Uint16(s.b))
	s.b = s.b[2:]
	return v % n
}

var stormKinds = slices.Sorted(func(yield func(uint8) bool) {
	for k := range fuzzSeeds() {
		if !yield(k) {
			return
		}
	}
})

// stormMessage makes a request: a good one, or one that has suffered; a third of them are flushes, of tags that may be under way.
func stormMessage(c chooser) []byte {
	tag := uint16(c.pick(8))
	if c.pick(3) == 0 {
		flush := ninetest.Args(uint16(c.pick(8)))
		if c.pick(8) == 0 {
			flush = append(flush, 0)
		}
		return ninetest.Message(ninetest.Flush, tag, flush)
	}
	k := stormKinds[c.pick(len(stormKinds))]
	if c.pick(4) == 0 {
		k = []uint8{ninetest.Lock, ninetest.Attach, ninetest.Getlock}[c.pick(3)] // those that always wait
	}
	fields := append([]byte{byte(c.pick(9)), 0, 0, 0}, fuzzSeeds()[k]...)
	if k == ninetest.Version {
		fields = ninetest.Args(uint32(8192), version)
	}
	if k == ninetest.Lock {
		fields[5] = byte(c.pick(2)) // whether it waits
	}
	switch c.pick(10) {
	case 0:
		fields[c.pick(len(fields))] = byte(c.pick(256))
	case 1:
		fields = fields[:c.pick(len(fields)+1)]
	case 2:
		fields = append(fields, byte(c.pick(256)))
	}
	return ninetest.Message(k, tag, fields)
}

// client lives for one connection: it sends what it chooses, reads what comes, and goes in one of several ways.
func (s *storm) client(c chooser, source netip.Addr) error {
	d := net.Dialer{Timeout: 20 * time.Second, LocalAddr: &net.TCPAddr{IP: source.AsSlice()}}
	nc, err := d.Dial("tcp", s.addr)
	if err != nil {
		return err
	}
	defer nc.Close()
	conn := nc.(*net.TCPConn)
	s.conns.Add(1)
	read := make(chan error, 1)
	go func() { read <- s.read(conn) }()
	batch := slices.Concat(stormBegin(uint32(1000 * c.pick(2)))...)
	for n := c.pick(40); n >= 0 && !c.done(); n-- {
		batch = append(batch, stormMessage(c)...)
		if c.pick(4) == 0 {
			if _, err = conn.Write(batch); err != nil {
				break
			}
			batch = batch[:0]
		}
	}
	if c.pick(4) == 0 {
		batch = batch[:c.pick(len(batch)+1)] // gone in the middle of a message
	}
	if err == nil {
		_, err = conn.Write(batch)
	}
	switch c.pick(4) {
	case 0:
		err = errors.Join(err, conn.SetLinger(0), conn.Close())
	case 1:
		err = errors.Join(err, conn.Close())
	default:
		err = errors.Join(err, conn.CloseWrite()) // all is answered then
	}
	return errors.Join(passing(err), <-read)
}

// read reads answers, each of which must be one, until the connection ends.
func (s *storm) read(conn *net.TCPConn) error {
	if err := conn.SetReadDeadline(time.Now().Add(60 * time.Second)); err != nil {
		return passing(err)
	}
	for {
		var head [lengthBytes]byte
		if _, err := io.ReadFull(conn, head[:]); err != nil {
			return passing(err)
		}
		n := le.Uint32(head[:])
		if n < lengthBytes+headBytes || n > 1<<20 {
			return fmt.Errorf("an answer of %d bytes", n)
		}
		b := make([]byte, n-lengthBytes)
		if _, err := io.ReadFull(conn, b); err != nil {
			return passing(err)
		}
		if err := wellFormed(kind(b[0])-1, b); err != nil {
			return fmt.Errorf("% x: %w", b, err)
		}
		s.answers.Add(1)
	}
}

// passing is nil for errors of connections that have ended.
func passing(err error) error {
	for _, e := range []error{io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, syscall.ECONNRESET, syscall.EPIPE, os.ErrClosed} {
		if errors.Is(err, e) {
			return nil
		}
	}
	return err
}

// stormBegin makes the fids that fuzzTarget.session does, on the export for everybody.
func stormBegin(uid uint32) [][]byte {
	list := sessionBegin(uid)
	list[1] = ninetest.Message(ninetest.Attach, 1, ninetest.Args(uint32(0), noFid, "", "/storm", uid))
	return list
}
