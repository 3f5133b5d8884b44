package ninep_test

import (
	"syscall"
	"testing"
	"time"

	"pmemfs/pmemfs"
	"pmemfs/server/ninep"
	"pmemfs/server/ninetest"
	"pmemfs/server/rpc"
)

const (
	lockRead, lockWrite, lockUnlock = 0, 1, 2
	lockGranted, lockBlocked        = 0, 1
	lockGrace                       = 3
)

// locks wants a status.
func (f *fixture) locks(c *ninetest.Client, want uint8, fid uint32, typ uint8, flags uint32, start, length uint64, process uint32) {
	f.t.Helper()
	if st, err := c.Lock(fid, typ, flags, start, length, process, "host"); err != nil || st != want {
		f.t.Errorf("lock: status %d, %v, want %d", st, err, want)
	}
}

// TestLocks checks locks of two sessions, and of another protocol, against each other.
func TestLocks(t *testing.T) {
	f := serve(t, ninep.Limits{})
	a, b := f.mount(0), f.mount(0)
	f.file(a, 1, "f", "content", 0o644)
	f.walk(b, 0, 1, "f")
	_, err := b.Lock(1, lockWrite, 0, 0, 0, 1, "host")
	f.fails(syscall.EBADF, err) // not open
	f.ok(b.Open(1, openRDWR))
	f.locks(a, lockGranted, 1, lockWrite, 0, 10, 10, 1)
	f.locks(a, lockGranted, 1, lockWrite, 0, 12, 2, 1) // its own
	f.locks(a, lockBlocked, 1, lockRead, 0, 12, 2, 2)  // another process
	f.locks(b, lockBlocked, 1, lockRead, 0, 19, 0, 1)  // the same process, of another session
	f.locks(b, lockGranted, 1, lockRead, 0, 20, 0, 1)
	for _, asked := range []uint8{lockWrite, lockUnlock} { // Linux does not say which
		r, err := b.Call(ninetest.Getlock, uint32(1), asked, uint64(0), uint64(0), uint32(1), "host")
		f.ok(err)
		if typ, start, length, process, client := r.Uint8(), r.Uint64(), r.Uint64(), r.Uint32(), r.String(); typ != lockWrite || start != 10 || length != 10 || process != 1 || client != "host" {
			t.Errorf("in the way: %d, %d, %d, %d, %q", typ, start, length, process, client)
		}
	}
	_, err = b.Call(ninetest.Getlock, uint32(1), uint8(3), uint64(0), uint64(0), uint32(1), "host")
	f.fails(syscall.EINVAL, err)
	f.locks(a, lockGranted, 1, lockUnlock, 0, 0, 15, 1)
	f.locks(b, lockGranted, 1, lockWrite, 0, 0, 15, 1)
	r, err := b.Call(ninetest.Getlock, uint32(1), uint8(lockWrite), uint64(0), uint64(15), uint32(1), "host")
	f.ok(err)
	if typ := r.Uint8(); typ != lockUnlock {
		t.Errorf("nothing in the way: %d", typ)
	}
	for _, bad := range [][2]uint64{{1 << 63, 0}, {1, 1 << 63}, {5, ^uint64(0)}} {
		_, err := b.Lock(1, lockWrite, 0, bad[0], bad[1], 1, "host")
		f.fails(syscall.EINVAL, err)
	}
	// The table is the engine's.
	h, err := f.eng.Lookup(&pmemfs.Cred{}, nil, f.eng.Root(), []byte("f"))
	f.ok(err)
	other := pmemfs.FileLock{Owner: pmemfs.LockOwner{Client: "10.0.0.1", ID: "nfs\x00l\x00\x00\x00\x01"}, Exclusive: true, Start: 100, End: 200}
	if err := f.eng.TryLock(&pmemfs.Cred{}, nil, h.Handle, other); err == nil {
		t.Error("a lock of another protocol in spite of one over 9P")
	}
	f.ok(b.Do(ninetest.Clunk, uint32(1))) // with it go its locks
	f.ok(f.eng.TryLock(&pmemfs.Cred{}, nil, h.Handle, other))
	f.locks(a, lockBlocked, 1, lockRead, 0, 200, 1, 1)
	r, err = a.Call(ninetest.Getlock, uint32(1), uint8(lockRead), uint64(0), uint64(0), uint32(1), "host")
	f.ok(err)
	if typ, start, length, process, client := r.Uint8(), r.Uint64(), r.Uint64(), r.Uint32(), r.String(); typ != lockWrite || start != 100 || length != 101 || process != 0 || client != "10.0.0.1" {
		t.Errorf("in the way: %d, %d, %d, %d, %q", typ, start, length, process, client)
	}
	f.ok(f.eng.Unlock(h.Handle, other.Owner, 0, pmemfs.LockEOF))
	f.locks(a, lockGranted, 1, lockRead, 0, 200, 1, 1)
	f.ok(a.Close())
	for deadline := time.Now().Add(patience); f.eng.LockUsage().Units > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("locks outlive their session")
		}
	}
}

// answers waits for answers to requests by their tags, in that order.
func (f *fixture) answers(c *ninetest.Client, tags ...uint16) (list []ninetest.Answer) {
	f.t.Helper()
	for _, tag := range tags {
		a, err := c.Next()
		if err != nil || a.Tag != tag {
			f.t.Fatalf("answer to %d, %v, want to %d", a.Tag, err, tag)
		}
		list = append(list, a)
	}
	return list
}

// awaitWaits waits until so many requests for locks wait in the engine.
func (f *fixture) awaitWaits(n int) {
	f.t.Helper()
	for deadline := time.Now().Add(patience); f.eng.LockUsage().Waits != n; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			f.t.Fatalf("%d requests for locks wait, want %d", f.eng.LockUsage().Waits, n)
		}
	}
}

// silent wants no answer for a moment.
func (f *fixture) silent(c *ninetest.Client) {
	f.t.Helper()
	if a, err := c.NextWithin(50 * time.Millisecond); err == nil {
		f.t.Fatalf("an answer to %d", a.Tag)
	}
}

// TestLockWaits checks requests that wait: they are granted, flushed, and end with their session.
func TestLockWaits(t *testing.T) {
	f := serve(t, ninep.Limits{LockWaits: 2})
	a, b := f.mount(0), f.mount(0)
	f.file(a, 1, "f", "content", 0o644)
	f.walk(b, 0, 1, "f")
	f.ok(b.Open(1, openRDWR))
	f.locks(a, lockGranted, 1, lockWrite, 0, 0, 0, 1)
	ask := func(process uint32) uint16 {
		tag, err := b.Send(ninetest.Lock, uint32(1), uint8(lockWrite), uint32(1), uint64(0), uint64(0), process, "host")
		f.ok(err)
		return tag
	}
	first := ask(1)
	f.awaitWaits(1)
	f.silent(b)
	f.locks(b, lockBlocked, 1, lockWrite, 1, 0, 0, 1) // the same request once more
	second := ask(2)
	f.awaitWaits(2)
	f.silent(b)
	f.locks(b, lockBlocked, 1, lockWrite, 1, 0, 0, 3) // too many
	flush, err := b.Send(ninetest.Flush, first)
	f.ok(err)
	list := f.answers(b, first, flush)
	if _, err := list[0].For(ninetest.Lock); err != syscall.EINTR {
		t.Errorf("flushed: %v", err)
	}
	f.locks(a, lockGranted, 1, lockUnlock, 0, 0, 0, 1)
	list = f.answers(b, second)
	if r, err := list[0].For(ninetest.Lock); err != nil || r.Uint8() != lockGranted {
		t.Errorf("granted: %v", err)
	}
	f.locks(a, lockBlocked, 1, lockWrite, 0, 0, 0, 1)
	f.ok(b.Do(ninetest.Flush, second)) // of what has been answered
	f.ok(b.Do(ninetest.Flush, uint16(999)))
	third, err := a.Send(ninetest.Lock, uint32(1), uint8(lockWrite), uint32(1), uint64(0), uint64(0), uint32(1), "host")
	f.ok(err)
	f.awaitWaits(1)
	f.silent(a)
	// Two requests cannot have one tag; and a new session begins when the old one's requests have been answered.
	f.ok(a.SendRaw(ninetest.Message(ninetest.Getattr, third, ninetest.Args(uint32(0), uint64(0)))))
	list = f.answers(a, third)
	if _, err := list[0].For(ninetest.Getattr); err != syscall.EINVAL {
		t.Errorf("a tag twice: %v", err)
	}
	anew, err := a.Send(ninetest.Version, uint32(8192), "9P2000.L")
	f.ok(err)
	list = f.answers(a, third, anew)
	if _, err := list[0].For(ninetest.Lock); err != syscall.EINTR {
		t.Errorf("before a new session: %v", err)
	}
	ask(4) // and the connection ends
	f.awaitWaits(1)
	f.silent(b)
	f.ok(b.Close())
}

// TestLockWaitsLeaveRoom has one client wait for more locks than it may have calls at work. What else it asks for is answered at once, and who goes
// away is not waited for.
func TestLockWaitsLeaveRoom(t *testing.T) {
	f := serve(t, ninep.Limits{})
	a := f.mount(0)
	f.file(a, 1, "f", "content", 0o644)
	f.locks(a, lockGranted, 1, lockWrite, 0, 0, 0, 1)
	const sessions, waits = 6, 32
	for range sessions {
		c := f.mount(0)
		f.walk(c, 0, 1, "f")
		f.ok(c.Open(1, openRDWR))
		for process := range uint32(waits) {
			_, err := c.Send(ninetest.Lock, uint32(1), uint8(lockWrite), uint32(1), uint64(0), uint64(0), process, "host")
			f.ok(err)
		}
		_, err := c.Send(ninetest.Getattr, uint32(0), uint64(0))
		f.ok(err)
		if a, err := c.Next(); err != nil {
			t.Fatal(err)
		} else if _, err := a.For(ninetest.Getattr); err != nil {
			t.Fatal(err)
		}
	}
	f.locks(a, lockBlocked, 1, lockWrite, 0, 0, 0, 2) // which is answered beside the others, too
}

// TestLockWaitsWithoutRoom has a client wait for more locks than there is memory for. What has no room is told to ask again: its connection does not
// stand still.
func TestLockWaitsWithoutRoom(t *testing.T) {
	f := serveWith(t, rpc.NewBudget(rpc.BudgetMin), ninep.Limits{})
	a := f.mount(0)
	f.file(a, 1, "f", "content", 0o644)
	f.locks(a, lockGranted, 1, lockWrite, 0, 0, 0, 1)
	blocked := 0
	for _, asks := range []uint32{31, 31, 4} { // 63 have room
		c := f.mount(0)
		f.walk(c, 0, 1, "f")
		f.ok(c.Open(1, openRDWR))
		for process := range asks {
			_, err := c.Send(ninetest.Lock, uint32(1), uint8(lockWrite), uint32(1), uint64(0), uint64(0), process, "host")
			f.ok(err)
		}
		last, err := c.Send(ninetest.Getattr, uint32(0), uint64(0))
		f.ok(err)
		for {
			a, err := c.Next()
			f.ok(err)
			if a.Tag == last {
				break
			}
			if r, err := a.For(ninetest.Lock); err != nil || r.Uint8() != lockBlocked {
				t.Errorf("where there is no room: %v", err)
			}
			blocked++
		}
	}
	if blocked == 0 {
		t.Error("there was room for all")
	}
}

// TestGrace checks that nobody gets a lock that a client of another protocol may claim.
func TestGrace(t *testing.T) {
	f := serve(t, ninep.Limits{})
	f.grace.Store(true)
	c := f.mount(0)
	f.file(c, 1, "f", "content", 0o644)
	f.locks(c, lockGrace, 1, lockWrite, 0, 0, 0, 1)
	tag, err := c.Send(ninetest.Lock, uint32(1), uint8(lockWrite), uint32(1), uint64(0), uint64(0), uint32(1), "host")
	f.ok(err)
	f.silent(c)
	f.grace.Store(false)
	list := f.answers(c, tag)
	if r, err := list[0].For(ninetest.Lock); err != nil || r.Uint8() != lockGranted {
		t.Errorf("after the grace: %v", err)
	}
}

// TestTagAgain uses one tag for all requests, as some clients do: what has been answered is out of the way.
func TestTagAgain(t *testing.T) {
	f := serve(t, ninep.Limits{})
	c := f.mount(0)
	for fid := range uint32(500) {
		f.ok(c.SendRaw(ninetest.Message(ninetest.Attach, 7, ninetest.Args(fid+1, ninetest.NoFid, "", "/", uint32(0)))))
		list := f.answers(c, 7)
		if _, err := list[0].For(ninetest.Attach); err != nil {
			t.Fatalf("attach %d: %v", fid, err)
		}
	}
}
