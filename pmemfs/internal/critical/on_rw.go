//go:build locktimes

package critical

import (
	"sync"

	"pmemfs/pmemfs/internal/latch"
)

// RWMutex is a sync.RWMutex that is counted.
type RWMutex = counted[sync.RWMutex, *sync.RWMutex]

// Latch is a latch.RW that is counted.
type Latch = counted[latch.RW, *latch.RW]

// WaitedFor is how often readers and writers have waited for a latch.
func WaitedFor(l *Latch) (readers, writers uint64) { return l.mu.Waited() }

// locker is what both have.
type locker[L any] interface {
	*L
	Lock()
	TryLock() bool
	Unlock()
	RLock()
	TryRLock() bool
	RUnlock()
}

// counted is a reader-writer lock that is counted.
type counted[L any, P locker[L]] struct {
	mu    L
	c     *counts
	since int64 // of the one who has it exclusively
}

// Name says what the lock is, and of how many that share the same calls it is one.
func (m *counted[L, P]) Name(name string, of int) { m.c = named(name, of) }

// Lock locks m exclusively.
func (m *counted[L, P]) Lock() {
	P(&m.mu).Lock()
	m.since = begin()
}

// TryLock locks m exclusively if nobody has it.
func (m *counted[L, P]) TryLock() bool {
	if !P(&m.mu).TryLock() {
		return false
	}
	m.since = begin()
	return true
}

// Unlock undoes Lock.
func (m *counted[L, P]) Unlock() {
	since := m.since
	if since == 0 {
		P(&m.mu).Unlock()
		return
	}
	until := now()
	P(&m.mu).Unlock()
	m.c.add(since, until)
}

// RLock locks m to read.
func (m *counted[L, P]) RLock() {
	P(&m.mu).RLock()
	m.c.read()
}

// TryRLock locks m to read if nobody has it exclusively.
func (m *counted[L, P]) TryRLock() bool {
	if !P(&m.mu).TryRLock() {
		return false
	}
	m.c.read()
	return true
}

// RUnlock undoes RLock.
func (m *counted[L, P]) RUnlock() { P(&m.mu).RUnlock() }
