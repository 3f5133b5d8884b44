package alloc

import (
	"runtime"
	"sync/atomic"
	"time"

	"pmemfs/pmemfs/internal/critical"
	"pmemfs/pmemfs/internal/layout"
)

// pauseSlots is a power of two. Operations that are under way are counted in slots, so that those of two processors do not meet on a line.
const pauseSlots = 64

// pausing keeps operations from beginning while something changes that one must see either before or after all it does.
type pausing struct {
	paused atomic.Bool
	mu     critical.Mutex // held by who has paused
	_      [layout.LineSize]byte
	slots  [pauseSlots]struct {
		n atomic.Int64
		_ [2*layout.LineSize - 8]byte // wherever the first one begins, no two share a line
	}
}

// nextSlot gives the pooled operations their slots: a processor mostly uses the same few operations.
var nextSlot atomic.Uint32

// begin counts an operation in, and waits while the allocator is paused.
func (p *pausing) begin(slot uint32) {
	n := &p.slots[slot&(pauseSlots-1)].n
	for {
		n.Add(1)
		if !p.paused.Load() {
			return
		}
		n.Add(-1)
		p.wait()
	}
}

// wait waits until nobody has paused.
func (p *pausing) wait() {
	p.mu.Lock()
	defer p.mu.Unlock() // to have had it is all
}

// end counts an operation out.
func (p *pausing) end(slot uint32) { p.slots[slot&(pauseSlots-1)].n.Add(-1) }

// pauseFirst is how long the first try of Pause makes operations wait, at most; each further one may take twice as long.
const (
	pauseFirst = 500 * time.Microsecond
	pauseLast  = 2 * time.Second
	spinFor    = 50 * time.Microsecond
)

// Pause waits until no operation is under way and keeps others from beginning until Resume. An operation may wait for a lock whose
// holder is about to begin one: so a try that takes long is given up, and another made.
func (a *Allocator) Pause() {
	for limit := pauseFirst; !a.pausing.try(limit); limit = min(2*limit, pauseLast) {
		time.Sleep(limit)
	}
}

// Resume ends what Pause began.
func (a *Allocator) Resume() {
	a.pausing.paused.Store(false)
	a.pausing.mu.Unlock()
}

// try pauses, unless that takes longer than a limit.
func (p *pausing) try(limit time.Duration) bool {
	p.mu.Lock()
	p.paused.Store(true)
	start := time.Now()
	for i := range p.slots {
		for p.slots[i].n.Load() != 0 {
			waited := time.Since(start)
			if waited > limit {
				p.paused.Store(false)
				p.mu.Unlock()
				return false
			}
			if waited < spinFor {
				runtime.Gosched()
			} else {
				time.Sleep(spinFor)
			}
		}
	}
	return true
}
