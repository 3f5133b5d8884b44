package repair

import "pmemfs/pmemfs/internal/layout"

// bitset is a set of block or inode numbers.
type bitset []uint64

func newBitset(n uint64) bitset { return make(bitset, (n+63)/64) }

func (s bitset) has(i uint64) bool { return i/64 < uint64(len(s)) && s[i/64]>>(i%64)&1 == 1 }

func (s bitset) set(i uint64) { s[i/64] |= 1 << (i % 64) }

func (s bitset) clear(i uint64) { s[i/64] &^= 1 << (i % 64) }

func (s bitset) clone() bitset { return append(bitset(nil), s...) }

// union returns what is in one of two sets for as many numbers.
func union(a, b bitset) bitset {
	u := a.clone()
	for i, w := range b {
		u[i] |= w
	}
	return u
}

// any reports whether a number of [start, start+n) is in the set.
func (s bitset) any(start, n uint64) bool {
	for i := start; i < start+n; i++ {
		if i%64 == 0 && i+64 <= start+n && s[i/64] == 0 {
			i += 63
			continue
		}
		if s.has(i) {
			return true
		}
	}
	return false
}

func (s bitset) add(start, n uint64) {
	for i := start; i < start+n; i++ {
		s.set(i)
	}
}

var zeroBlock [layout.BlockSize]byte
