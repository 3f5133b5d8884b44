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

// patience is how long a writer that sleeps lets other writers pass.
const patience = time.Millisecond

// RW is a reader-writer lock. The zero value is unlocked. A panic or a memory fault inside does not unlock it. It must not be copied, and
// a goroutine that holds it must not lock it again.
//
// Readers and writers that sleep take turns: a writer that unlocks lets in all readers that sleep, the last reader the first writer. A
// reader that comes while anybody sleeps does not pass.
type RW struct {
	state   atomic.Int32 // how many readers hold it; exclusive
	asleep  atomic.Int32 // how many are in the queues
	mu      sync.Mutex   // guards the queues
	readers *sleeper     // in any order
	first   *sleeper     // of the writers
	last    *sleeper

	readersWaited, writersWaited atomic.Uint64
}

// Waited is how often readers and writers have found the lock taken, and waited.
func (l *RW) Waited() (readers, writers uint64) {
	return l.readersWaited.Load(), l.writersWaited.Load()
}

// exclusive is the state of a lock that a writer holds.
const exclusive = -1

// sleeper is somebody in a queue.
type sleeper struct {
	next  *sleeper
	since time.Time
	wake  chan bool // true gives the lock, false says to try again
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

// RLock locks for reading.
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
	if l.asleep.Load() > 0 {
		l.pass(true)
		return
	}
	l.state.Store(0)
	if l.asleep.Load() > 0 && l.TryLock() { // somebody has gone to sleep meanwhile
		l.pass(true)
	}
}

// RUnlock undoes RLock.
func (l *RW) RUnlock() {
	if l.state.Add(-1) == 0 && l.asleep.Load() > 0 && l.TryLock() {
		l.pass(false)
	}
}

// pass gives the lock, which the caller holds exclusively, to those who sleep: readers first, or a writer.
func (l *RW) pass(readersFirst bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch s := l.first; {
	case l.readers != nil && (readersFirst || s == nil):
		l.admit()
	case s == nil:
		l.state.Store(0)
	case !readersFirst || time.Since(s.since) >= patience:
		l.drop()
		s.wake <- true
	default: // who is awake may be faster
		l.drop()
		l.state.Store(0)
		s.wake <- false
	}
}

// admit gives the lock to all readers that sleep. mu is held.
func (l *RW) admit() {
	n, all := int32(0), l.readers
	for s := all; s != nil; s = s.next {
		n++
	}
	l.readers = nil
	l.asleep.Add(-n)
	l.state.Store(n)
	for s := all; s != nil; {
		next := s.next // it is another's once it is awake
		s.wake <- true
		s = next
	}
}

// drop takes the first writer out of its queue. mu is held.
func (l *RW) drop() {
	l.first = l.first.next
	if l.first == nil {
		l.last = nil
	}
	l.asleep.Add(-1)
}

// wait waits for the lock.
func (l *RW) wait(shared bool) {
	if shared {
		l.readersWaited.Add(1)
	} else {
		l.writersWaited.Add(1)
	}
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

// sleep waits in a queue. A writer that has been woken and found the lock taken again goes to the front of its own.
func (l *RW) sleep(shared bool) {
	s := sleepers.Get().(*sleeper)
	s.since = time.Now()
	for again := false; l.enqueue(s, shared, again) && !<-s.wake; again = true {
		if l.take(shared) {
			break
		}
	}
	s.next = nil
	sleepers.Put(s)
}

// enqueue puts s into a queue, unless it can have the lock now: then it returns false.
func (l *RW) enqueue(s *sleeper, shared, front bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asleep.Add(1) // before the lock is tried: who unlocks looks at this after having unlocked
	if (!shared || l.first == nil) && l.take(shared) {
		l.asleep.Add(-1)
		return false
	}
	switch {
	case shared:
		s.next, l.readers = l.readers, s
	case l.first == nil:
		s.next = nil
		l.first, l.last = s, s
	case front:
		s.next, l.first = l.first, s
	default:
		s.next, l.last.next = nil, s
		l.last = s
	}
	return true
}
