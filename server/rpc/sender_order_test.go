package rpc

import (
	"io"
	"net"
	"net/netip"
	"testing"
	"time"
)

// noSession is a session that is never asked.
type noSession struct{ Session }

// TestSessionOrder has the answer of a message that waited pile up while somebody sends. What is answered next may be about it, as an Rflush
// is: it leaves behind it.
func TestSessionOrder(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.SetDeadline(time.Now().Add(3 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	nc, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	srv := NewServer(Config{Session: func(netip.AddrPort, netip.AddrPort) Session { return noSession{} }})
	c := newConn(srv, nc, srv.budget.client(netip.Addr{}))
	c.begin(srv.budget.takeWork(c.client))
	c.out.use(&c.set.out)
	c.slots = make(chan struct{}, 1)
	pile := func(answer string) {
		c.slots <- struct{}{}
		c.sender.wmu.Lock()
		defer c.sender.wmu.Unlock()
		a := newAnswer(srv.budget, c.client, srv.slot)
		a.out.Raw([]byte(answer))
		c.sender.add(a)
	}
	sent := func(want string) {
		t.Helper()
		got := make([]byte, len(want))
		if _, err := io.ReadFull(client, got); err != nil || string(got) != want {
			t.Errorf("sent %q, %v, want %q", got, err, want)
		}
	}
	pile("waited, ")
	c.out.Raw([]byte("flushed"))
	if err := c.flush(); err != nil {
		t.Fatal(err)
	}
	sent("waited, flushed")
	pile("waited, ")
	if !c.req.TryDirect() {
		t.Fatal("nothing is sent directly")
	}
	c.out.Extend(markBytes)
	c.req.Direct(&c.out, [][]byte{[]byte("data")}, 4)
	if !c.req.EndDirect(&c.out) {
		t.Error("nothing was sent directly")
	}
	sent("waited, \x08\x00\x00\x00data")
}
