package rpc_test

import (
	"bytes"
	"errors"
	"net"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pmemfs/server/rpc"
)

// TestReadOn sends more long calls than one read takes, all of them before the first is answered. Replies are sent when there is nothing more to
// read: when the last call is served, the client has those to what the first read brought, and no other.
func TestReadOn(t *testing.T) {
	const calls, size, oneRead = 9, 40 << 10, 128 << 10
	sent, arrived := make(chan struct{}), make(chan int, 1)
	l, c := connectFirst(t)
	srv := rpc.NewServer(rpc.Config{Programs: []rpc.Program{{Number: testProgram, Low: 3, High: 3, Serve: func(r *rpc.Request, e *rpc.Encoder) rpc.Result {
		<-sent
		if r.XID == calls-1 {
			arrived <- pending(t, c.Conn.(*net.UnixConn))
		}
		return rpc.Success
	}}}})
	stop := serveOn(srv, l)
	var stream bytes.Buffer
	for i := range uint32(calls) {
		stream.Write(testCall(i, procEcho, make([]byte, size)))
	}
	c.send(stream.Bytes())
	close(sent)
	got := <-arrived
	for range calls {
		c.recv()
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	const reply = 28
	if got%reply != 0 || got > oneRead/size*reply {
		t.Errorf("%d bytes of replies have been sent when the last call is served", got)
	}
}

// connectFirst connects to a listener that nobody serves yet. What the client sends waits in the socket, so that it is all there when the server
// begins; some 200 KiB have room.
func connectFirst(t *testing.T) (net.Listener, *client) {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "s"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.DialUnix("unix", nil, l.Addr().(*net.UnixAddr))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := errors.Join(conn.SetWriteBuffer(1<<20), conn.SetDeadline(time.Now().Add(patience))); err != nil {
		t.Fatal(err)
	}
	return l, &client{t, conn, rpc.NewRecordReader(conn, 4<<20, nil)}
}

// pending is how many bytes a client has not read.
func pending(t *testing.T, c *net.UnixConn) (n int) {
	raw, err := c.SyscallConn()
	if err != nil {
		t.Error(err)
		return
	}
	if cerr := raw.Control(func(fd uintptr) { n, err = unix.IoctlGetInt(int(fd), unix.TIOCINQ) }); cerr != nil || err != nil {
		t.Error(cerr, err)
	}
	return n
}
