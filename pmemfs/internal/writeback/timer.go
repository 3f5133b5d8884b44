package writeback

import (
	"time"

	"pmemfs/pmemfs/safego"
)

// Data that a client never commits is flushed by a timer when it is old, and at once when there is much of it. Otherwise it would hold
// memory and reserved blocks for ever.

// AgeMax is how long data stays in memory: a reservation of blocks lasts no longer.
const AgeMax = 5 * time.Second

// More than earlyBytes in all, or than one part in earlyShare of the free space reserved, is too much to wait that long.
const (
	earlyBytes = TotalMax / 2
	earlyShare = 8
)

// flushLater makes sure that what has just been buffered will be flushed.
func (b *Buffers) flushLater() {
	if !b.background {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	after := AgeMax
	if b.much() {
		after = 0
	}
	switch {
	case b.ended:
	case b.timer == nil:
		b.timer = safego.AfterFunc(after, "flushing unstable writes", b.expire)
	case after == 0 && !b.early:
		b.early = true
		b.timer.Reset(0)
	}
}

// much reports whether what is buffered, or reserved for it, is too much to wait.
func (b *Buffers) much() bool {
	a := b.v.Alloc
	return b.bytes.Load() > earlyBytes || a.Reserved() > (a.Blocks.Avail()+a.Blocks.Quarantined())/earlyShare
}

// expire flushes what is old, or everything if that is much, and sets the timer while anything is left.
func (b *Buffers) expire() {
	g, err := b.v.Enter(0)
	if err != nil {
		return
	}
	defer g.RUnlock()
	b.mu.Lock()
	b.early = false
	b.mu.Unlock()
	b.flushOlder(time.Now().Add(-AgeMax))
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended {
		return
	}
	// Another timer may have been set meanwhile. There is never more than one, or each would bring the next.
	if b.timer != nil {
		b.timer.Stop()
		b.timer = nil
	}
	first, ok := b.oldest()
	if !ok {
		return
	}
	after := max(AgeMax-time.Since(first), 0)
	if b.early {
		after = 0 // the one that was stopped was to come at once
	}
	b.timer = safego.AfterFunc(after, "flushing unstable writes", b.expire)
}

// flushOlder flushes the files that have been dirty since before limit, or all while there is much. The caller holds a gate and no stripe.
func (b *Buffers) flushOlder(limit time.Time) {
	for _, ino := range b.dirtySince(limit, b.much()) {
		b.FlushFile(ino)
	}
}

// dirtySince returns the inodes that have been dirty since before limit, or all dirty ones.
func (b *Buffers) dirtySince(limit time.Time, all bool) (list []uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for ino, f := range b.files {
		if all || !f.since.After(limit) {
			list = append(list, ino)
		}
	}
	return list
}

// oldest returns since when a file is dirty. b.mu is held.
func (b *Buffers) oldest() (first time.Time, ok bool) {
	for _, f := range b.files {
		if !ok || f.since.Before(first) {
			first, ok = f.since, true
		}
	}
	return first, ok
}

// End stops the timer, for good. It waits for nobody.
func (b *Buffers) End() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = true
	if b.timer != nil {
		b.timer.Stop()
	}
}
