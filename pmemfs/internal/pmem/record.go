package pmem

import (
	"sync"
	"sync/atomic"
)

// EventKind says what happened to a recorded region.
type EventKind uint8

// The events of a recorded region.
const (
	// Stored: bytes were stored through the cache. Of a store of at most 128 bytes the aligned words are stored at once,
	// in ascending order; of a longer one in any order.
	Stored EventKind = iota + 1
	// StoredThrough: whole lines were stored past the cache: their words reach the medium in any order before the fence
	// of the same call, without a flush.
	StoredThrough
	// FenceDue: a fence is about to be made; what it covers has been stored and is not yet flushed.
	FenceDue
	// Flushed: the lines that the range touches have been written back with what they held at that time. Certain only
	// after the next Fenced. In the page-cache domain it is the pages that the range touches.
	Flushed
	// Fenced: everything flushed or stored past the cache by the same call is on the medium.
	Fenced
)

// An Event is one thing that happened to a recorded region.
type Event struct {
	Kind  EventKind
	Site  *Site  // of FenceDue, Flushed, Fenced and StoredThrough; of Stored too if it was made by a call that fences
	Call  uint64 // of StoredThrough, FenceDue, Flushed and Fenced: the same for what one call did
	Range Range  // of all but FenceDue and Fenced
	Data  []byte // of Stored and StoredThrough: the bytes, valid until the observer returns
}

// recorder tells an observer what happens. Its lock makes an action and its event one step, so that the sequence of
// events is one in which the actions did happen; what one call flushes and fences is never interrupted by another's.
type recorder struct {
	mu    sync.Mutex
	f     func(*Event)
	calls atomic.Uint64
}

// SetRecorder makes every store, flush and fence of the region known to f, in the order in which they happen. f is
// called by one goroutine at a time and must not use the region but for Bytes. It is how crash tests see what the medium
// may hold: the code that runs is the real one. nil removes it. Not safe to change while another goroutine stores.
//
// A recorded region is slow. One that is not pays a load for each store and fence.
func (r *Region) SetRecorder(f func(*Event)) {
	if f == nil {
		r.rec.Store(nil)
		return
	}
	r.rec.Store(&recorder{f: f})
}

// begin returns the identity of a call.
func (c *recorder) begin() uint64 {
	if c == nil {
		return 0
	}
	return c.calls.Add(1)
}

// stored records a store through the cache that was just made. The caller holds mu.
func (c *recorder) stored(s *Site, off int64, b []byte) {
	if len(b) > 0 {
		c.f(&Event{Kind: Stored, Site: s, Range: Range{off, int64(len(b))}, Data: b})
	}
}

// write is Write on a recorded region.
func (c *recorder) write(off int64, dst, src []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	store(dst, src)
	c.stored(nil, off, dst)
}

// zero is Zero on a recorded region.
func (c *recorder) zero(off int64, dst []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	storeZeros(dst)
	c.stored(nil, off, dst)
}

// put records a store to dst, at off, that f makes by a system call.
func (c *recorder) put(off int64, dst []byte, f func() error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := f()
	c.stored(nil, off, dst)
	return err
}

// word records a change of the word b, which f makes.
func (c *recorder) word(off int64, b []byte, f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
	c.stored(nil, off, b)
}

// copyIn is Region.copyIn, recorded unless c is nil.
func (c *recorder) copyIn(r *Region, s *Site, call uint64, g Range, src []byte) error {
	if c == nil {
		return r.copyIn(g, src)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	err := r.copyIn(g, src)
	c.through(r, s, call, g)
	return err
}

// zeroIn is Region.zeroIn, recorded unless c is nil.
func (c *recorder) zeroIn(r *Region, s *Site, call uint64, g Range) error {
	if c == nil {
		return r.zeroIn(g)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	err := r.zeroIn(g)
	c.through(r, s, call, g)
	return err
}

// through records what copyIn or zeroIn did. The caller holds mu.
func (c *recorder) through(r *Region, s *Site, call uint64, g Range) {
	b := r.mem[g.Off : g.Off+g.Len]
	mid, midEnd := r.split(g)
	if !r.bypass || mid == midEnd {
		c.stored(s, g.Off, b)
		return
	}
	c.stored(s, g.Off, b[:mid-g.Off])
	c.f(&Event{Kind: StoredThrough, Site: s, Call: call, Range: Range{mid, midEnd - mid}, Data: b[mid-g.Off : midEnd-g.Off]})
	c.stored(s, midEnd, b[midEnd-g.Off:])
}

// cached returns the parts of n ranges that were stored through the cache, which have to be flushed.
func (r *Region) cached(n int, at func(int) Range) (rs []Range) {
	for i := range n {
		g := at(i)
		mid, midEnd := r.split(g)
		if !r.bypass || mid == midEnd {
			rs = append(rs, g)
			continue
		}
		rs = append(rs, Range{g.Off, mid - g.Off}, Range{midEnd, g.Off + g.Len - midEnd})
	}
	return rs
}

// fence records the flush of ranges and the fence behind it, and makes them by calling f.
func (c *recorder) fence(s *Site, call uint64, ranges []Range, f func() error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.f(&Event{Kind: FenceDue, Site: s, Call: call})
	if err := f(); err != nil {
		return err
	}
	for _, g := range ranges {
		if g.Len > 0 {
			c.f(&Event{Kind: Flushed, Site: s, Call: call, Range: g})
		}
	}
	c.f(&Event{Kind: Fenced, Site: s, Call: call})
	return nil
}
