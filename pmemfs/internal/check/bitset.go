package check

import "math/bits"

// bitset is a set of block or inode numbers.
type bitset []uint64

func newBitset(n uint64) bitset { return make(bitset, (n+63)/64) }

func (s bitset) has(i uint64) bool { return i/64 < uint64(len(s)) && s[i/64]>>(i%64)&1 == 1 }

func (s bitset) set(i uint64) { s[i/64] |= 1 << (i % 64) }

func (s bitset) clear(i uint64) { s[i/64] &^= 1 << (i % 64) }

// add sets bits [start, start+n) and calls again with each run of those that were set already.
func (s bitset) add(start, n uint64, again func(start, n uint64)) {
	var r runs
	for i := start; i < start+n; {
		w, lo := i/64, i%64
		m := min(64-lo, start+n-i)
		mask := ^uint64(0) >> (64 - m) << lo
		if both := s[w] & mask; both != 0 {
			r.word(w*64, both, again)
		}
		s[w] |= mask
		i += m
	}
	r.end(again)
}

// runs joins set bits to runs.
type runs struct{ start, n uint64 }

// word adds the bits of a word whose first bit has the number base; words come in rising order.
func (r *runs) word(base, w uint64, f func(start, n uint64)) {
	for w != 0 {
		lo := uint64(bits.TrailingZeros64(w))
		m := uint64(bits.TrailingZeros64(^(w >> lo)))
		if lo+m == 64 {
			w = 0
		} else {
			w &^= (1<<m - 1) << lo
		}
		if r.n > 0 && r.start+r.n == base+lo {
			r.n += m
			continue
		}
		r.end(f)
		r.start, r.n = base+lo, m
	}
}

// end hands over the last run.
func (r *runs) end(f func(start, n uint64)) {
	if r.n > 0 {
		f(r.start, r.n)
	}
	r.n = 0
}
