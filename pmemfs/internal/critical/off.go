//go:build !locktimes

package critical

import "sync"

// Mutex is a sync.Mutex.
type Mutex struct{ sync.Mutex }

// RWMutex is a sync.RWMutex.
type RWMutex struct{ sync.RWMutex }

// Name does nothing in ordinary builds.
func (*Mutex) Name(string, int) {}

// Name does nothing in ordinary builds.
func (*RWMutex) Name(string, int) {}
