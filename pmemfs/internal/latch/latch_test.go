package latch

import (
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestExclusion runs readers and writers, some of whom only try, and counts who is inside.
func TestExclusion(t *testing.T) {
	var l RW
	var writers, readers atomic.Int32
	var done sync.WaitGroup
	guarded, entered := 0, atomic.Int64{}
	inside := func(rng *rand.Rand) {
		for range rng.IntN(20) {
			runtime.Gosched()
		}
	}
	for w := range 8 {
		done.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(w), 0))
			for range 2000 {
				if rng.IntN(3) > 0 {
					if rng.IntN(2) > 0 {
						l.RLock()
					} else if !l.TryRLock() {
						continue
					}
					readers.Add(1)
					if writers.Load() != 0 {
						t.Error("a writer beside a reader")
					}
					inside(rng)
					readers.Add(-1)
					l.RUnlock()
					continue
				}
				if rng.IntN(2) > 0 {
					l.Lock()
				} else if !l.TryLock() {
					continue
				}
				if writers.Add(1) != 1 || readers.Load() != 0 {
					t.Error("a writer beside another or a reader")
				}
				guarded++
				inside(rng)
				writers.Add(-1)
				entered.Add(1)
				l.Unlock()
			}
		})
	}
	done.Wait()
	if int64(guarded) != entered.Load() {
		t.Errorf("%d counted, %d entered", guarded, entered.Load())
	}
	if l.state.Load() != 0 || l.asleep.Load() != 0 || l.first != nil || l.last != nil || l.readers != nil {
		t.Errorf("left behind: state %d, %d asleep, %v, %v", l.state.Load(), l.asleep.Load(), l.first, l.last)
	}
}

// TestPatience makes a sleeper wait while others lock again and again: it gets the lock all the same.
func TestPatience(t *testing.T) {
	for _, shared := range []bool{false, true} {
		var l RW
		var stop atomic.Bool
		var greedy sync.WaitGroup
		for range 2 {
			greedy.Go(func() {
				for !stop.Load() {
					l.Lock()
					for end := time.Now().Add(100 * time.Microsecond); time.Now().Before(end); {
					}
					l.Unlock()
				}
			})
		}
		turns := 0
		for range 20 {
			if shared {
				l.RLock()
				turns++
				l.RUnlock()
			} else {
				l.Lock()
				turns++
				l.Unlock()
			}
		}
		stop.Store(true)
		greedy.Wait()
		if turns != 20 {
			t.Errorf("%d turns", turns)
		}
	}
}

// TestHand: who has slept for long is given the lock by whoever unlocks, and nobody else gets it first.
func TestHand(t *testing.T) {
	for _, shared := range []bool{false, true} {
		var l RW
		l.Lock()
		got := make(chan struct{})
		go func() {
			l.sleep(shared)
			close(got)
		}()
		for l.asleep.Load() == 0 {
			runtime.Gosched()
		}
		l.mu.Lock()
		for l.first == nil && l.readers == nil {
			l.mu.Unlock()
			runtime.Gosched()
			l.mu.Lock()
		}
		if !shared {
			l.first.since = l.first.since.Add(-2 * patience)
		}
		l.mu.Unlock()
		l.Unlock()
		if l.TryLock() {
			t.Errorf("shared %v: somebody else was faster", shared)
		}
		<-got
		if want := map[bool]int32{false: exclusive, true: 1}[shared]; l.state.Load() != want {
			t.Errorf("shared %v: state %d, want %d", shared, l.state.Load(), want)
		}
	}
}

// TestReadersTogether: readers that slept while a writer held the lock hold it together.
func TestReadersTogether(t *testing.T) {
	var l RW
	l.Lock()
	var inside sync.WaitGroup
	leave := make(chan struct{})
	var left sync.WaitGroup
	for range 5 {
		inside.Add(1)
		left.Go(func() {
			l.RLock()
			inside.Done()
			<-leave
			l.RUnlock()
		})
	}
	for l.asleep.Load() < 5 {
		runtime.Gosched()
	}
	l.Unlock()
	inside.Wait() // all five at once, or this never ends
	if l.TryLock() {
		t.Error("a writer beside readers")
	}
	close(leave)
	left.Wait()
	if !l.TryLock() {
		t.Error("the last reader has not unlocked")
	}
}

// TestWriterBeforeReaders: a reader that comes while a writer sleeps goes behind it, though others are reading.
func TestWriterBeforeReaders(t *testing.T) {
	var l RW
	l.RLock()
	order := make(chan string, 2)
	var done sync.WaitGroup
	done.Go(func() {
		l.Lock()
		order <- "writer"
		l.Unlock()
	})
	for l.asleep.Load() < 1 {
		runtime.Gosched()
	}
	done.Go(func() {
		l.RLock()
		order <- "reader"
		l.RUnlock()
	})
	for l.asleep.Load() < 2 {
		runtime.Gosched()
	}
	l.RUnlock()
	done.Wait()
	if first := <-order; first != "writer" {
		t.Errorf("the %s was first", first)
	}
}

// TestReaderAmongWriters: a reader that sleeps waits for one writer, however many sleep.
func TestReaderAmongWriters(t *testing.T) {
	var l RW
	l.Lock()
	var order []string
	var done sync.WaitGroup
	for range 3 {
		asleep := l.asleep.Load()
		done.Go(func() {
			l.Lock()
			order = append(order, "writer")
			l.Unlock()
		})
		for l.asleep.Load() == asleep {
			runtime.Gosched()
		}
	}
	read := make(chan int)
	go func() {
		l.RLock()
		n := len(order)
		l.RUnlock()
		read <- n
	}()
	for l.asleep.Load() < 4 {
		runtime.Gosched()
	}
	l.Unlock()
	if n := <-read; n != 0 {
		t.Errorf("%d writers were before a reader that slept when the lock was let go", n)
	}
	done.Wait()
	if len(order) != 3 {
		t.Errorf("%d writers", len(order))
	}
}

// TestWriterAmongReaders: readers that hold the lock by turns, so that it is never free, let a writer in.
func TestWriterAmongReaders(t *testing.T) {
	var l RW
	var stop atomic.Bool
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for !stop.Load() {
				l.RLock()
				for end := time.Now().Add(200 * time.Microsecond); time.Now().Before(end); {
					runtime.Gosched()
				}
				l.RUnlock()
			}
		})
	}
	writes := 0
	for range 20 {
		l.Lock()
		writes++
		l.Unlock()
	}
	stop.Store(true)
	readers.Wait()
	if writes != 20 {
		t.Errorf("%d writes", writes)
	}
}

func BenchmarkLock(b *testing.B) {
	b.Run("latch", func(b *testing.B) {
		var l RW
		n := 0
		for range b.N {
			l.Lock()
			n++
			l.Unlock()
		}
	})
	b.Run("sync", func(b *testing.B) {
		var l sync.RWMutex
		n := 0
		for range b.N {
			l.Lock()
			n++
			l.Unlock()
		}
	})
}
