package alloc

import (
	"math/bits"
	"sync/atomic"

	"pmemfs/pmemfs/internal/layout"
)

// last returns the last bit below end that may not be handed out, -1 for none.
func (g *group) last(end int) int {
	for i := (end - 1) / 64; i >= 0 && end > 0; i-- {
		if w := g.words[i] & layout.WordMask(i, 0, end); w != 0 {
			return i*64 + 63 - bits.LeadingZeros64(w)
		}
	}
	return -1
}

// fill makes g the picture of a group behind the limit: nothing of it may be handed out.
func (g *group) fill() {
	if g.words == nil {
		g.words = new([layout.BitmapWords]uint64)
	}
	for i := range g.words {
		g.words[i] = ^uint64(0)
	}
	g.free, g.loaded = 0, true
}

// forget drops the picture of a group that was cut off. One that differs from the medium has been loaded since.
func (g *group) forget(loaded *atomic.Int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.loaded && g.pending.Load() == 0 {
		g.loaded, g.words = false, nil
		loaded.Add(-1)
	}
}

// Top returns the last bit before end that is used or reserved, 0 for none.
func (b *Bits) Top(end uint64) (uint64, error) {
	end = min(end, b.limit.Load())
	for gi := layout.GroupCount(end); gi > 0; gi-- {
		first := (gi - 1) * layout.GroupBits
		g, err := b.groupAt(gi - 1)
		if err != nil {
			return 0, err
		}
		i := g.last(int(min(end-first, layout.GroupBits)))
		g.mu.Unlock()
		if i >= 0 {
			return first + uint64(i), nil
		}
	}
	return 0, nil
}

// TakeTail reserves every bit from start on. ok is false, and none is reserved, when one of them is used or reserved. Cut or
// GiveTail ends it.
func (b *Bits) TakeTail(start uint64) (tail []Run, ok bool, err error) {
	limit := b.limit.Load()
	defer func() {
		if !ok {
			b.GiveTail(tail)
		}
	}()
	for at := start; at < limit; {
		i := at % layout.GroupBits
		n := min(layout.GroupBits-i, limit-at)
		r, err := b.take(at/layout.GroupBits, int(i), int(n), 1, true, true)
		if r.Len > 0 {
			tail = append(tail, r)
		}
		if err != nil || r.Len < n {
			return tail, false, err
		}
		at += n
	}
	return tail, true, nil
}

// GiveTail gives back what TakeTail has reserved.
func (b *Bits) GiveTail(tail []Run) {
	for _, r := range tail {
		b.unpin(r, true)
	}
}

// Cut lowers the number of bits to where tail begins, which TakeTail has reserved and whose bits exist no more.
func (b *Bits) Cut(tail []Run) {
	b.groupsMu.Lock()
	b.limit.Store(tail[0].Start)
	b.groupsMu.Unlock()
	for _, r := range tail {
		b.unpin(r, false)
	}
}

// lower makes the next search begin at a bit that has become free, if it would begin behind it: what is in use gathers at the
// beginning.
func (b *Bits) lower(bit uint64) {
	for {
		at := b.cursor.Load()
		if at <= bit || b.cursor.CompareAndSwap(at, bit) {
			return
		}
	}
}
