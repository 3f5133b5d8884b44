package rpc_test

import (
	"net"
	"testing"
	"time"

	"pmemfs/server/rpc"
)

// TestNagle calls from a socket that keeps the end of a record back until its beginning is acknowledged. Nobody waits for the
// acknowledgement that the system would put off.
func TestNagle(t *testing.T) {
	s := startServer(t, rpc.Limits{})
	c := dial(t, s.addr)
	if err := c.Conn.(*net.TCPConn).SetNoDelay(false); err != nil {
		t.Fatal(err)
	}
	const calls = 50
	start := time.Now()
	for i := range uint32(calls) {
		record := testCall(i, procEcho, make([]byte, 8000))
		for _, part := range [][]byte{record[:1460], record[1460:]} {
			if _, err := c.Write(part); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := c.replies.Next(); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(start); took > calls*20*time.Millisecond {
		t.Errorf("%d calls took %v", calls, took)
	}
}
