//go:build locktimes

package critical

import (
	"sync"
	"testing"
	"time"
)

// take takes a lock and releases it.
func take(l sync.Locker) {
	l.Lock()
	defer l.Unlock()
}

// TestMeasureCounts: what is counted is exactly what was taken, by whichever goroutine, while Measure ran.
func TestMeasureCounts(t *testing.T) {
	const goroutines, each = 4, 1000
	var a, b Mutex
	var r RWMutex
	var nameless Mutex
	a.Name("a", 1)
	b.Name("a", 1) // together with the first
	r.Name("r", 7)
	use := func() {
		var wg sync.WaitGroup
		for range goroutines {
			wg.Go(func() {
				for range each {
					take(&a)
				}
			})
		}
		wg.Wait()
		for range each {
			if !b.TryLock() || b.TryLock() {
				t.Error("a lock that nobody has is not to be had, or one that somebody has is")
			}
			b.Unlock()
			r.RLock()
			if !r.TryRLock() || r.TryLock() {
				t.Error("readers exclude each other, or do not exclude a writer")
			}
			r.RUnlock()
			r.RUnlock()
			r.Lock()
			if r.TryRLock() {
				t.Error("a writer does not exclude readers")
			}
			r.Unlock()
			if !r.TryLock() {
				t.Error("a lock that nobody has is not to be had")
			}
			r.Unlock()
		}
		take(&nameless)
	}
	use() // which nobody measures
	for range 2 {
		want := []Time{
			{Name: "a", Of: 1, Takes: (goroutines + 1) * each},
			{Name: unnamed.name, Of: 1, Takes: 1},
			{Name: "r", Of: 7, Takes: 2 * each, Reads: 2 * each},
		}
		got := Measure(use)
		if len(got) != len(want) {
			t.Fatalf("%+v", got)
		}
		for i, w := range want {
			g := got[i]
			g.Held = 0
			if g != w {
				t.Errorf("%+v, want %+v", g, w)
			}
		}
		use()
	}
}

// TestMeasureHeld: a hold counts from the take to the release, without the wait for it, and what was held before does not count.
func TestMeasureHeld(t *testing.T) {
	var m, before Mutex
	m.Name("held", 1)
	before.Name("held before", 1)
	before.Lock()
	var sum time.Duration
	got := Measure(func() {
		before.Unlock()
		for range 10 {
			m.Lock()
			start := time.Now()
			for time.Since(start) < time.Millisecond {
			}
			sum += time.Since(start)
			waited := make(chan bool)
			go func() {
				take(&m) // waits for what is measured, and is itself held for no time
				close(waited)
			}()
			m.Unlock()
			<-waited
		}
	})
	if len(got) != 1 || got[0].Name != "held" || got[0].Takes != 20 {
		t.Fatalf("%+v", got)
	}
	// Less the clock's own time, which is far below that of a hold.
	if held := time.Duration(got[0].Held); held < sum*9/10 {
		t.Errorf("held for %v, measured %v", held, sum)
	}
}
