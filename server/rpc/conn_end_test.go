package rpc_test

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"testing"
	"time"

	"pmemfs/pmemfs/safego"
	"pmemfs/server/rpc"
)

// halfRecord is a record mark of 1 MiB, and 160 KiB of it.
func halfRecord() []byte { return append(mark(1<<20, true), make([]byte, 160<<10)...) }

// TestHalfRecords has many connections begin a large record and stop. They are ended in time, another client is answered meanwhile and
// afterwards, and the server stops.
func TestHalfRecords(t *testing.T) {
	s := startScarce(t, rpc.Limits{Yield: 20 * time.Millisecond, Partial: 500 * time.Millisecond})
	var greedy []*client
	for range 100 {
		c := dial(t, s.addr)
		c.send(halfRecord())
		greedy = append(greedy, c)
	}
	good := dialFrom(t, "127.0.0.2", s.addr)
	for i := range uint32(100) {
		good.send(testCall(i, procEcho, words(i)))
		good.recv()
	}
	for _, c := range greedy {
		c.ended()
	}
	for _, c := range []*client{good, dial(t, s.addr)} {
		c.send(testCall(1, procLarge, words(1<<20)))
		if _, b := c.recv(); len(b) < 1<<20 {
			t.Errorf("%d bytes", len(b))
		}
	}
}

// TestStopsBesideHalfRecords stops a server whose connections wait for memory, and for the rest of records.
func TestStopsBesideHalfRecords(t *testing.T) {
	s, end := startConfig(t, rpc.Config{Budget: rpc.NewBudget(0)})
	for range 50 {
		dial(t, s.addr).send(halfRecord())
	}
	good := dialFrom(t, "127.0.0.2", s.addr)
	good.send(testCall(1, procEcho, nil))
	good.recv()
	if err := end(); err != nil {
		t.Error(err)
	}
}

// TestStopsBesideStuckCall stops a server one of whose programs does not return: the server says so and returns.
func TestStopsBesideStuckCall(t *testing.T) {
	s, end := startEnding(t, rpc.Limits{Drain: 200 * time.Millisecond})
	c, idle := dial(t, s.addr), dial(t, s.addr)
	c.send(testCall(1, procSlow, nil))
	for s.seen.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	if err := end(); !errors.Is(err, rpc.ErrUnfinished) {
		t.Errorf("serve: %v", err)
	}
	idle.ended()
	s.slow <- struct{}{}
}

// TestPanicInDirect has a program panic while it owns the connection's writing side. That ends the call, and leaves nothing locked.
func TestPanicInDirect(t *testing.T) {
	s := startServer(t, rpc.Limits{})
	before := safego.Panics()
	c := dial(t, s.addr)
	c.send(testCall(1, procBroken, nil), testCall(2, procEcho, words(7)))
	if xid, b := c.recv(); xid != 1 || binary.BigEndian.Uint32(b[16:]) != uint32(rpc.SystemErr) {
		t.Errorf("reply %d: % x", xid, b)
	}
	if xid, _ := c.recv(); xid != 2 {
		t.Errorf("reply %d", xid)
	}
	if n := safego.Panics() - before; n != 1 {
		t.Errorf("%d panics counted", n)
	}
}

// badSession panics wherever it can.
type badSession struct{ wait bool }

func (s badSession) Serve(r *rpc.Request, _ *rpc.Encoder) rpc.Result {
	if s.wait && !r.MayWait {
		return rpc.Wait
	}
	panic("as asked")
}
func (badSession) Sent(*rpc.Request) { panic("as asked") }
func (badSession) Busy() bool        { return false }
func (badSession) Stop()             { panic("as asked") }
func (badSession) Close()            { panic("as asked") }

// TestPanicInSession ends the connection of a session that panics, in place and beside the connection, and nothing else.
func TestPanicInSession(t *testing.T) {
	srv := rpc.NewServer(rpc.Config{Session: func(_, remote netip.AddrPort) rpc.Session { return badSession{remote.Port()%2 == 0} }})
	addr, end := serve(t, srv)
	for range 20 {
		c := dial(t, addr)
		c.send([]byte{7, 0, 0, 0, 100, 1, 0, 7, 0, 0, 0, 100, 2, 0})
		c.ended()
	}
	if err := end(); err != nil {
		t.Error(err)
	}
}
