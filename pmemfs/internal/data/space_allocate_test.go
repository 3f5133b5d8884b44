package data_test

import (
	"io"
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
				if err := x.Insert(layout.Extent{Logical: end, Phys: r.Start, Len: 1, Birth: 1}); err != nil {
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

// TestOverwriteKeepsHuge writes over the middle of a large file in pieces: they must not take an empty 2 MiB each.
func TestOverwriteKeepsHuge(t *testing.T) {
	const ino, blocks, piece = 20, 1024, 16
	m := alloctest.New(t, 30000, false)
	m.NewInode(t, ino, layout.ModeRegular|0o644)
	write := func(b, n uint64) {
		m.Do(t, func(op *alloc.Op) error {
			in := op.Tx.Inode(alloctest.InodeOffset(ino))
			got, err := data.Write(op, in, make([]byte, n<<layout.BlockShift), b<<layout.BlockShift)
			if err == nil && got != int(n<<layout.BlockShift) {
				err = io.ErrShortWrite
			}
			in.SetSize(max(in.Size(), (b+n)<<layout.BlockShift))
			return err
		})
	}
	write(0, blocks)
	for b := uint64(1); b+piece < blocks; b += 64 {
		write(b, piece)
	}
	pages := map[uint64]bool{}
	m.Do(t, func(op *alloc.Op) error {
		x := extent.Open(m.J, nil, op.Tx.Inode(alloctest.InodeOffset(ino)))
		for b := uint64(0); ; {
			e, ok, err := x.Next(b)
			if err != nil || !ok {
				return err
			}
			for p := e.Phys; p < e.Phys+uint64(e.Len); p += piece {
				pages[p/layout.HugeBlocks] = true
			}
			b = e.End()
		}
	})
	if most := blocks/layout.HugeBlocks + 3; len(pages) > most {
		t.Errorf("the file lies in %d pages of 2 MiB, expected at most %d", len(pages), most)
	}
	m.Verify(t)
}
