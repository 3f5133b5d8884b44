package badblocks_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"pmemfs/pmemfs/internal/badblocks"
	"pmemfs/pmemfs/internal/critical"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/volumetest"
)

// TestList puts blocks on the list in any order, some of them twice, and one in an operation that is dropped: the list has each that was
// committed once, and counts them.
func TestList(t *testing.T) {
	v := volumetest.New(t, 4096)
	var mu critical.Mutex
	list := badblocks.New(v.Alloc, v.Inodes, &mu)
	blocks := func() (all []uint64) {
		t.Helper()
		err := list.Each(func(start, n uint64) error {
			for b := range n {
				all = append(all, start+b)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	if got := blocks(); len(got) != 0 {
		t.Errorf("a new volume has bad blocks %v", got)
	}
	rng := rand.New(rand.NewPCG(1, 0))
	want := map[uint64]bool{}
	for range 300 {
		b := 1000 + rng.Uint64N(500)
		op := v.Alloc.Begin()
		if err := list.Retire(op, b); err != nil {
			t.Fatal(err)
		}
		if rng.IntN(4) == 0 {
			op.Done()
			continue
		}
		if err := op.Commit(); err != nil {
			t.Fatal(err)
		}
		want[b] = true
	}
	got := blocks()
	if len(got) != len(want) || !slices.IsSorted(got) {
		t.Errorf("%d blocks, expected %d", len(got), len(want))
	}
	for _, b := range got {
		if !want[b] {
			t.Errorf("block %d is on the list", b)
		}
	}
	in, err := v.Inodes.View(nil, layout.BadBlocksIno)
	if err != nil || in.Blocks() < uint64(len(want)) || in.Size() != (slices.Max(got)+1)<<layout.BlockShift {
		t.Errorf("the list's inode has %d blocks and size %d, %v", in.Blocks(), in.Size(), err)
	}
	if !mu.TryLock() {
		t.Error("the lock of the list is still held")
	}
}
