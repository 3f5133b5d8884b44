package data_test

import (
	"testing"

	"pmemfs/pmemfs/internal/alloc"
	"pmemfs/pmemfs/internal/alloctest"
	"pmemfs/pmemfs/internal/data"
	"pmemfs/pmemfs/internal/extent"
	"pmemfs/pmemfs/internal/layout"
)

// TestAllocateBetween fills holes of which each is in another full leaf, on the smallest journal: every one splits its
// leaf, and the record must stay within its bound.
func TestAllocateBetween(t *testing.T) {
	const ino, perLeaf, leaves = 20, 112, 100
	m := alloctest.New(t, 30000, false)
	m.NewInode(t, ino, layout.ModeRegular|0o644)
	end := uint64(0)
	for range leaves {
		m.Do(t, func(op *alloc.Op) error {
			in := op.Tx.Inode(alloctest.InodeOffset(ino))
			x := extent.Open(m.J, op, in)
			for i := range uint64(perLeaf) {
				r, err := op.AllocBlocks(0, 2, false) // two, of which one is used, so that no extents join
				if err != nil {
					return err
				}
				if i == perLeaf/2 {
					end++ // a hole
				}
				in.AddBlocks(1)
				if err := x.Insert(layout.Extent{Logical: end, Phys: r.Start, Len: 1, Birth: alloc.BirthEpoch}); err != nil {
					return err
				}
				end++
			}
			return nil
		})
	}
	size := end << layout.BlockShift
	for off := uint64(0); off < size; {
		m.Do(t, func(op *alloc.Op) (err error) {
			off, err = data.Allocate(op, op.Tx.Inode(alloctest.InodeOffset(ino)), off, size)
			return err
		})
	}
	m.Verify(t)
}
