package rpc_test

import (
	"bytes"
	"fmt"
	"sync"
	"testing"
	"time"

	"pmemfs/server/rpc"
)

// TestConnectionShares lets one client open more connections than there may be. It gets its share, in which its own idle ones make room; another
// client connects all the same, and what it has stays.
func TestConnectionShares(t *testing.T) {
	s := startServer(t, rpc.Limits{Connections: 8})
	good := dialFrom(t, "127.0.0.2", s.addr)
	good.send(testCall(1, procEcho, nil))
	good.recv()
	ended := make(chan struct{}, 40)
	for range 40 {
		c := s.connect(t, "127.0.0.1")
		go func() {
			if _, err := c.replies.Next(); err != nil {
				ended <- struct{}{}
			}
		}()
	}
	for range 40 - 4 { // half of eight may stay
		<-ended
	}
	for range 3 {
		s.connect(t, "127.0.0.3")
	}
	good.send(testCall(2, procEcho, nil))
	good.recv()
}

// TestConnectionOfEach has as many clients as there may be connections open one each, and do nothing. Who comes then is let in for one of them, and who works
// stays.
func TestConnectionOfEach(t *testing.T) {
	const connections = 8
	s := startServer(t, rpc.Limits{Connections: connections})
	busy := dialFrom(t, "127.0.0.2", s.addr)
	busy.send(testCall(1, procSlow, nil))
	for s.seen.Load() != 1 {
		time.Sleep(time.Millisecond)
	}
	for i := range connections - 1 {
		s.connect(t, fmt.Sprintf("127.0.1.%d", 1+i))
	}
	for i := range 2 * connections {
		s.connect(t, fmt.Sprintf("127.0.2.%d", 1+i))
	}
	for s.Tally().Evicted < 2*connections { // each made room
		time.Sleep(time.Millisecond)
	}
	s.slow <- struct{}{}
	busy.recv()
}

// connect connects, and has a call answered. A connection that is made while all others are still about to send a reply may be refused.
func (s *testServer) connect(t *testing.T, from string) *client {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		c := dialFrom(t, from, s.addr)
		if _, err := c.Write(testCall(1, procEcho, nil)); err == nil {
			if _, err = c.replies.Next(); err == nil {
				return c
			}
		}
		if time.Now().After(deadline) {
			t.Fatal("nobody is let in")
		}
	}
}

// TestBusyConnectionsStay: nobody's call in progress is given up for somebody who wants to connect.
func TestBusyConnectionsStay(t *testing.T) {
	s := startServer(t, rpc.Limits{Connections: 4})
	var busy []*client
	for i := range uint32(2) {
		c := dial(t, s.addr)
		c.send(testCall(i, procSlow, nil))
		busy = append(busy, c)
	}
	for s.seen.Load() != 2 {
		time.Sleep(time.Millisecond)
	}
	dial(t, s.addr).ended()
	other := dialFrom(t, "127.0.0.2", s.addr)
	other.send(testCall(1, procEcho, nil))
	other.recv()
	for range busy {
		s.slow <- struct{}{}
	}
	for _, c := range busy {
		c.recv()
	}
}

// TestRepliesNotTaken has one client ask for much and take nothing, on more connections than there is memory for; then it sends half a
// WRITE on as many. Another client is answered meanwhile, also where it needs what the first one has.
func TestRepliesNotTaken(t *testing.T) {
	s := startScarce(t, rpc.Limits{Yield: 200 * time.Millisecond})
	large := testCall(1, procLarge, words(1<<20))
	for _, greed := range [][]byte{bytes.Repeat(large, 8), bytes.Repeat(testCall(1, procDirect, words(1<<20)), 8), halfRecord()} {
		for range 40 {
			dial(t, s.addr).send(greed)
		}
		good := dialFrom(t, "127.0.0.2", s.addr)
		for range 20 {
			good.send(large, testCall(2, procEcho, bytes.Repeat([]byte("large"), 100_000)))
			for range 2 {
				if _, b := good.recv(); len(b) < 500_000 {
					t.Fatalf("%d bytes", len(b))
				}
			}
		}
	}
}

// TestLateRepliesNotTaken has two clients take nothing of large replies to calls that had to wait, and that have all the memory for such. A third one is
// answered.
func TestLateRepliesNotTaken(t *testing.T) {
	s := startScarce(t, rpc.Limits{Yield: 200 * time.Millisecond})
	for i := range 6 {
		dialFrom(t, fmt.Sprintf("127.0.1.%d", 1+i%2), s.addr).send(bytes.Repeat(testCall(1, procLargeLater, nil), 16))
	}
	for range 3 {
		good := dialFrom(t, "127.0.0.2", s.addr)
		good.send(testCall(2, procLargeLater, nil))
		if _, b := good.recv(); len(b) < len(lying) {
			t.Fatalf("%d bytes", len(b))
		}
	}
}

// TestWaitersShare has one client make more calls that wait than there is memory for. Another's wait beside them.
func TestWaitersShare(t *testing.T) {
	s := startScarce(t, rpc.Limits{})
	var greedy []*client
	const connections, calls = 8, 64
	block := make([]byte, 64<<10)
	for range connections {
		c := dial(t, s.addr)
		greedy = append(greedy, c)
		go func() {
			for i := range uint32(calls) {
				if _, err := c.Write(testCall(i, procSlow, block)); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	most := s.awaitQuiet()
	if n := int64(3 << 20 / (72<<10 + 16<<10)); int64(most) > n/2+1 {
		t.Errorf("%d calls of one client wait, of %d", most, n)
	}
	good := dialFrom(t, "127.0.0.2", s.addr)
	good.send(testCall(1, procSlow, block))
	for s.seen.Load() == most {
		time.Sleep(time.Millisecond)
	}
	for range connections*calls + 1 {
		s.slow <- struct{}{}
	}
	var all sync.WaitGroup
	for _, c := range greedy {
		all.Go(func() {
			for range calls {
				if _, err := c.replies.Next(); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	good.recv()
	all.Wait()
}

// awaitQuiet waits until no more calls of procSlow begin, and returns how many have begun.
func (s *testServer) awaitQuiet() int32 {
	for last := s.seen.Load(); ; {
		time.Sleep(100 * time.Millisecond)
		now := s.seen.Load()
		if now == last && now > 0 {
			return now
		}
		last = now
	}
}

// TestEndedConnectionsHoldNothing ends a connection whose call is in progress. Others of its client, which wait for the turns and the memory that it
// had, are served meanwhile.
func TestEndedConnectionsHoldNothing(t *testing.T) {
	s := startScarce(t, rpc.Limits{})
	other := dialFrom(t, "127.0.0.2", s.addr) // as turns cost nothing for one client alone
	other.send(testCall(1, procEcho, nil))
	other.recv()
	large := testCall(1, procEcho, make([]byte, 1<<20))
	const ended = 20
	for i := range int32(ended) {
		c := dial(t, s.addr)
		c.send(testCall(1, procSlow, nil), large[:300<<10])
		for s.seen.Load() <= i {
			time.Sleep(time.Millisecond)
		}
		c.Close()
	}
	for range 5 {
		c := dial(t, s.addr)
		c.send(large, testCall(2, procEcho, nil))
		c.recv()
		c.recv()
	}
	for range ended {
		s.slow <- struct{}{}
	}
}
