package nlm

import (
	"bytes"
	"context"
	"errors"
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"

	"pmemfs/pmemfs"
	"pmemfs/server/nsm"
	"pmemfs/server/rpc"
)

// everyForm calls f for each version over each transport, in both forms.
func everyForm(t *testing.T, f func(t *testing.T, x *site, a, b *client, msg bool)) {
	for _, vers := range []uint32{1, 3, 4} {
		for _, tcp := range []bool{false, true} {
			for _, msg := range []bool{false, true} {
				x := newSite(t)
				a, b := x.client(1, vers), x.client(2, vers)
				a.tcp.Store(tcp)
				b.tcp.Store(tcp)
				f(t, x, a, b, msg)
			}
		}
	}
}

// TestProcedures: a client locks, another one meets the lock, and so on, by each procedure, version, transport and form.
func TestProcedures(t *testing.T) {
	everyForm(t, func(t *testing.T, x *site, a, b *client, msg bool) {
		if results, err := a.send(a.vers, procNull, nil); err != nil || len(results) != 0 {
			t.Errorf("NULL: %d bytes, %v", len(results), err)
		}
		whole := want{svid: 7, exclusive: true, msg: msg}
		a.gets(granted, procTest, whole)
		a.gets(granted, procLock, whole)
		b.gets(denied, procTest, whole)
		b.gets(denied, procLock, want{svid: 7, start: 10, length: 5, msg: msg}) // the same number at another host
		a.gets(denied, procLock, want{svid: 8, start: 10, length: 5, msg: msg})
		a.gets(granted, procLock, want{svid: 7, start: 10, length: 5, msg: msg}) // downgraded
		b.gets(granted, procLock, want{svid: 1, start: 12, length: 2, msg: msg})
		b.gets(denied, procLock, want{svid: 1, exclusive: true, start: 12, length: 2, msg: msg})
		a.gets(granted, procUnlock, want{svid: 7, start: 10, length: math.MaxUint32 - 10, msg: msg})
		b.gets(granted, procLock, want{svid: 1, exclusive: true, start: 12, length: 9, msg: msg})
		b.gets(denied, procLock, want{svid: 1, exclusive: true, start: 9, length: 1, msg: msg})
		b.gets(granted, procUnlock, want{svid: 99, msg: msg}) // who has none
		a.gets(blocked, procLock, want{svid: 7, exclusive: true, start: 0, block: true, msg: msg})
		a.gets(granted, procCancel, want{svid: 7, exclusive: true, start: 0, block: true, msg: msg})
		a.gets(denied, procCancel, want{svid: 7, exclusive: true, start: 0, block: true, msg: msg})
		a.gets(denied, procGranted, want{svid: 7, msg: msg})
		b.gets(granted, procUnlock, want{svid: 1, msg: msg})
		a.gets(granted, procUnlock, want{svid: 7, msg: msg})
		if u := x.eng.LockUsage(); u != (pmemfs.LockUsage{}) {
			t.Errorf("left %+v", u)
		}
	})
}

// TestHolder: TEST says who has the lock, in as many bits as there are.
func TestHolder(t *testing.T) {
	x := newSite(t)
	a, b := x.client(1, 4), x.client(2, 4)
	a.gets(granted, procLock, want{svid: 70, exclusive: true, start: 1 << 40, length: 1 << 50})
	check := func(start, length uint64, wantStart, wantLength uint64) {
		t.Helper()
		st, d := b.ask(procTest, want{svid: 1, start: start, length: length})
		exclusive, svid, oh := d.Bool(), d.Uint32(), string(d.Opaque(objectMax))
		var s, l uint64
		if b.vers == 4 {
			s, l = d.Uint64(), d.Uint64()
		} else {
			s, l = uint64(d.Uint32()), uint64(d.Uint32())
		}
		if st != denied || !exclusive || svid != 70 || oh != "owner of client1" || s != wantStart || l != wantLength || !d.Done() {
			t.Errorf("holder: %d %v %d %q %d %d", st, exclusive, svid, oh, s, l)
		}
	}
	check(0, 0, 1<<40, 1<<50)
	b.vers = 3
	check(0, 0, math.MaxUint32, 0)
	b.vers = 4
	a.gets(granted, procUnlock, want{svid: 70})
	a.gets(granted, procLock, want{svid: 70, exclusive: true, start: math.MaxInt64, length: 0})
	check(5, 0, math.MaxInt64, 0)
	a.gets(tooBig, procLock, want{svid: 70, start: math.MaxInt64 + 1, length: 0})
	a.gets(tooBig, procLock, want{svid: 70, start: 2, length: math.MaxInt64})
	a.gets(tooBig, procLock, want{svid: 70, start: 2, length: math.MaxUint64})
	a.gets(granted, procLock, want{svid: 70, start: 1, length: math.MaxInt64})
	// Another protocol's owner has no number.
	must(t, x.eng.TryLock(superuser, nil, x.files[1], pmemfs.FileLock{Owner: pmemfs.LockOwner{Client: "9P", ID: "x"}, Exclusive: true, End: 3}))
	b.open("/", 1)
	st, d := b.ask(procTest, want{svid: 1})
	if exclusive, svid := d.Bool(), d.Uint32(); st != denied || !exclusive || svid != 0 {
		t.Errorf("the holder of another protocol: %d %v %d", st, exclusive, svid)
	}
}

// TestGranted: who waits is called when the lock is free, over the transport and in the form of its request.
func TestGranted(t *testing.T) {
	everyForm(t, func(t *testing.T, x *site, a, b *client, msg bool) {
		a.gets(granted, procLock, want{svid: 1, exclusive: true, start: 5, length: 5})
		w := want{svid: 2, exclusive: true, start: 1, length: 9, block: true, msg: msg}
		b.gets(blocked, procLock, w)
		b.gets(blocked, procLock, w) // the client asks again, as it does
		b.quiet(t)
		a.gets(granted, procUnlock, want{svid: 1})
		h := b.hears()
		proc := uint32(procGranted)
		if msg {
			proc += async
		}
		l := h.args.lock
		if h.vers != b.vers || h.proc != proc || !h.args.exclusive || string(l.fh) != string(b.fh) || l.svid != 2 || l.start != 1 || l.length != 9 || string(l.oh) != "owner of client2" {
			t.Errorf("granted: %+v", h)
		}
		b.quiet(t)
		a.gets(denied, procTest, want{svid: 1})
		b.gets(granted, procLock, w)
		b.gets(granted, procUnlock, w)
		a.gets(granted, procTest, want{svid: 1, exclusive: true})
	})
}

// TestGrantLost: a grant that does not arrive is found by the client that asks again, and is withdrawn from one that does not, or
// that wants it no more.
func TestGrantLost(t *testing.T) {
	x := newSite(t)
	a, b := x.client(1, 4), x.client(2, 4)
	hold := func() { a.gets(granted, procLock, want{svid: 1, exclusive: true}) }
	free := func() { a.gets(granted, procUnlock, want{svid: 1}) }
	isFree := func() bool { st, _ := a.ask(procTest, want{svid: 1, exclusive: true}); return st == granted }
	w := want{svid: 2, exclusive: true, block: true}

	hold()
	b.behave(true, granted)
	b.gets(blocked, procLock, w)
	free()
	b.hears()
	b.gets(granted, procLock, w)
	time.Sleep(200 * time.Millisecond)
	if isFree() {
		t.Error("a lock that the client knows of was withdrawn")
	}
	b.gets(granted, procUnlock, w)
	for len(b.told) > 0 {
		<-b.told
	}

	hold()
	b.gets(blocked, procLock, w)
	free()
	eventually(t, "a lock is withdrawn from a client that does not answer", isFree)

	b.behave(false, denied)
	for _, w.msg = range []bool{false, true} {
		hold()
		b.gets(blocked, procLock, w)
		free()
		eventually(t, "a lock is withdrawn from a client that does not want it", isFree)
	}
	w.msg = false

	b.behave(true, granted)
	for len(b.told) > 0 {
		<-b.told
	}
	hold()
	b.gets(blocked, procLock, w)
	free()
	b.hears()
	b.gets(granted, procCancel, w)
	if !isFree() {
		t.Error("a lock that was cancelled while it was granted is held")
	}
	x.s.mu.Lock()
	defer x.s.mu.Unlock()
	if len(x.s.grants) != 0 || len(x.s.cookie) != 0 {
		t.Errorf("%d grants, %d cookies left", len(x.s.grants), len(x.s.cookie))
	}
}

func TestDeadlock(t *testing.T) {
	x := newSite(t)
	for _, vers := range []uint32{4, 3} {
		a, b := x.client(int(vers)*10, vers), x.client(int(vers)*10+1, vers)
		a.gets(granted, procLock, want{svid: 1, exclusive: true, length: 1})
		b.open("/", 1)
		b.gets(granted, procLock, want{svid: 2, exclusive: true, length: 1})
		a.open("/", 1)
		a.gets(blocked, procLock, want{svid: 1, exclusive: true, length: 1, block: true})
		b.open("/", 0)
		st := deadlock
		if vers == 3 {
			st = denied
		}
		b.gets(st, procLock, want{svid: 2, exclusive: true, length: 1, block: true})
		a.gets(granted, procCancel, want{svid: 1, exclusive: true, length: 1, block: true})
		b.open("/", 1)
		b.gets(granted, procUnlock, want{svid: 2})
		a.open("/", 0)
		a.gets(granted, procUnlock, want{svid: 1})
	}
}

// TestRefusals: files that are none, and those that a client or user may not have.
func TestRefusals(t *testing.T) {
	x := newSite(t)
	a := x.client(1, 4)
	good := bytes.Clone(a.fh)
	for _, c := range []struct {
		what string
		fh   []byte
		st   status
	}{
		{"no handle", nil, failed},
		{"a forged handle", append(append([]byte(nil), good[:39]...), good[39]^1), failed},
		{"another filesystem's", append([]byte{good[0] ^ 1}, good[1:]...), staleHandle},
		{"a file that is gone", x.codec.Append(nil, x.table.Load().All()[0].ID(), pmemfs.Handle{Ino: 99, Gen: 5}), staleHandle},
		{"a directory", x.codec.Append(nil, x.table.Load().All()[0].ID(), x.eng.Root()), failed},
	} {
		a.fh = c.fh
		a.gets(c.st, procTest, want{})
		a.gets(c.st, procLock, want{svid: 1})
		a.gets(c.st, procLock, want{svid: 1, msg: true})
		if a.share(c.st, procShare, "o", 0, 1, false); c.what != "a directory" {
			a.gets(c.st, procUnlock, want{svid: 1})
		}
	}
	a.open("/", 0)
	a.gets(granted, procLock, want{svid: 1, exclusive: true})
	a.fh = x.codec.Append(nil, 12345, x.files[0]) // an export that is gone
	a.gets(staleHandle, procTest, want{})
	a.gets(staleHandle, procLock, want{svid: 1})
	a.gets(granted, procUnlock, want{svid: 1, length: 5}) // what is owned can be let go of all the same
	a.open("/narrow", 0)                                  // whose clients are elsewhere
	for _, proc := range []uint32{procTest, procLock, procNMLock} {
		a.gets(failed, proc, want{svid: 1})
	}
	a.gets(granted, procUnlock, want{svid: 1})
	a.vers = 3
	a.gets(deniedNoLock, procLock, want{svid: 1})
	a.vers = 4
	a.open("/ro", 0)
	a.gets(readOnly, procLock, want{svid: 1, exclusive: true})
	a.gets(granted, procLock, want{svid: 1})
	a.gets(granted, procUnlock, want{svid: 1})
	a.share(readOnly, procShare, "o", 1, 1, false)
	a.share(readOnly, procShare, "o", 0, 2, false)
	a.open("/", 2) // of user 5
	a.gets(failed, procLock, want{svid: 1})
	a.uid = 6
	a.gets(failed, procLock, want{svid: 1})
	a.uid = 5
	a.gets(granted, procLock, want{svid: 1, exclusive: true})
	a.uid = 6
	a.gets(granted, procUnlock, want{svid: 1})
	for _, name := range []string{"", "a\x00b", strings.Repeat("n", 256)} {
		a.name, a.uid = name, 5
		a.gets(failed, procLock, want{svid: 1})
	}
	if u := x.eng.LockUsage(); u != (pmemfs.LockUsage{}) {
		t.Errorf("left %+v", u)
	}
}

func TestShares(t *testing.T) {
	x := newSite(t)
	for _, vers := range []uint32{3, 4} {
		a, b := x.client(int(vers)*10, vers), x.client(int(vers)*10+1, vers)
		a.share(granted, procShare, "one", 2, 1, false)
		b.share(denied, procShare, "one", 0, 2, false)
		b.share(denied, procShare, "one", 1, 0, false)
		b.share(granted, procShare, "one", 0, 1, false)
		b.gets(granted, procLock, want{svid: 1, exclusive: true}) // locks and reservations are apart
		a.share(granted, procUnshare, "one", 2, 1, false)
		b.share(granted, procShare, "two", 0, 2, false)
		b.freeAll()
		eventually(t, "FREE_ALL frees", func() bool { return x.eng.LockUsage() == pmemfs.LockUsage{} })
	}
}

func (c *client) freeAll() {
	c.x.t.Helper()
	e := rpc.NewEncoder(nil)
	e.Opaque([]byte(c.name))
	e.Uint32(c.state)
	if results, err := c.send(c.vers, procFreeAll, e.Bytes()); err != nil || len(results) != 0 {
		c.x.t.Fatalf("FREE_ALL: %d bytes, %v", len(results), err)
	}
}

// TestForged: a datagram in a client's name, from a port that anybody may have, does not take its locks.
func TestForged(t *testing.T) {
	x := newSite(t)
	a, b := x.client(1, 4), x.client(2, 4)
	mine := want{svid: 1, exclusive: true}
	a.gets(granted, procLock, mine)
	e := rpc.NewEncoder(nil)
	e.Opaque([]byte(a.name))
	e.Uint32(99)
	for name, out := range map[string]*rpc.OutCall{
		"FREE_ALL": {Prog: Number, Vers: 4, Proc: procFreeAll, Args: e.Bytes()},
		"NOTIFY":   {Prog: nsm.Number, Vers: 1, Proc: 6, Args: e.Bytes()},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		_, err := rpc.CallUDP(ctx, a.addr, x.addr, out)
		cancel()
		if !errors.Is(err, rpc.ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
		b.gets(denied, procTest, mine)
	}
}

// TestUnmonitored: NM_LOCK locks, and leaves nothing in the image; FREE_ALL frees what the caller has, and nobody else.
func TestUnmonitored(t *testing.T) {
	x := newSite(t)
	a, b := x.client(1, 4), x.client(2, 4)
	a.gets(granted, procNMLock, want{svid: 1, exclusive: true})
	b.gets(denied, procNMLock, want{svid: 1, exclusive: true})
	if names, err := x.eng.Keys(); err != nil || len(names) != 1 {
		t.Errorf("states %v, %v", names, err)
	}
	b.name = a.name
	b.freeAll()
	b.gets(denied, procTest, want{svid: 1})
	a.freeAll()
	b.gets(granted, procTest, want{svid: 1})
}

// TestRepeated: a call that arrives again, when its lock has been released since, does nothing.
func TestRepeated(t *testing.T) {
	x := newSite(t)
	a := x.client(1, 4)
	serve := func(proc uint32, args []byte) status {
		t.Helper()
		r := &rpc.Request{Call: rpc.Call{Prog: Number, Vers: 4, Proc: proc, Args: args}, Record: append([]byte{byte(proc)}, args...),
			Remote: netip.AddrPortFrom(a.addr, 700), MayWait: true}
		e := rpc.NewEncoder(nil)
		if result := x.s.serve(r, e); result != rpc.Success {
			t.Fatalf("result %d", result)
		}
		d := rpc.NewDecoder(e.Bytes())
		d.Opaque(objectMax)
		return status(d.Uint32())
	}
	isFree := func() bool { st, _ := a.ask(procTest, want{svid: 9, exclusive: true}); return st == granted }
	lock, unlock := a.args(procLock, want{svid: 1, exclusive: true}), a.args(procUnlock, want{svid: 1})
	for _, call := range []struct {
		proc uint32
		args []byte
		free bool
	}{{procLock, lock, false}, {procUnlock, unlock, true}, {procLock, lock, true}} {
		if st := serve(call.proc, call.args); st != granted || isFree() != call.free {
			t.Errorf("procedure %d: status %d, free %v", call.proc, st, !call.free)
		}
	}
	if serve(procLock, a.args(procLock, want{svid: 1, exclusive: true})); isFree() {
		t.Error("a new call was taken for an old one")
	}
	if serve(procUnlock, unlock); isFree() {
		t.Error("an old UNLOCK took a new lock away")
	}
	a.freeAll()
	if serve(procLock, lock); isFree() {
		t.Error("a restarted client's call was taken for an old one")
	}
}

// TestMalformed: arguments that are none, procedures and versions that are none.
func TestMalformed(t *testing.T) {
	x := newSite(t)
	a := x.client(1, 4)
	for _, vers := range []uint32{1, 3, 4} {
		a.vers = vers
		for proc := range uint32(procCount) {
			if proc > procRes+procGranted-1 && proc < procShare || vers == 1 && proc >= procShare {
				x.refused(a, vers, proc, nil, rpc.ProcUnavail)
				continue
			}
			x.refused(a, vers, proc, []byte{1, 2, 3}, rpc.GarbageArgs)
			x.refused(a, vers, proc, []byte{0xff, 0xff, 0xff, 0xff}, rpc.GarbageArgs)
			if proc != procNull {
				x.refused(a, vers, proc, nil, rpc.GarbageArgs)
			}
		}
		args := a.args(procLock, want{svid: 1})
		for n := range len(args) {
			x.refused(a, vers, procLock, args[:n], rpc.GarbageArgs)
		}
		x.refused(a, vers, procLock, append(args, 0, 0, 0, 0), rpc.GarbageArgs)
		x.refused(a, vers, procCount, nil, rpc.ProcUnavail)
	}
	x.refused(a, 2, procNull, nil, rpc.ProgMismatch)
	x.refused(a, 5, procNull, nil, rpc.ProgMismatch)
}

func (x *site) refused(c *client, vers, proc uint32, args []byte, stat rpc.Result) {
	x.t.Helper()
	_, err := c.send(vers, proc, args)
	var refusal *rpc.Refusal
	if !errors.As(err, &refusal) || refusal.Stat != stat {
		x.t.Errorf("version %d, procedure %d, %x: %v, not %d", vers, proc, args, err, stat)
	}
}

// TestBusy: calls towards clients are bounded, for each client and in all, and end with the server.
func TestBusy(t *testing.T) {
	x := newSite(t)
	hang := make(chan struct{})
	started := 0
	at := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 9, 0, byte(i)}) }
	for i := range 4 {
		for x.s.start(at(i), func(ctx context.Context) { <-ctx.Done(); <-hang }) {
			started++
		}
	}
	if want := callsMax/2 + callsMax/4 + callsMax/8 + callsMax/16; started != want {
		t.Errorf("four clients that do not answer have %d calls, want %d", started, want)
	}
	answered := make(chan struct{})
	if !x.s.start(at(100), func(context.Context) { close(answered) }) {
		t.Error("they leave none for another one")
	}
	<-answered
	for i := 4; x.s.busy.Free() > 0; i++ {
		for x.s.start(at(i), func(ctx context.Context) { <-ctx.Done(); <-hang }) {
		}
	}
	if x.s.start(at(200), func(context.Context) {}) {
		t.Error("more calls than there may be")
	}
	a, b := x.client(1, 4), x.client(2, 4)
	a.gets(granted, procLock, want{svid: 1, exclusive: true})
	b.gets(blocked, procLock, want{svid: 1, exclusive: true, block: true})
	a.gets(granted, procUnlock, want{svid: 1})
	eventually(t, "a lock that nobody can be told of is let go", func() bool { st, _ := a.ask(procTest, want{svid: 1}); return st == granted })
	close(hang)
	x.end()
	x.end = func() {}
	if x.s.start(at(0), func(context.Context) {}) {
		t.Error("a server that has stopped makes calls")
	}
}
