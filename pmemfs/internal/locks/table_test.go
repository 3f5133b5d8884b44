package locks

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

func TestRanges(t *testing.T) {
	for _, c := range []struct {
		what  string
		locks []Lock
		clear [2]uint64
		want  string
	}{
		{"a hole", []Lock{lock("a", true, 0, 99)}, [2]uint64{10, 19}, "a:x0-9 a:x20-99"},
		{"to the end", []Lock{lock("a", true, 5, EOF)}, [2]uint64{100, EOF}, "a:x5-99"},
		{"from the start", []Lock{lock("a", true, 0, EOF)}, [2]uint64{0, 7}, "a:x8-"},
		{"all of it", []Lock{lock("a", true, 3, 4)}, [2]uint64{0, EOF}, ""},
		{"nothing", []Lock{lock("a", true, 3, 4)}, [2]uint64{5, EOF}, "a:x3-4"},
		{"merged", []Lock{lock("a", true, 0, 4), lock("a", true, 10, 14), lock("a", true, 5, 9)}, [2]uint64{99, 99}, "a:x0-14"},
		{"apart", []Lock{lock("a", true, 0, 4), lock("a", true, 6, 9)}, [2]uint64{99, 99}, "a:x0-4 a:x6-9"},
		{"downgraded in the middle", []Lock{lock("a", true, 0, 99), lock("a", false, 10, 19)}, [2]uint64{999, 999}, "a:x0-9 a:r10-19 a:x20-99"},
		{"upgraded", []Lock{lock("a", false, 0, 99), lock("a", true, 0, 99)}, [2]uint64{999, 999}, "a:x0-99"},
		{"upgraded and merged", []Lock{lock("a", true, 0, 9), lock("a", false, 10, 19), lock("a", true, 20, 29), lock("a", true, 10, 19)}, [2]uint64{99, 99}, "a:x0-29"},
		{"the last byte of 64 bits", []Lock{lock("a", true, EOF-1, EOF-1), lock("a", true, EOF, EOF)}, [2]uint64{0, 0}, "a:x18446744073709551614-"},
		{"shared by two", []Lock{lock("a", false, 0, 9), lock("b", false, 5, 14)}, [2]uint64{6, 6}, "a:r0-5 b:r5-14 a:r7-9"},
	} {
		table := New(Limits{})
		for _, l := range c.locks {
			must(t, table.Lock(1, l))
		}
		must(t, table.Unlock(1, Owner{"client a", "a"}, c.clear[0], c.clear[1]))
		if got := table.dump(); got != c.want {
			t.Errorf("%s: %q, not %q", c.what, got, c.want)
		}
	}
}

// TestFair: readers that come later do not overtake a writer that waits, and those that wait are served in turn.
func TestFair(t *testing.T) {
	table, w := New(Limits{}), new(told)
	must(t, table.Lock(1, lock("a", false, 0, 9)))
	waits(t, table, 1, w, lock("writer", true, 0, EOF))
	waits(t, table, 1, w, lock("b", false, 0, 9))
	waits(t, table, 1, w, lock("c", false, 5, 5))
	must(t, table.Lock(1, lock("d", false, 0, 0))) // does not wait, so it need not queue
	must(t, table.Unlock(1, Owner{"client d", "d"}, 0, EOF))
	must(t, table.Unlock(1, Owner{"client a", "a"}, 0, EOF))
	if got := w.String(); got != "writer" {
		t.Errorf("granted: %s", got)
	}
	must(t, table.Lock(1, lock("writer", false, 0, EOF)))
	if got := w.String(); got != "writer, b, c" {
		t.Errorf("granted: %s", got)
	}
	if !table.Cancel(1, lock("c", false, 5, 5)) == (table.dump() == "") {
		t.Error("a granted request was cancelled")
	}
}

// TestOwnUpgrade: an owner that others wait for gets past them, or neither would ever get on.
func TestOwnUpgrade(t *testing.T) {
	table, w := New(Limits{}), new(told)
	must(t, table.Lock(1, lock("a", false, 0, 9)))
	waits(t, table, 1, w, lock("b", true, 0, 9))
	if granted, err := table.Wait(1, lock("a", true, 0, 20), w.done("a")); !granted || err != nil {
		t.Errorf("the holder's upgrade: %v, %v", granted, err)
	}
}

func TestDeadlock(t *testing.T) {
	table, w := New(Limits{}), new(told)
	must(t, table.Lock(1, lock("a", true, 0, 0)))
	must(t, table.Lock(2, lock("b", true, 0, 0)))
	must(t, table.Lock(3, lock("c", true, 0, 0)))
	waits(t, table, 2, w, lock("a", true, 0, 0))
	waits(t, table, 3, w, lock("b", true, 0, 0))
	if _, err := table.Wait(1, lock("c", true, 0, 0), w.done("c")); !errors.Is(err, ErrDeadlock) {
		t.Errorf("a circle of three files: %v", err)
	}
	// Two who would both upgrade.
	must(t, table.Lock(9, lock("d", false, 0, 0)))
	must(t, table.Lock(9, lock("e", false, 0, 0)))
	waits(t, table, 9, w, lock("d", true, 0, 0))
	if _, err := table.Wait(9, lock("e", true, 0, 0), w.done("e")); !errors.Is(err, ErrDeadlock) {
		t.Errorf("two upgrades: %v", err)
	}
	// A circle that is closed by a lock that is granted at once.
	must(t, table.Lock(5, lock("f", true, 0, 0)))
	waits(t, table, 5, w, lock("g", true, 0, 0))
	must(t, table.Lock(6, lock("h", true, 0, 0)))
	waits(t, table, 6, w, lock("f", true, 0, 0))
	must(t, table.Unlock(6, Owner{"client h", "h"}, 0, 0))
	if got := w.String(); got != "f" {
		t.Errorf("granted: %s", got)
	}
	must(t, table.Lock(7, lock("i", true, 0, 0)))
	waits(t, table, 7, w, lock("f", true, 0, 9)) // f waits for i
	waits(t, table, 8, w, func() Lock { must(t, table.Lock(8, lock("j", true, 3, 3))); return lock("i", true, 0, 9) }())
	must(t, table.Lock(8, lock("f", true, 0, 0))) // i waits for f now
	if got := w.String(); got != "f, f lock would never be granted" {
		t.Errorf("told: %s", got)
	}
}

func TestGone(t *testing.T) {
	table, w := New(Limits{}), new(told)
	must(t, table.Lock(1, lock("a", true, 0, 9)))
	must(t, table.Share(1, Share{Owner: Owner{"client a", "x"}, Access: ShareRead, Deny: ShareWrite}))
	waits(t, table, 1, w, lock("b", true, 0, 9))
	table.Forget(1)
	if got := w.String(); got != "b lock request was dropped" || table.Usage() != (Usage{}) {
		t.Errorf("told %q, left %+v", got, table.Usage())
	}
	must(t, table.Lock(1, lock("a1", true, 0, 9)))
	must(t, table.Lock(2, lock("a2", true, 0, 9)))
	waits(t, table, 2, w, lock("b", true, 0, 9))
	if n := table.Drop("client a", func(id string) bool { return id == "a2" }); n != 1 || table.dump() != "a1:x0-9" {
		t.Errorf("%d dropped, left %s", n, table.dump())
	}
	if got := w.String(); got != "b lock request was dropped, b" {
		t.Errorf("told %q", got)
	}
	table.DropFile(1, Owner{"client a", "a1"})
	if table.Has("client a", func(string) bool { return true }) || !table.Has("client b", func(id string) bool { return id == "b" }) {
		t.Error("the wrong ones have something")
	}
}

func TestShares(t *testing.T) {
	table := New(Limits{})
	share := func(owner string, access, deny ShareMode) error {
		return table.Share(1, Share{Owner: Owner{"c", owner}, Access: access, Deny: deny})
	}
	must(t, share("a", ShareRead, ShareWrite))
	must(t, share("b", ShareRead, 0))
	if err := share("c", ShareWrite, 0); !errors.Is(err, ErrConflict) {
		t.Errorf("denied access: %v", err)
	}
	if err := share("c", 0, ShareRead); !errors.Is(err, ErrConflict) {
		t.Errorf("denying what is in use: %v", err)
	}
	must(t, share("a", ShareRead, 0))
	must(t, share("c", ShareWrite, 0))
	if err := share("a", ShareRead, ShareWrite); !errors.Is(err, ErrConflict) {
		t.Errorf("an owner's second reservation: %v", err)
	}
	for _, o := range []string{"a", "b", "c", "d"} {
		table.Unshare(1, Owner{"c", o})
	}
	if u := table.Usage(); u != (Usage{}) {
		t.Errorf("left %+v", u)
	}
}

// TestFileShares: nor can a client keep others out of one file, by locks, requests or reservations.
func TestFileShares(t *testing.T) {
	table := New(Limits{FileLocks: 64, FileWaits: 32})
	must(t, table.Lock(1, Lock{Owner: Owner{"holder", "x"}, Exclusive: true, Start: 1 << 40, End: 1 << 40}))
	take := map[string]func(client string, i uint64) error{
		"locks": func(client string, i uint64) error {
			return table.Lock(1, Lock{Owner: Owner{client, "x"}, Start: 2 * i, End: 2 * i})
		},
		"requests": func(client string, i uint64) error {
			_, err := table.Wait(1, Lock{Owner: Owner{client, fmt.Sprint(i)}, Start: 1 << 40, End: 1 << 40}, func(error) {})
			return err
		},
		"reservations": func(client string, i uint64) error {
			return table.Share(2, Share{Owner: Owner{client, fmt.Sprint(i)}, Access: ShareRead})
		},
	}
	for what, want := range map[string][]int{"locks": {31, 16, 8, 4}, "requests": {16, 8, 4, 2}, "reservations": {32, 16, 8, 4}} {
		for i, n := range want {
			got := 0
			for take[what](fmt.Sprint("client ", i), uint64(got)) == nil {
				got++
			}
			if got != n {
				t.Errorf("%s: client %d has %d, want %d", what, i, got, n)
			}
		}
	}
	for i := range 4 {
		table.Drop(fmt.Sprint("client ", i), func(string) bool { return true })
	}
	table.Drop("holder", func(string) bool { return true })
	if u := table.Usage(); u != (Usage{}) {
		t.Errorf("left %+v", u)
	}
}

// TestBounds: whoever takes all that he gets leaves something for a newcomer, of everything.
func TestBounds(t *testing.T) {
	table := New(Limits{Units: 1000, Waits: 100, FileWaits: 90, FileLocks: 600})
	fill := func(client string, from uint64) (n int) {
		for ; ; n++ {
			err := table.Lock(uint64(n%3), Lock{Owner: Owner{client, "x"}, Exclusive: true, Start: from + uint64(4*n), End: from + uint64(4*n) + 2})
			if errors.Is(err, ErrFull) {
				return n
			}
			must(t, err)
		}
	}
	if n := fill("greedy", 0); n != 500 {
		t.Errorf("one client has %d locks", n)
	}
	if err := table.Unlock(0, Owner{"greedy", "x"}, 1, 1); !errors.Is(err, ErrFull) {
		t.Errorf("an unlock that needs another lock: %v", err)
	}
	must(t, table.Unlock(0, Owner{"greedy", "x"}, 0, 1))
	if n := fill("second", 1<<40); n != 250 {
		t.Errorf("the second has %d", n)
	}
	if err := table.Lock(1, Lock{Owner: Owner{"third", strings.Repeat("i", 64*130)}, Start: 1 << 50, End: EOF}); !errors.Is(err, ErrFull) {
		t.Errorf("a long name: %v", err)
	}
	if err := table.Share(1, Share{Owner: Owner{"third", strings.Repeat("i", 64*130)}}); !errors.Is(err, ErrFull) {
		t.Errorf("a reservation of a long name: %v", err)
	}
	asked := 0
	for ; ; asked++ {
		_, err := table.Wait(0, Lock{Owner: Owner{"third", fmt.Sprint(asked)}, Exclusive: true, End: EOF}, func(error) {})
		if errors.Is(err, ErrFull) {
			break
		}
		must(t, err)
	}
	if asked == 0 || asked > 50 {
		t.Errorf("%d requests of one client", asked)
	}
	for _, c := range []string{"greedy", "second", "third"} {
		table.Drop(c, func(string) bool { return true })
	}
	if u := table.Usage(); u != (Usage{}) {
		t.Errorf("left %+v", u)
	}
}

// TestTogether has many goroutines lock, wait and let go, and counts who is in a critical section.
func TestTogether(t *testing.T) {
	const workers, rounds = 8, 200
	table := New(Limits{})
	var inside [2]atomic.Int64
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() {
			for n := range rounds {
				ino, l := uint64(n%2), lock(fmt.Sprint(i), true, 10, 19)
				if n%5 == 0 {
					table.Forget(99)
					if _, found := table.Test(ino, l); found && table.Lock(ino, lock(fmt.Sprint(i), true, 1<<30, 1<<31)) == nil {
						must(t, table.Unlock(ino, l.Owner, 1<<30, 1<<31))
					}
				}
				done := make(chan error, 1)
				granted, err := table.Wait(ino, l, func(err error) { done <- err })
				if err == nil && !granted {
					err = <-done
				}
				if err != nil {
					t.Error(err)
					return
				}
				if inside[ino].Add(1) != 1 {
					t.Error("two owners have one lock")
				}
				inside[ino].Add(-1)
				if err := table.Unlock(ino, l.Owner, 0, EOF); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if u := table.Usage(); u != (Usage{}) {
		t.Errorf("left %+v", u)
	}
}
