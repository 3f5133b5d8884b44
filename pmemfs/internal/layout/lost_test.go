package layout

import (
	"slices"
	"testing"
)

// TestLost encodes lists of lost blocks and reads them back, and refuses what is none.
func TestLost(t *testing.T) {
	long := make([]uint64, LostMax)
	for i := range long {
		long[i] = 1000 + uint64(i)
	}
	scattered := make([]uint64, LostRunsMax)
	for i := range scattered {
		scattered[i] = 5 + 2*uint64(i)
	}
	const limit = 1 << 20
	block := make([]byte, BlockSize)
	for _, blocks := range [][]uint64{{7}, {7, 8, 9, 11}, long, scattered, {limit - 1}} {
		list, ok := LostList(42, blocks)
		if !ok || len(list) != LostSize {
			t.Fatalf("%d blocks do not fit", len(blocks))
		}
		copy(block[LostOffset:], list)
		if got, ok := LostBlocks(block, 42, limit); !ok || !slices.Equal(got, blocks) {
			t.Errorf("%d blocks are read back as %d, %v", len(blocks), len(got), ok)
		}
	}
	if _, ok := LostBlocks(block, 43, limit); ok {
		t.Error("the list of another head is taken")
	}
	if _, ok := LostBlocks(block, 42, limit-1); ok {
		t.Error("a block behind the end is taken")
	}
	if _, ok := LostList(1, append(scattered, 1<<19)); ok {
		t.Error("more runs than fit are taken")
	}
	if _, ok := LostList(1, append(long, 1<<19)); ok {
		t.Error("more blocks than a list may have are taken")
	}
	if _, ok := LostList(1, []uint64{lostMax + 1}); ok {
		t.Error("a block number that does not fit is taken")
	}
	block[LostOffset+16]++
	if _, ok := LostBlocks(block, 42, limit); ok {
		t.Error("a list with a wrong checksum is taken")
	}
}
