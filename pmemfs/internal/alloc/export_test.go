package alloc

import "testing"

// SetMaxLoaded bounds the DRAM pictures of groups for one test.
func SetMaxLoaded(t testing.TB, n int64) {
	old := maxLoaded
	maxLoaded = n
	t.Cleanup(func() { maxLoaded = old })
}

// Loaded returns how many groups have a DRAM picture.
func (b *Bits) Loaded() int64 { return b.loaded.Load() }

// ReserveBlocks is what ordinary operations leave free.
const ReserveBlocks = reserveBlocks
