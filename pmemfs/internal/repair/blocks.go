package repair

import (
	"bytes"

	"pmemfs/pmemfs/internal/layout"
)

// readable reports whether a block of the medium can be read.
func (f *fixer) readable(b uint64) bool {
	if f.image.Probe != nil && !f.probed.has(b) {
		f.probed.set(b)
		if f.image.Probe(b) != nil {
			f.bad[b] = true
		}
	}
	return !f.bad[b]
}

// block returns a block as it is to be. What cannot be read is zeros.
func (f *fixer) block(b uint64) []byte {
	if p, ok := f.changed[b]; ok {
		return p
	}
	if !f.readable(b) {
		return zeroBlock[:]
	}
	off := layout.BlockOffset(b)
	return f.image.Bytes[off : off+layout.BlockSize : off+layout.BlockSize]
}

// stored returns a block as it is on the medium, nil for one that cannot be read.
func (f *fixer) stored(b uint64) []byte {
	if f.image.Probe != nil && f.image.Probe(b) != nil {
		return nil
	}
	off := layout.BlockOffset(b)
	return f.image.Bytes[off : off+layout.BlockSize : off+layout.BlockSize]
}

// edit returns a block to be changed.
func (f *fixer) edit(b uint64) []byte {
	p, ok := f.changed[b]
	if !ok {
		p = bytes.Clone(f.block(b))
		f.changed[b] = p
	}
	return p
}

// fresh returns a block of zeros to be filled.
func (f *fixer) fresh(b uint64) []byte {
	p := make([]byte, layout.BlockSize)
	f.changed[b] = p
	return p
}

// isBitmap reports whether a block is the bitmap of a block group.
func isBitmap(b uint64) bool { return b == layout.BitmapBlock(b/layout.GroupBlocks) }

// fixed reports whether a block belongs to no inode.
func (f *fixer) fixed(b uint64) bool {
	return f.sb.Untouchable(b) || isBitmap(b) || f.sb.Sums().Holds(b)
}

// claimFixed claims what belongs to no inode.
func (f *fixer) claimFixed() {
	f.owned.set(layout.SuperBlock)
	f.owned.add(layout.JournalHeadA, 2+f.sb.RingBlocks)
	for g := range layout.GroupCount(f.sb.Blocks) {
		f.owned.set(layout.BitmapBlock(g))
		if sums := f.sb.Sums(); sums.On() {
			f.owned.add(sums.Table(g), layout.SumBlocks)
		}
	}
	f.owned.set(f.sb.Backup)
}

// markedUsed reports whether the medium's bitmap says that a block is in use, or cannot say.
func (f *fixer) markedUsed(b uint64) bool {
	g := b / layout.GroupBlocks
	m := f.block(layout.BitmapBlock(g))
	if !layout.BitmapIs(m, layout.KindBlocks, g) || !layout.Sealed(m) {
		return true
	}
	return layout.BitmapTest(m, int(b%layout.GroupBlocks))
}

// take returns a block that nobody owns and makes it owned. It returns 0 when there is none.
func (f *fixer) take() uint64 {
	for ; f.cursor < f.sb.Blocks; f.cursor++ {
		if b := f.cursor; !f.owned.has(b) && !f.released.has(b) && f.readable(b) {
			f.owned.set(b)
			f.plan.fresh[b] = true
			return b
		}
	}
	if n := len(f.spare); n > 0 { // nodes of trees that were made anew: on a full image there is nothing else
		b := f.spare[n-1]
		f.spare = f.spare[:n-1]
		f.released.clear(b)
		f.owned.set(b)
		return b
	}
	return 0
}

// release gives back a block that take may hand out again when nothing else is left.
func (f *fixer) release(b uint64) {
	if !f.owned.has(b) {
		return
	}
	f.owned.clear(b)
	f.released.set(b)
	if f.snap == nil || f.plan.dropSnapshots { // else a snapshot may have it
		f.spare = append(f.spare, b)
	}
}
