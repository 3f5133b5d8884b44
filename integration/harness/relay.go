package harness

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// Relay passes connections on to a server that may be down for a moment: a client's connection then waits instead of being
// refused, as behind a service manager that keeps the socket. Kernels let seconds go by after a refusal, which a test that
// kills a server often cannot afford. What a connection has carried is lost with the server in the same way as without a relay.
//
// Linux comes from the same port when it connects anew, by which a server knows it again. The network of an emulator, which is between, does
// not; so the relay comes from one port with all connections that begin with a call of NFS, one after the other.
type Relay struct {
	Port int

	listener net.Listener
	to       string
	from     net.Addr // of connections for NFS
	mu       sync.Mutex
	conns    map[net.Conn]*atomic.Bool // whether the connection brings no more replies
	closed   bool
	awaited  func(proc uint32) bool // which call mutes its connection
	heard    chan struct{}          // closed when that has happened
}

// relayPatience is how long a connection waits for the server.
const relayPatience = Patience

// StartRelay starts a relay to a server. It ends with the test.
func StartRelay(t testing.TB, to *Server) *Relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &Relay{Port: l.Addr().(*net.TCPAddr).Port, listener: l, to: to.Addr(), from: freePort(t), conns: make(map[net.Conn]*atomic.Bool)}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return // closed
			}
			running.Go(func() { r.carry(c) })
		}
	})
	t.Cleanup(func() {
		r.close()
		running.Wait()
	})
	return r
}

// carry serves one connection until one of its sides ends it.
func (r *Relay) carry(client net.Conn) {
	defer client.Close()
	mute := new(atomic.Bool)
	if !r.hold(client, mute) {
		return
	}
	defer r.drop(client)
	// Kernels begin a connection with a call.
	first := make([]byte, callHead)
	if _, err := io.ReadFull(client, first); err != nil {
		return
	}
	dialer := net.Dialer{Control: reuseAddr}
	if binary.BigEndian.Uint32(first[16:]) == programNFS {
		dialer.LocalAddr = r.from
	}
	var server net.Conn
	for deadline := time.Now().Add(relayPatience); server == nil; time.Sleep(5 * time.Millisecond) {
		c, err := dialer.Dial("tcp", r.to)
		switch {
		case err == nil:
			server = c
			// The port is free for the next connection at once.
			_ = c.(*net.TCPConn).SetLinger(0)
		case time.Now().After(deadline) || r.isClosed():
			return
		}
	}
	defer server.Close()
	if !r.hold(server, mute) {
		return
	}
	defer r.drop(server)
	var up sync.WaitGroup
	up.Go(func() {
		pass(&calls{relay: r, mute: mute, to: server}, io.MultiReader(bytes.NewReader(first), client), client, server)
	})
	pass(&silenced{client, mute}, server, client, server)
	up.Wait()
}

const programNFS = 100003

// freePort is an address of this machine with a port that is free.
func freePort(t testing.TB) net.Addr {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return l.Addr()
}

// reuseAddr lets a port be used again to which an ended connection is still bound.
func reuseAddr(_, _ string, raw syscall.RawConn) (err error) {
	if cerr := raw.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1) }); cerr != nil {
		return cerr
	}
	return err
}

// pass copies until either side ends, and then ends both. How a connection ended is the client's to notice.
func pass(to io.Writer, from io.Reader, both ...net.Conn) {
	_, err := io.Copy(to, from)
	for _, c := range both {
		err = errors.Join(err, c.Close())
	}
	_ = err
}

// silenced is a client that is told nothing any more once it is mute: then for good, as what comes later would make no sense.
type silenced struct {
	to   io.Writer
	mute *atomic.Bool
}

func (s *silenced) Write(p []byte) (int, error) {
	if s.mute.Load() {
		return len(p), nil
	}
	return s.to.Write(p)
}

// MuteAt waits for the next NFS call of one of some procedures, passes it on, and keeps the reply to it and all further ones on
// its connection from the client. The channel is closed when that call has come. The server carries it out: when it is killed
// then, the client has not heard of something that was done, and will ask for it again.
func (r *Relay) MuteAt(procs ...uint32) <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.awaited = func(proc uint32) bool { return slices.Contains(procs, proc) }
	r.heard = make(chan struct{})
	return r.heard
}

// call is told of each call before it is passed on.
func (r *Relay) call(prog, proc uint32, mute *atomic.Bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if prog == programNFS && r.awaited != nil && r.awaited(proc) {
		r.awaited = nil
		mute.Store(true)
		close(r.heard)
	}
}

// calls passes a client's stream on and looks at the head of each call in it (RFC 5531 sections 9 and 11).
type calls struct {
	relay *Relay
	mute  *atomic.Bool
	to    io.Writer

	head []byte // of the call, with its record mark
	left int    // of its record behind what head has
}

// callHead is a record mark, then xid, kind, RPC version, program, version and procedure.
const callHead = 4 + 6*4

func (c *calls) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		if len(c.head) == callHead {
			n := min(c.left, len(rest))
			c.left -= n
			rest = rest[n:]
			if c.left > 0 {
				break
			}
			c.head = c.head[:0]
			continue
		}
		n := min(callHead-len(c.head), len(rest))
		c.head = append(c.head, rest[:n]...)
		rest = rest[n:]
		if len(c.head) == callHead {
			// Kernels send a call as one fragment.
			c.left = int(binary.BigEndian.Uint32(c.head)&^(1<<31)) + 4 - callHead
			c.relay.call(binary.BigEndian.Uint32(c.head[16:]), binary.BigEndian.Uint32(c.head[24:]), c.mute)
		}
	}
	return c.to.Write(p)
}

func (r *Relay) hold(c net.Conn, mute *atomic.Bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conns[c] = mute
	return !r.closed
}

func (r *Relay) drop(c net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.conns, c)
}

func (r *Relay) isClosed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.closed
}

// close ends the relay and all connections.
func (r *Relay) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	_ = r.listener.Close() // nothing can be done about a failure, and nobody is accepted any more
	for c := range r.conns {
		_ = c.Close()
	}
}
