package rpc_test

import (
	"bytes"
	"net"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"pmemfs/server/rpc"
)

// TestReadOn sends more long calls than one read takes, all of them before the first is answered. Replies are sent when there is nothing more to
// read: when the last call is served, the client has those to what the first read brought, and no other.
func TestReadOn(t *testing.T) {
	const calls, size, oneRead = 9, 40 << 10, 128 << 10
	sent, arrived := make(chan struct{}), make(chan int, 1)
	var client *net.UnixConn
	srv := rpc.NewServer(rpc.Config{Programs: []rpc.Program{{Number: testProgram, Low: 3, High: 3, Serve: func(r *rpc.Request, e *rpc.Encoder) rpc.Result {
		<-sent
		if r.XID == calls-1 {
			arrived <- pending(t, client)
		}
		return rpc.Success
	}}}})
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "s"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	if client, err = net.DialUnix("unix", nil, l.Addr().(*net.UnixAddr)); err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.SetWriteBuffer(1 << 20); err != nil {
		t.Fatal(err)
	}
	stop := serveOn(srv, l)
	var stream bytes.Buffer
	for i := range uint32(calls) {
		stream.Write(testCall(i, procEcho, make([]byte, size)))
	}
	if _, err := client.Write(stream.Bytes()); err != nil {
		t.Fatal(err)
	}
	close(sent)
	got := <-arrived
	replies := rpc.NewRecordReader(client, 4<<10, nil)
	for range calls {
		if _, err := replies.Next(); err != nil {
			t.Fatal(err)
		}
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	const reply = 28
	if got%reply != 0 || got > oneRead/size*reply {
		t.Errorf("%d bytes of replies have been sent when the last call is served", got)
	}
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
