package rpc_test

import (
	"net"
	"slices"
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
	// An acknowledgement that is put off takes 40 ms at least, once the system has got to know the connection.
	const calls, first, putOff = 60, 20, 40 * time.Millisecond
	var took []time.Duration
	for i := range uint32(calls) {
		begun := time.Now()
		record := testCall(i, procEcho, make([]byte, 8000))
		for _, part := range [][]byte{record[:1460], record[1460:]} {
			if _, err := c.Write(part); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := c.replies.Next(); err != nil {
			t.Fatal(err)
		}
		took = append(took, time.Since(begun))
	}
	// On a busy machine many calls take long for other reasons, but not all.
	took = took[first:]
	slices.Sort(took)
	t.Logf("the fastest %v, half of them within %v", took[0], took[len(took)/2])
	if took[len(took)/4] >= putOff {
		t.Errorf("three quarters of the calls take %v and more", took[len(took)/4])
	}
}
