package rpc_test

import (
	"net"
	"testing"
	"time"

	"pmemfs/server/rpc"
)

// receipts serves a program that returns as many bytes as asked for, in place or beside other calls, and hands out the receipts.
func receipts(t *testing.T, wait bool) (addr string, got chan *rpc.Receipt) {
	t.Helper()
	got = make(chan *rpc.Receipt, 16)
	answer := func(r *rpc.Request, e *rpc.Encoder) rpc.Result {
		if wait && !r.MayWait {
			return rpc.Wait
		}
		d := rpc.NewDecoder(r.Args)
		e.Extend(int(d.Uint32()))
		receipt := r.Receipt()
		if r.Receipt() != receipt {
			t.Error("a call has two receipts")
		}
		got <- receipt
		return rpc.Success
	}
	srv := rpc.NewServer(rpc.Config{Programs: []rpc.Program{{Number: testProgram, Low: 3, High: 3, Serve: answer}}})
	addr, end := serve(t, srv)
	t.Cleanup(func() {
		if err := end(); err != nil {
			t.Error(err)
		}
	})
	return addr, got
}

// TestReceipts looks at receipts while connections last and after they have ended, in order and not, with replies that the client has and
// such as it has not.
func TestReceipts(t *testing.T) {
	for name, wait := range map[string]bool{"in place": false, "waiting": true} {
		t.Run(name, func(t *testing.T) {
			addr, got := receipts(t, wait)
			ask := func(c *client, xid, n uint32) *rpc.Receipt {
				t.Helper()
				c.send(testCall(xid, 0, words(n)))
				return <-got
			}
			expect := func(what string, r *rpc.Receipt, ended, delivered bool) {
				t.Helper()
				for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
					e, d := r.State()
					if e == ended && d == delivered {
						return
					}
					if time.Now().After(deadline) {
						t.Fatalf("%s: ended %v, delivered %v", what, e, d)
					}
				}
			}
			c := dial(t, addr)
			first := ask(c, 1, 100)
			c.recv()
			second := ask(c, 2, 8)
			c.recv()
			expect("a connection that lasts", second, false, false)
			c.Close()
			expect("the first of a connection that was closed", first, true, true)
			expect("the second", second, true, true)

			c = dial(t, addr)
			first = ask(c, 1, 4)
			c.recv()
			// More than the buffers of both sides take, so that something stays with the server.
			large := ask(c, 2, 32<<20)
			if e, d := large.State(); e || d {
				t.Errorf("before the end: %v, %v", e, d)
			}
			if err := c.Conn.(*net.TCPConn).SetLinger(0); err != nil {
				t.Fatal(err)
			}
			c.Close()
			expect("what was read before a reset", first, true, true)
			expect("what the client had no room for", large, true, false)
		})
	}
	var none *rpc.Receipt
	if e, d := none.State(); e || d {
		t.Error("no receipt knows something")
	}
}
