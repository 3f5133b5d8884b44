// Package latch is a reader-writer lock for sections of about a microsecond, many of which are entered in a row.
//
// sync.RWMutex takes four atomic instructions to lock and unlock exclusively, this one two: with locks that short that is a tenth of what
// they guard. And where two processors want one lock all the time, the memory that it guards moves from one to the other each time the
// lock does, which takes longer than the section. So who waits looks only every few microseconds, and meanwhile the other one goes
// on with warm caches. Who has waited for long sleeps, and who has slept for long is given the lock before anybody else.
//
// # Lock order
//
// The lock of the queue is a leaf.
package latch

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Who waits looks so often before it sleeps, and counts so far before it looks again: a microsecond and more each time.
const (
	looks     = 3
	pauseFrom = 4000
	pauseMost = 32000
)

// patience is how long a sleeper lets others pass.
const patience = time.Millisecond

// RW is a reader-writer lock. The zero value is unlocked. A panic or a memory fault inside does not unlock it. It must not be copied, and
// a goroutine that holds it must not lock it again.
type RW struct {
	state  atomic.Int32 // how many readers hold it; exclusive
	asleep atomic.Int32 // how many are in the queue, or about to be
	mu     sync.Mutex   // guards the queue
	first  *sleeper
	last   *sleeper
}

// exclusive is the state of a lock that a writer holds.
const exclusive = -1

// sleeper is somebody in the queue.
type sleeper struct {
	next   *sleeper
	shared bool
	since  time.Time
	wake   chan bool // true gives the lock, false says to try again
}

var sleepers = sync.Pool{New: func() any { return &sleeper{wake: make(chan bool, 1)} }}

// Lock locks for writing.
func (l *RW) Lock() {
	if !l.TryLock() {
		l.wait(false)
	}
}

// TryLock is Lock if that need not wait.
func (l *RW) TryLock() bool { return l.state.CompareAndSwap(0, exclusive) }

// RLock locks for reading. It waits for writers that sleep.
func (l *RW) RLock() {
	if !l.TryRLock() {
		l.wait(true)
	}
}

// TryRLock is RLock if that need not wait.
func (l *RW) TryRLock() bool { return l.asleep.Load() == 0 && l.share() }

// share takes part in the lock if no writer holds it.
func (l *RW) share() bool {
	for {
		n := l.state.Load()
		if n < 0 {
			return false
		}
		if l.state.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// take is TryLock or share.
func (l *RW) take(shared bool) bool {
	if shared {
		return l.share()
	}
	return l.TryLock()
}

// Unlock undoes Lock.
func (l *RW) Unlock() {
	if l.asleep.Load() > 0 && l.hand() {
		return
	}
	l.state.Store(0)
	if l.asleep.Load() > 0 { // somebody may have gone to sleep meanwhile
		l.rouse()
	}
}

// RUnlock undoes RLock.
func (l *RW) RUnlock() {
	if l.state.Add(-1) == 0 && l.asleep.Load() > 0 && l.TryLock() {
		l.Unlock() // hands it on
	}
}

// hand gives the lock, which the caller holds exclusively, to the first sleeper, if that has slept for long.
func (l *RW) hand() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.first
	if s == nil || time.Since(s.since) < patience {
		return false
	}
	l.drop()
	if s.shared {
		l.state.Store(1)
	}
	s.wake <- true
	return true
}

// rouse wakes the first sleeper to try again.
func (l *RW) rouse() {
	if l.asleep.Load() == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := l.first; s != nil {
		l.drop()
		s.wake <- false
	}
}

// drop takes the first sleeper out of the queue. mu is held.
func (l *RW) drop() {
	l.first = l.first.next
	if l.first == nil {
		l.last = nil
	}
	l.asleep.Add(-1)
}

// wait waits for the lock.
func (l *RW) wait(shared bool) {
	if runtime.GOMAXPROCS(0) > 1 {
		for n, pause := 0, pauseFrom; n < looks; n, pause = n+1, min(2*pause, pauseMost) {
			for range pause {
				// Counting leaves the lock's memory alone.
			}
			if l.asleep.Load() == 0 && l.state.Load() == 0 && l.take(shared) {
				return
			}
		}
	}
	l.sleep(shared)
}

// sleep waits in the queue. One that has been woken and found the lock taken again goes to the front.
func (l *RW) sleep(shared bool) {
	s := sleepers.Get().(*sleeper)
	s.shared, s.since = shared, time.Now()
	for again := false; ; again = true {
		if l.enqueue(s, again) {
			break
		}
		if <-s.wake || l.take(shared) {
			break
		}
	}
	s.next = nil
	sleepers.Put(s)
	if shared { // with those behind that read too
		l.rouseReader()
	}
}

// enqueue puts s into the queue, unless it can have the lock now: then it returns true.
func (l *RW) enqueue(s *sleeper, front bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asleep.Add(1) // before the lock is tried: who unlocks looks at this after having unlocked
	if (front || !s.shared || l.first == nil) && l.take(s.shared) {
		l.asleep.Add(-1)
		return true
	}
	switch {
	case l.first == nil:
		s.next = nil
		l.first, l.last = s, s
	case front:
		s.next, l.first = l.first, s
	default:
		s.next, l.last.next = nil, s
		l.last = s
	}
	return false
}

// rouseReader wakes the first sleeper if it wants to read.
func (l *RW) rouseReader() {
	if l.asleep.Load() == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := l.first; s != nil && s.shared {
		l.drop()
		s.wake <- false
	}
}
