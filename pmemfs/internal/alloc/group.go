package alloc

import (
	"math/bits"
	"sync/atomic"

	"pmemfs/pmemfs/internal/critical"
	"pmemfs/pmemfs/internal/layout"
)

// group is the DRAM picture of one bitmap: every bit that may not be handed out, because it is used on the medium,
// reserved by an operation in progress, or freed and waiting in quarantine. It is loaded at first use.
type group struct {
	mu      critical.Mutex
	loaded  bool
	pending atomic.Int64 // bits that differ from the medium: such a group cannot be dropped. It rises under mu only
	free    int
	words   *[layout.BitmapWords]uint64

	distrusted atomic.Bool // its bitmap has faulted: it is looked at again before each use
	_          [layout.LineSize - 48]byte
}

// load fills g from bitmap block b, treating bits from limit on as used. Called with g.mu held.
func (g *group) load(b []byte, limit int) {
	if g.words == nil {
		g.words = new([layout.BitmapWords]uint64)
	}
	g.free = 0
	for i := range g.words {
		w := layout.BitmapWord(b, i) | ^layout.WordMask(i, 0, limit)
		g.words[i] = w
		g.free += 64 - bits.OnesCount64(w)
	}
	g.loaded = true
}

func (g *group) set(start, n int) {
	for w := start / 64; w*64 < start+n; w++ {
		g.words[w] |= layout.WordMask(w, start, n)
	}
	g.free -= n
}

func (g *group) clear(start, n int) {
	for w := start / 64; w*64 < start+n; w++ {
		g.words[w] &^= layout.WordMask(w, start, n)
	}
	g.free += n
}

// runAt returns the length of the free run at bit start, at most want.
func (g *group) runAt(start, want int) int {
	n := 0
	for n < want && start+n < layout.GroupBits {
		w := g.words[(start+n)/64] >> ((start + n) % 64)
		run := min(bits.TrailingZeros64(w), 64-(start+n)%64)
		if run == 0 {
			break
		}
		n += run
	}
	return min(n, want)
}

// find returns the first free run of want bits at or after from, else the longest free run in that range. With align
// above 1, runs begin at multiples of align.
func (g *group) find(from, want, align int) (start, n int) {
	for i := from; i < layout.GroupBits; {
		if align > 1 && i%align != 0 {
			i += align - i%align
			continue
		}
		if w := g.words[i/64] >> (i % 64); w == ^uint64(0)>>(i%64) {
			i += 64 - i%64 // nothing free in the rest of this word
			continue
		}
		run := g.runAt(i, want)
		if run > n {
			start, n = i, run
		}
		if n == want {
			return start, n
		}
		i += max(run, 1)
	}
	return start, n
}
