package critical

import "sync"

// A mutex that is held for some tens of nanoseconds is free again before sync.Mutex, which pauses for half a microsecond at a time, would
// look. So it is tried so often first, with so short a pause.
const (
	shortTries = 32
	shortPause = 20
)

func lockShort(m *sync.Mutex) {
	for range shortTries {
		if m.TryLock() {
			return
		}
		for range shortPause {
			// Counting leaves the lock's memory alone.
		}
	}
	m.Lock()
}
