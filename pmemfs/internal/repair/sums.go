package repair

import "pmemfs/pmemfs/internal/layout"

// Where the image has checksums of data, a repair that changes a block of a file brings its checksum up to date, if it was
// right: damage that the checksum shows stays to be seen.

// sum returns the checksum that is kept of a block.
func (f *fixer) sum(b uint64) uint32 {
	at := f.sb.Sums().Offset(b)
	return layout.GetSum(f.block(layout.BlockOf(at))[at%layout.BlockSize:])
}

func (f *fixer) setSum(b uint64, sum uint32) {
	if f.sum(b) != sum {
		at := f.sb.Sums().Offset(b)
		layout.PutSum(f.edit(layout.BlockOf(at))[at%layout.BlockSize:], sum)
	}
}

// copySum gives a copy of a block the checksum of the block.
func (f *fixer) copySum(from, to uint64) {
	if f.sb.Sums().On() {
		f.setSum(to, f.sum(from))
	}
}

// clearTail clears a data block from byte at on.
func (f *fixer) clearTail(b, at uint64) {
	right := f.sb.Sums().On() && layout.CRC(f.block(b)) == f.sum(b)
	clear(f.edit(b)[at:])
	if right {
		f.setSum(b, layout.CRC(f.block(b)))
	}
}
