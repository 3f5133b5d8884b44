package pmem

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"testing"
)

// truncated opens an image of 16 pages whose file then loses all but the first two.
func truncated(t *testing.T, o Options) (r *Region, page int64) {
	page = int64(os.Getpagesize())
	r = image(t, 16*page, o)
	if err := os.Truncate(r.Path(), 2*page); err != nil {
		t.Fatal(err)
	}
	return r, page
}

// TestFault accesses pages that the file no longer has, in every way and domain.
func TestFault(t *testing.T) {
	for _, d := range allDomains() {
		r, page := truncated(t, Options{Domain: d})
		src := make([]byte, max(6*page, bulkMin))
		var sink byte
		tests := []struct {
			name   string
			access func() error
			off    int64
		}{
			{"load", func() error { sink = r.Bytes()[10*page+77]; return nil }, 10 * page},
			{"Probe", func() error { r.Probe(8*page+4000, 200); return nil }, 8 * page},
			{"ProbeStore", func() error { r.ProbeStore(8*page+4000, 200); return nil }, 8 * page},
			{"copy out", func() error { copy(src, r.Bytes()[9*page+5:10*page]); return nil }, 9 * page},
			{"Write", func() error { r.Write(15*page-1, src[:1]); return nil }, 14 * page},
			{"Zero", func() error { r.Zero(2*page, 8); return nil }, 2 * page},
			{"WriteThrough", func() error { return proof(r.WriteThrough(testThrough, []Segment{{3 * page, src}})) }, 3 * page},
			{"its small way", func() error { return proof(r.WriteThrough(testThrough, []Segment{{5*page - 1, src[:1]}})) }, 4 * page},
			{"ZeroThrough", func() error { return proof(r.ZeroThrough(testThrough, []Range{{7 * page, 5 * page}})) }, 7 * page},
			{"Write in bulk", func() error { r.Write(4*page, src); return nil }, 4 * page},
		}
		for _, test := range tests {
			t.Run(d.String()+"/"+test.name, func(t *testing.T) {
				err := guarded(r, test.access)
				var fault *FaultError
				if !errors.As(err, &fault) || *fault != (FaultError{r.Path(), test.off, page, ErrHostShort}) {
					t.Errorf("%v, want a fault at %d", err, test.off)
				}
			})
		}
		if err := guarded(r, func() error { r.Write(2*page-8, src[:8]); return nil }); err != nil {
			t.Errorf("%s: last page of the file: %v", d, err)
		}
		_ = sink
	}
}

// TestUnguardLeavesTheRest: panics that are no fault of the mapping go on, and the setting is restored.
func TestUnguardLeavesTheRest(t *testing.T) {
	r, page := truncated(t, Options{})
	other := memory(t, 4096, Volatile)
	cause := errors.New("bug")
	if err := panicOf(func() { _ = guarded(r, func() error { panic(cause) }) }); err != cause {
		t.Errorf("a panic became %v", err)
	}
	var addr interface{ Addr() uintptr }
	err := panicOf(func() {
		_ = guarded(other, func() error { return fmt.Errorf("loaded %d", r.Bytes()[5*page]) })
	})
	if !errors.As(err, &addr) {
		t.Errorf("a fault of another mapping became %v", err)
	}
	if err := guarded(r, func() error { return cause }); err != cause {
		t.Errorf("an error became %v", err)
	}
	if debug.SetPanicOnFault(false) {
		t.Error("the setting was not restored")
	}
	err = guarded(other, func() error {
		if err := guarded(r, func() error { return nil }); err != nil {
			return err
		}
		if !debug.SetPanicOnFault(true) {
			return errors.New("the inner pair ended the outer guard")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestGuardDoesNotAllocate(t *testing.T) {
	r := memory(t, 4096, Volatile)
	if n := testing.AllocsPerRun(100, func() {
		if err := guarded(r, func() error { return nil }); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations per guard, want 0", n)
	}
}

// TestFaultWhileLocked: a fault in the middle of a commit leaves the goroutine free to move between threads, and
// the region usable.
func TestFaultWhileLocked(t *testing.T) {
	if CacheFlush.usable() != nil {
		t.Log("no cache-flush domain here: nothing locks a thread")
		return
	}
	r, page := truncated(t, Options{Domain: CacheFlush})
	for range 100 {
		if err := guarded(r, func() error {
			return proof(r.WriteThrough(testThrough, []Segment{{0, make([]byte, 8192)}, {3 * page, make([]byte, 8192)}}))
		}); err == nil {
			t.Fatal("no fault")
		}
	}
	if err := proof(r.WriteThrough(testThrough, []Segment{{10, []byte("still here")}})); err != nil {
		t.Error(err)
	}
	if !slices.Equal(r.Bytes()[10:20], []byte("still here")) {
		t.Error("content differs")
	}
}
