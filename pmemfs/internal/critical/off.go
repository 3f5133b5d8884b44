//go:build !locktimes

package critical

import (
	"sync"

	"pmemfs/pmemfs/internal/latch"
)

// Mutex is a sync.Mutex.
type Mutex struct{ sync.Mutex }

// RWMutex is a sync.RWMutex.
type RWMutex struct{ sync.RWMutex }

// Latch is a latch.RW.
type Latch struct{ latch.RW }

// WaitedFor is how often readers and writers have waited for a latch.
func WaitedFor(l *Latch) (readers, writers uint64) { return l.Waited() }

// LockShort is Lock for a lock that everybody holds for some tens of nanoseconds only.
func (m *Mutex) LockShort() { lockShort(&m.Mutex) }

// Name does nothing in ordinary builds.
func (*Latch) Name(string, int) {}

// Name does nothing in ordinary builds.
func (*Mutex) Name(string, int) {}

// Name does nothing in ordinary builds.
func (*RWMutex) Name(string, int) {}
