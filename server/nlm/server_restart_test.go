package nlm

import (
	"errors"
	"testing"
	"time"

	"pmemfs/server/nsm"
	"pmemfs/server/rpc"
)

// knows waits until a client has heard of the restart, under both names.
func (c *client) knows() {
	c.x.t.Helper()
	eventually(c.x.t, "the client is told of the restart", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		now := c.x.s.monitor.State()
		return c.reboots["server.example"] == now && c.reboots["127.0.0.1"] == now
	})
}

// monitored is the number of hosts in the image.
func (x *site) monitored() int {
	x.t.Helper()
	names, err := x.eng.Keys()
	must(x.t, err)
	return len(names) - 1 // without the state number
}

// TestRestart: clients with locks are told of a restart, claim their locks, and newcomers wait meanwhile.
func TestRestart(t *testing.T) {
	x := newSite(t)
	a, b, late := x.client(1, 4), x.client(2, 3), x.client(3, 4)
	before := x.s.monitor.State()
	mine := want{svid: 1, exclusive: true, start: 0, length: 10}
	a.gets(deniedGrace, procLock, want{svid: 1, reclaim: true}) // there is nothing to claim
	a.gets(granted, procLock, mine)
	b.gets(granted, procLock, want{svid: 2, start: 20, length: 10})
	if n := x.monitored(); n != 2 {
		t.Errorf("%d hosts in the image", n)
	}
	x.restart()
	if after := x.s.monitor.State(); after != before+2 || after%2 != 1 {
		t.Errorf("state %d after %d", after, before)
	}
	for _, msg := range []bool{false, true} {
		late.gets(deniedGrace, procLock, want{svid: 3, start: 50, length: 1, msg: msg})
		late.gets(deniedGrace, procTest, want{svid: 3, msg: msg})
	}
	late.share(deniedGrace, procShare, "o", 0, 1, false)
	a.knows()
	b.knows()
	claim := mine
	claim.reclaim = true
	a.gets(granted, procLock, claim)
	b.gets(deniedGrace, procLock, want{svid: 2, start: 20, length: 10}) // it has not claimed yet
	b.gets(denied, procLock, want{svid: 2, start: 5, length: 10, reclaim: true})
	late.gets(deniedGrace, procLock, want{svid: 3, start: 50, length: 1})
	b.gets(granted, procLock, want{svid: 2, start: 20, length: 10, reclaim: true})
	eventually(t, "the grace ends early", func() bool { st, _ := late.ask(procLock, want{svid: 3, start: 50, length: 1}); return st == granted })
	late.gets(denied, procLock, want{svid: 3, exclusive: true, start: 0, length: 1})
	late.gets(deniedGrace, procLock, want{svid: 3, start: 70, reclaim: true})
	a.gets(granted, procUnlock, mine)
	late.gets(granted, procLock, want{svid: 3, exclusive: true, start: 0, length: 1})
}

// TestGraceEnds: at once when each client has claimed and asks for something new; when its time is over in any case.
func TestGraceEnds(t *testing.T) {
	x := newSite(t)
	x.timing.Quiet, x.timing.AfterClaim = time.Hour, time.Second
	a, b := x.client(1, 4), x.client(2, 4)
	a.gets(granted, procLock, want{svid: 1, exclusive: true, length: 1})
	x.restart()
	claimed := time.Now()
	a.gets(granted, procLock, want{svid: 1, exclusive: true, length: 1, reclaim: true})
	b.gets(deniedGrace, procLock, want{svid: 1, start: 5, length: 1})
	st, _ := a.ask(procLock, want{svid: 1, exclusive: true, start: 9, length: 1}) // as if the claim had overtaken it
	if st != deniedGrace && time.Since(claimed) < x.timing.AfterClaim {
		t.Errorf("a new lock right after a claim: status %d", st)
	}
	eventually(t, "it is through", func() bool {
		st, _ := a.ask(procLock, want{svid: 1, exclusive: true, start: 9, length: 1})
		return st == granted
	})
	b.gets(granted, procLock, want{svid: 1, start: 5, length: 1})

	x.grace = 300 * time.Millisecond
	begun := time.Now()
	x.restart()
	st, _ = b.ask(procLock, want{svid: 1, start: 5, length: 1})
	if st != deniedGrace && time.Since(begun) < x.grace {
		t.Errorf("a new lock in the grace: status %d", st)
	}
	eventually(t, "the grace ends", func() bool { st, _ := b.ask(procTest, want{svid: 1}); return st == granted })
	if took := time.Since(begun); took < x.grace {
		t.Errorf("after %v", took)
	}
	x.grace = 0
	x.restart()
	b.gets(granted, procLock, want{svid: 1, exclusive: true})
}

// TestIdleForgotten: who has no locks costs nobody a grace: after a while, and at the end of a server that stops in order.
func TestIdleForgotten(t *testing.T) {
	x := newSite(t)
	x.end()
	x.timing.Idle = 100 * time.Millisecond
	x.serve()
	a, b := x.client(1, 4), x.client(2, 4)
	a.gets(granted, procLock, want{svid: 1, exclusive: true, length: 1})
	b.gets(granted, procLock, want{svid: 1, exclusive: true, start: 1})
	b.gets(granted, procUnlock, want{svid: 1})
	eventually(t, "a client without locks is forgotten", func() bool { return x.monitored() == 1 })
	time.Sleep(300 * time.Millisecond)
	if x.monitored() != 1 {
		t.Error("a client with locks is forgotten")
	}
	a.gets(granted, procUnlock, want{svid: 1})
	b.gets(granted, procLock, want{svid: 1, exclusive: true, start: 1})
	b.gets(granted, procUnlock, want{svid: 1})
	x.end()
	if n := x.monitored(); n != 0 {
		t.Errorf("%d hosts at the end", n)
	}
	x.serve()
	b.gets(granted, procLock, want{svid: 1})
}

// TestNotify: a client that was restarted loses its locks, once, and nobody else's NOTIFY takes them away.
func TestNotify(t *testing.T) {
	x := newSite(t)
	a, b := x.client(1, 4), x.client(2, 4)
	mine := want{svid: 1, exclusive: true}
	isHeld := func() bool { st, _ := b.ask(procTest, mine); return st == denied }
	a.gets(granted, procLock, mine)
	b.gets(blocked, procLock, want{svid: 4, exclusive: true, block: true})
	b.gets(granted, procCancel, want{svid: 4, exclusive: true, block: true})
	b.notify(a.name, 5) // from another address
	a.notify(a.name, 3) // no news
	if !isHeld() {
		t.Error("a forged or old NOTIFY took locks away")
	}
	b.gets(blocked, procLock, want{svid: 4, exclusive: true, block: true})
	a.notify("client1.example.org", 5)
	if h := b.hears(); h.proc != procGranted {
		t.Errorf("the one who waited heard %+v", h)
	}
	b.gets(granted, procUnlock, want{svid: 4})
	a.state = 5
	a.gets(granted, procLock, mine)
	a.notify(a.name, 5) // repeated
	if !isHeld() {
		t.Error("a repeated NOTIFY took new locks away")
	}
	a.state = 7 // restarted, and its NOTIFY is late
	a.gets(granted, procLock, want{svid: 2, exclusive: true, start: 100, length: 1})
	a.notify(a.name, 7)
	b.gets(granted, procTest, want{svid: 1, exclusive: true, length: 100})
	b.gets(denied, procTest, want{svid: 1, exclusive: true, start: 100})

	// Two clients at one address: the name decides, and no other name than theirs.
	a.name, a.state = "other", 3
	a.gets(granted, procLock, want{svid: 1, exclusive: true, start: 5, length: 1})
	a.notify("nobody", 9)
	b.gets(denied, procTest, want{svid: 1, exclusive: true, start: 100})
	a.notify("other", 9)
	b.gets(granted, procTest, want{svid: 1, exclusive: true, length: 10})
	b.gets(denied, procTest, want{svid: 1, exclusive: true, start: 100})
}

// TestNotifyInGrace: a client that was restarted as well has nothing to claim, so nobody waits for it.
func TestNotifyInGrace(t *testing.T) {
	x := newSite(t)
	a, b := x.client(1, 4), x.client(2, 4)
	a.gets(granted, procLock, want{svid: 1, exclusive: true})
	x.restart()
	b.gets(deniedGrace, procLock, want{svid: 1})
	a.notify(a.name, 11)
	b.gets(granted, procLock, want{svid: 1, exclusive: true})
}

// TestStatusMonitor: the other procedures do no harm, and monitor nobody.
func TestStatusMonitor(t *testing.T) {
	x := newSite(t)
	a := x.client(1, 4)
	a.gets(granted, procLock, want{svid: 1, exclusive: true})
	name := func(e *rpc.Encoder) { e.Opaque([]byte("somebody")) }
	myID := func(e *rpc.Encoder) { name(e); e.Uint32(1); e.Uint32(2); e.Uint32(3) }
	for proc, c := range []struct {
		args  func(e *rpc.Encoder)
		words []uint32
	}{
		{func(*rpc.Encoder) {}, nil},
		{name, []uint32{1, x.s.monitor.State()}},
		{func(e *rpc.Encoder) { name(e); myID(e); e.Raw(make([]byte, 16)) }, []uint32{1, x.s.monitor.State()}},
		{func(e *rpc.Encoder) { name(e); myID(e) }, []uint32{x.s.monitor.State()}},
		{myID, []uint32{x.s.monitor.State()}},
		{func(*rpc.Encoder) {}, nil},
		{func(e *rpc.Encoder) { name(e); e.Uint32(77) }, nil},
	} {
		e := rpc.NewEncoder(nil)
		c.args(e)
		results, err := a.call(&rpc.OutCall{Prog: nsm.Number, Vers: 1, Proc: uint32(proc), Args: e.Bytes()})
		if simulate := proc == 5; simulate != errors.Is(err, rpc.ErrRefused) || err != nil && !simulate {
			t.Errorf("procedure %d: %v", proc, err)
		}
		d := rpc.NewDecoder(results)
		for _, w := range c.words {
			if got := d.Uint32(); got != w {
				t.Errorf("procedure %d: %d, not %d", proc, got, w)
			}
		}
		if !d.Done() {
			t.Errorf("procedure %d: %d bytes", proc, len(results))
		}
		if proc != 6 {
			continue
		}
		for _, args := range [][]byte{nil, {1}, e.Bytes()[:len(e.Bytes())-1], append(e.Bytes(), 0, 0, 0, 0)} {
			_, err := a.call(&rpc.OutCall{Prog: nsm.Number, Vers: 1, Proc: uint32(proc), Args: args})
			var refusal *rpc.Refusal
			if !errors.As(err, &refusal) || refusal.Stat != rpc.GarbageArgs {
				t.Errorf("%x: %v", args, err)
			}
		}
	}
	var refusal *rpc.Refusal
	if _, err := a.call(&rpc.OutCall{Prog: nsm.Number, Vers: 1, Proc: 7}); !errors.As(err, &refusal) || refusal.Stat != rpc.ProcUnavail {
		t.Errorf("procedure 7: %v", err)
	}
	a.gets(granted, procLock, want{svid: 2, exclusive: true}) // the last NOTIFY was from the only host at its address
}
