package rpc_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pmemfs/server/rpc"
)

const testProgram = 0x20000001

// testProc are the procedures of the test program.
const (
	procEcho       = iota // returns its argument
	procPanic             // panics
	procSlow              // waits for the test, beside other calls
	procLarge             // returns as many bytes as asked for
	procBad               // cannot read its arguments
	procWeak              // refuses the credential
	procStuck             // asks to wait where it may
	procDirect            // procLarge, sent from where the bytes lie
	procTorn              // the same, of memory that faults
	procBroken            // begins to send directly, and panics
	procEnds              // returns the address that was called, and whether it was over UDP
	procLargeLater        // waits where it may, and returns a megabyte
)

// testServer is a server of the test program.
type testServer struct {
	*rpc.Server
	addr string
	slow chan struct{} // a call of procSlow goes on for each element
	seen atomic.Int32  // calls of procSlow that wait

	copied atomic.Int32 // calls of procDirect that were not sent directly
}

func (s *testServer) serve(r *rpc.Request, e *rpc.Encoder) rpc.Result {
	switch r.Proc {
	case procEcho:
		e.Raw(r.Args)
	case procPanic:
		e.Uint32(1)
		panic("as asked")
	case procSlow:
		if !r.MayWait {
			return rpc.Wait
		}
		s.seen.Add(1)
		<-s.slow
		e.Raw(r.Args)
	case procLarge:
		n := int(binary.BigEndian.Uint32(r.Args))
		e.Uint32(uint32(n))
		b := e.Extend(n)
		for i := range b {
			b[i] = byte(i)
		}
		e.Pad(n)
	case procLargeLater:
		if !r.MayWait {
			return rpc.Wait
		}
		e.Opaque(lying)
	case procEnds:
		e.Opaque([]byte(r.Local.String()))
		e.Bool(r.Datagram)
	case procDirect:
		return s.direct(r, e)
	case procBroken:
		r.TryDirect()
		panic("as asked")
	case procBad:
		e.Uint64(1)
		return rpc.GarbageArgs
	case procWeak:
		return rpc.Reject(rpc.AuthTooWeak)
	case procStuck:
		return rpc.Wait
	default:
		return rpc.ProcUnavail
	}
	return rpc.Success
}

// lying is what procDirect sends, in pieces.
var lying = func() []byte {
	b := make([]byte, 1<<20)
	for i := range b {
		b[i] = byte(i * 7)
	}
	return b
}()

func (s *testServer) direct(r *rpc.Request, e *rpc.Encoder) rpc.Result {
	n := int(binary.BigEndian.Uint32(r.Args))
	if !r.TryDirect() {
		s.copied.Add(1)
		e.Opaque(lying[:n])
		return rpc.Success
	}
	e.Uint32(uint32(n))
	var parts [][]byte
	for at := 0; at < n; {
		m := min(n-at, 1+at/2)
		parts = append(parts, lying[at:at+m])
		at += m
	}
	r.Direct(e, parts, n)
	r.EndDirect(e)
	return rpc.Success
}

// startServer serves the test program until the test ends.
func startServer(t testing.TB, limits rpc.Limits) *testServer {
	t.Helper()
	s, stop := startStoppable(t, limits)
	t.Cleanup(stop)
	return s
}

func startStoppable(t testing.TB, limits rpc.Limits) (s *testServer, stop func()) {
	t.Helper()
	s, end := startEnding(t, limits)
	return s, sync.OnceFunc(func() {
		if err := end(); err != nil {
			t.Errorf("serve: %v", err)
		}
	})
}

// startEnding serves the test program; end stops it and returns what Serve does.
func startEnding(t testing.TB, limits rpc.Limits) (s *testServer, end func() error) {
	t.Helper()
	return startConfig(t, rpc.Config{Limits: limits})
}

// startScarce serves the test program until the test ends, with the least memory that there can be.
func startScarce(t testing.TB, limits rpc.Limits) *testServer {
	t.Helper()
	s, end := startConfig(t, rpc.Config{Limits: limits, Budget: rpc.NewBudget(0)})
	t.Cleanup(func() {
		if err := end(); err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return s
}

func startConfig(t testing.TB, c rpc.Config) (s *testServer, end func() error) {
	t.Helper()
	s = &testServer{slow: make(chan struct{}, 1000)}
	c.Programs = []rpc.Program{{Number: testProgram, Low: 2, High: 3, Serve: s.serve}}
	s.Server = rpc.NewServer(c)
	s.addr, end = serve(t, s.Server)
	return s, end
}

// serve serves on a port; end stops that and returns what Serve does.
func serve(t testing.TB, srv *rpc.Server) (addr string, end func() error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l.Addr().String(), serveOn(srv, l)
}

// serveOn is serve on a listener.
func serveOn(srv *rpc.Server, l net.Listener) (end func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(ctx, l) }()
	return func() error {
		cancel()
		select {
		case err := <-ended:
			return err
		case <-time.After(patience):
			return errors.New("the server does not stop")
		}
	}
}

// patience is what only a hang takes: the machine may be busy with other things.
const patience = 3 * time.Minute

// client is a connection of a test.
type client struct {
	t testing.TB
	net.Conn
	replies *rpc.RecordReader
}

func dial(t testing.TB, addr string) *client {
	t.Helper()
	return dialFrom(t, "127.0.0.1", addr)
}

// dialFrom is dial from an address of this machine, as which another client comes.
func dialFrom(t testing.TB, from, addr string) *client {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	conn, err := dialer.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return &client{t, conn, rpc.NewRecordReader(conn, 4<<20, nil)}
}

// callBytes is a call without its record mark. Words are RPC version, program, version, procedure.
func callBytes(xid uint32, words [4]uint32, args []byte) []byte {
	e := rpc.NewEncoder(nil)
	e.Uint32(xid)
	e.Uint32(0)
	for _, w := range words {
		e.Uint32(w)
	}
	for range 4 { // AUTH_NONE twice
		e.Uint32(0)
	}
	e.Raw(args)
	return e.Bytes()
}

// testCall is a whole record with a call of the test program.
func testCall(xid, proc uint32, args []byte) []byte {
	b := callBytes(xid, [4]uint32{2, testProgram, 3, proc}, args)
	return append(mark(len(b), true), b...)
}

func (c *client) send(records ...[]byte) {
	c.t.Helper()
	if _, err := c.Write(bytes.Join(records, nil)); err != nil {
		c.t.Fatal(err)
	}
}

// recv returns the next reply: its xid and what follows.
func (c *client) recv() (uint32, []byte) {
	c.t.Helper()
	b, err := c.replies.Next()
	if err != nil {
		c.t.Fatal(err)
	}
	return binary.BigEndian.Uint32(b[4:]), b[8:]
}

// ended demands that the server has closed the connection.
func (c *client) ended() {
	c.t.Helper()
	if b, err := c.replies.Next(); err == nil {
		c.t.Fatalf("a reply where the end was expected: % x", b)
	}
}

func words(vs ...uint32) []byte {
	var b []byte
	for _, v := range vs {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	return b
}

func mark(n int, last bool) []byte {
	m := uint32(n)
	if last {
		m |= 1 << 31
	}
	return binary.BigEndian.AppendUint32(nil, m)
}
