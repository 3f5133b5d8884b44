package rpc_test

import (
	"bytes"
	"net/netip"
	"runtime"
	"sync/atomic"
	"testing"

	"pmemfs/server/rpc"
)

// media is a program of two media: one that has stopped, and one that works.
type media struct {
	stopped, works *rpc.Room
	goOn           chan struct{} // a call to the medium that has stopped ends for each element
	seen           atomic.Int32  // calls that wait for that
}

// Procedures of media.
const (
	procStopped = iota
	procWorks
)

// refusal is what a call is answered that is refused for now.
var refusal = words(10008)

func (m *media) serve(r *rpc.Request, e *rpc.Encoder) rpc.Result {
	room := m.works
	if r.Proc == procStopped {
		room = m.stopped
	}
	switch {
	case !r.MayWait:
		r.Room = room
		return rpc.Wait
	case r.Crowded:
		e.Raw(refusal)
		return rpc.Success
	case r.Proc == procStopped:
		m.seen.Add(1)
		<-m.goOn
	}
	e.Raw(r.Args)
	return rpc.Success
}

// TestRoom: calls for a medium that has stopped hold the places that they may, of each client a share. Others of the same connection are answered meanwhile,
// and those for which there is no place are refused for now, until there is room again.
func TestRoom(t *testing.T) {
	b := rpc.NewBudget(0)
	var told atomic.Int32
	m := &media{stopped: b.NewRoom(6, func(netip.Addr) { told.Add(1) }), works: b.NewRoom(0, nil), goOn: make(chan struct{})}
	m.stopped.Resize(4) // of which one client alone may have two
	addr, end := serve(t, rpc.NewServer(rpc.Config{Programs: []rpc.Program{{Number: testProgram, Low: 2, High: 3, Serve: m.serve}}, Budget: b}))
	greedy := dial(t, addr)
	expect := func(c *client, xid uint32, want []byte) {
		t.Helper()
		if got, reply := c.recv(); got != xid || !bytes.HasSuffix(reply, want) {
			t.Fatalf("reply %d, % x; want %d, % x", got, reply, xid, want)
		}
	}
	for round := range uint32(2) {
		for xid := range uint32(3) {
			greedy.send(testCall(xid, procStopped, words(xid)))
		}
		greedy.send(testCall(3, procWorks, words(3)), testCall(4, procStopped, words(4)))
		expect(greedy, 2, refusal)
		for range 2 { // in either order: one waits beside the other's refusal
			switch xid, reply := greedy.recv(); {
			case xid == 3 && bytes.HasSuffix(reply, words(3)), xid == 4 && bytes.HasSuffix(reply, refusal):
			default:
				t.Fatalf("reply %d, % x", xid, reply)
			}
		}
		other := dialFrom(t, "127.0.0.2", addr)
		other.send(testCall(9, procStopped, words(9)))
		for m.seen.Load() != 3*int32(round)+3 {
			runtime.Gosched()
		}
		for range 3 {
			m.goOn <- struct{}{}
		}
		expect(other, 9, words(9))
		for range 2 {
			if xid, reply := greedy.recv(); xid > 1 || !bytes.HasSuffix(reply, words(xid)) {
				t.Fatalf("reply %d, % x", xid, reply)
			}
		}
	}
	if err := end(); err != nil {
		t.Error(err)
	}
	if n := told.Load(); n != 2 {
		t.Errorf("told %d times, in two rounds", n)
	}
	if n := b.Held(); n != 0 {
		t.Errorf("%d bytes are still taken", n)
	}
}

// TestRoomOfOthers: a client that finds no place at all, as others have them, is refused for now too, and has one when there is one.
func TestRoomOfOthers(t *testing.T) {
	b := rpc.NewBudget(0)
	m := &media{stopped: b.NewRoom(1, nil), works: b.NewRoom(0, nil), goOn: make(chan struct{})}
	addr, end := serve(t, rpc.NewServer(rpc.Config{Programs: []rpc.Program{{Number: testProgram, Low: 2, High: 3, Serve: m.serve}}, Budget: b}))
	first, second := dial(t, addr), dialFrom(t, "127.0.0.2", addr)
	expect := func(c *client, xid uint32, want []byte) {
		t.Helper()
		if got, reply := c.recv(); got != xid || !bytes.HasSuffix(reply, want) {
			t.Fatalf("reply %d, % x; want %d, % x", got, reply, xid, want)
		}
	}
	first.send(testCall(0, procStopped, words(0)))
	for m.seen.Load() != 1 {
		runtime.Gosched()
	}
	second.send(testCall(1, procStopped, words(1)))
	expect(second, 1, refusal)
	second.send(testCall(2, procStopped, words(2)), testCall(3, procWorks, words(3)))
	expect(second, 2, refusal)
	expect(second, 3, words(3))
	m.goOn <- struct{}{}
	expect(first, 0, words(0))
	second.send(testCall(4, procStopped, words(4)))
	m.goOn <- struct{}{}
	expect(second, 4, words(4))
	if err := end(); err != nil {
		t.Error(err)
	}
}
