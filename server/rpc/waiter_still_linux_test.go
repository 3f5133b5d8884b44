package rpc_test

import (
	"bytes"
	"testing"

	"pmemfs/server/rpc"
)

// TestSentBeforeWait has a call answered in place although it waits, as there is no room beside the connection for one that is so long. Calls before
// it have their replies meanwhile, although all of them were there when the first was served.
func TestSentBeforeWait(t *testing.T) {
	l, c := connectFirst(t)
	long := make([]byte, 150<<10)
	c.send(bytes.Repeat(testCall(1, procEcho, words(1)), 3), testCall(2, procSlow, long))
	s := &testServer{slow: make(chan struct{})}
	stop := serveOn(rpc.NewServer(rpc.Config{
		Programs: []rpc.Program{{Number: testProgram, Low: 2, High: 3, Serve: s.serve}}, Budget: rpc.NewBudget(0),
	}), l)
	for range 3 {
		if xid, b := c.recv(); xid != 1 || !bytes.HasSuffix(b, words(1)) {
			t.Fatalf("reply %d: % x", xid, b)
		}
	}
	s.slow <- struct{}{}
	if xid, b := c.recv(); xid != 2 || len(b) != 20+len(long) {
		t.Fatalf("reply %d of %d bytes", xid, len(b))
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}
