package billyadapter

import (
	"sync"

	"pmemfs/pmemfs"
)

// keyedLocks is a set of mutexes by file, each existing only while someone holds or awaits it.
type keyedLocks struct {
	mu sync.Mutex
	m  map[pmemfs.Handle]*keyedLock
}

type keyedLock struct {
	users int
	gate  sync.Mutex
}

// lock blocks until h is the caller's alone.
func (k *keyedLocks) lock(h pmemfs.Handle) {
	k.mu.Lock()
	if k.m == nil {
		k.m = make(map[pmemfs.Handle]*keyedLock)
	}
	l := k.m[h]
	if l == nil {
		l = &keyedLock{}
		k.m[h] = l
	}
	l.users++
	k.mu.Unlock()
	l.gate.Lock()
}

// unlock gives h back; the caller holds it.
func (k *keyedLocks) unlock(h pmemfs.Handle) {
	k.mu.Lock()
	defer k.mu.Unlock()
	l := k.m[h]
	l.gate.Unlock()
	if l.users--; l.users == 0 {
		delete(k.m, h)
	}
}
