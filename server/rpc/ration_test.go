package rpc

import (
	"net/netip"
	"sync"
	"testing"
)

// TestRationShares takes from a ration until clients have their shares, which are as much as is left.
func TestRationShares(t *testing.T) {
	var r ration
	r.init(12)
	var a, b, c account
	takeAll := func(x *account) (n int64) {
		for r.take(x, 1) {
			n++
		}
		return n
	}
	if n := takeAll(&a); n != 6 {
		t.Errorf("the first has %d of 12", n)
	}
	if n := takeAll(&b); n != 3 {
		t.Errorf("the second has %d", n)
	}
	if n := takeAll(&c); n < 1 || r.free < 1 {
		t.Errorf("the third has %d, and %d are left", n, r.free)
	}
}

// TestRationTurns has clients wait, one of them with many: what comes free goes from client to client, and within one in order.
func TestRationTurns(t *testing.T) {
	var r ration
	r.init(1)
	r.open = true
	var holder, greedy, good, late account
	if !r.take(&holder, 1) {
		t.Fatal("nothing to take")
	}
	wait := func(a *account) *ticket {
		x := newTicket()
		if r.queue(a, &x, 1) {
			t.Fatal("taken at once")
		}
		return &x
	}
	g := []*ticket{wait(&greedy), wait(&greedy), wait(&greedy)}
	w, l := wait(&good), wait(&late)
	if !r.leave(&greedy, g[1]) {
		t.Error("given before it was free")
	}
	has := &holder
	for i, next := range []struct {
		*ticket
		of *account
	}{{g[0], &greedy}, {w, &good}, {l, &late}, {g[2], &greedy}} {
		r.give(has, 1)
		select {
		case <-next.given:
		default:
			t.Fatalf("turn %d is another's", i)
		}
		has = next.of
	}
	if x := newTicket(); r.queue(&good, &x, 1) || !r.overtake(&good, &x) || r.free != -1 {
		t.Errorf("a client without a turn does not overtake; %d free", r.free)
	}
	if x := newTicket(); r.queue(&good, &x, 1) || r.overtake(&good, &x) {
		t.Error("a client with a turn overtakes")
	} else if !r.leave(&good, &x) {
		t.Error("given what is not there")
	}
	r.give(&good, 1)
	r.give(has, 1)
	if r.free != 1 || r.ring != nil || r.waiting != 0 {
		t.Errorf("%d free, %d wait", r.free, r.waiting)
	}
}

// TestRationUnderLoad has clients take, wait, leave and overtake all at once: what is given is given back.
func TestRationUnderLoad(t *testing.T) {
	b := NewBudget(0)
	r := &b.seats
	r.limit, r.free, r.most = 4, 4, 0
	var all sync.WaitGroup
	for i := range 8 {
		cl := b.client(netip.AddrFrom4([4]byte{10, 0, 0, byte(i % 3)}))
		all.Go(func() {
			x := newTicket()
			for k := range 2000 {
				if !r.queue(&cl.seats, &x, 1) {
					if k%3 == 0 && r.leave(&cl.seats, &x) {
						continue
					} else if k%3 != 0 && (k%3 != 1 || !r.overtake(&cl.seats, &x)) {
						<-x.given
					}
				}
				r.give(&cl.seats, 1)
			}
			b.done(cl)
		})
	}
	all.Wait()
	if r.free != 4 || r.waiting != 0 || r.ring != nil || len(b.clients) != 0 {
		t.Errorf("%d free, %d wait, %d clients", r.free, r.waiting, len(b.clients))
	}
}
