package rpc_test

import (
	"bytes"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"pmemfs/server/rpc"
)

// TestWindow looks at the socket of a server: a client that sends one long call after the other gets a wide window, and is still heard when it
// sends little.
func TestWindow(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	seen := &seenListener{Listener: l, conns: make(chan *net.TCPConn, 1)}
	s := &testServer{}
	srv := rpc.NewServer(rpc.Config{Programs: []rpc.Program{{Number: testProgram, Low: 2, High: 3, Serve: s.serve}}})
	stop := serveOn(srv, seen)
	c := dial(t, l.Addr().String())
	socket := <-seen.conns
	call := func(n int) {
		c.send(testCall(1, procEcho, make([]byte, n)))
		c.recv()
	}
	call(100)
	before := socketOption(t, socket, unix.SO_RCVBUF)
	call(100)
	if got := socketOption(t, socket, unix.SO_RCVBUF); got != before {
		t.Errorf("a small call has made the socket's room %d bytes, from %d", got, before)
	}
	long := bytes.Repeat(testCall(1, procLarge, append(words(0), make([]byte, 64<<10)...)), 16)
	want := min(2<<20, longestBuffer(t)/2)
	for socketOption(t, socket, unix.SO_RCVBUF) < want { // in one of these one call has come when the last is answered
		go c.Write(long) // whose failure those see who wait for the replies
		for range 16 {
			c.recv()
		}
	}
	if got := socketOption(t, socket, unix.SO_RCVLOWAT); got != 1 {
		t.Errorf("a call of less than %d bytes wakes nobody", got)
	}
	call(100)
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// seenListener shows what it accepts.
type seenListener struct {
	net.Listener
	conns chan *net.TCPConn
}

func (l *seenListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		l.conns <- c.(*net.TCPConn)
	}
	return c, err
}

func socketOption(t *testing.T, c *net.TCPConn, option int) (v int) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if cerr := raw.Control(func(fd uintptr) { v, err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, option) }); cerr != nil || err != nil {
		t.Fatal(cerr, err)
	}
	return v
}

// longestBuffer is how far the system lets the room of a socket grow (tcp(7), tcp_rmem).
func longestBuffer(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile("/proc/sys/net/ipv4/tcp_rmem")
	if err != nil {
		t.Fatal(err)
	}
	f := strings.Fields(string(b))
	n, err := strconv.Atoi(f[len(f)-1])
	if err != nil {
		t.Fatal(err)
	}
	return n
}
