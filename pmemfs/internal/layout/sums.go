package layout

// With ROCompatSums every block group has a table of checksums: for each block of the group the CRC32C of its 4,096
// bytes, 4 bytes in the order of the blocks. It lies behind the group's bitmap, in group 0 behind the journal ring. An
// entry means something for blocks that written extents of regular files and symbolic links map; the others hold anything.
const (
	SumSize     = 4  // bytes of an entry
	SumBlocks   = 32 // blocks of a group's table, also where the group is short, so that it can grow
	sumsInBlock = BlockSize / SumSize
)

// The table is whole blocks and has an entry for every block of a group.
var _ [SumBlocks*sumsInBlock - GroupBlocks]byte

// Sums says where the checksums of data blocks are. The zero value is an image that has none. Safe for concurrent use.
type Sums struct{ first uint64 } // block of group 0's table

// Sums returns where the image keeps the checksums of data.
func (s *Superblock) Sums() Sums {
	if s.ROCompat&ROCompatSums == 0 {
		return Sums{}
	}
	return Sums{JournalRing + s.RingBlocks}
}

// On reports whether the image has checksums of data.
func (s Sums) On() bool { return s.first != 0 }

// Table returns the first block of a group's table of SumBlocks blocks.
func (s Sums) Table(group uint64) uint64 {
	if group == 0 {
		return s.first
	}
	return BitmapBlock(group) + 1
}

// Holds reports whether block is part of a table.
func (s Sums) Holds(block uint64) bool {
	return s.On() && block-s.Table(block/GroupBlocks) < SumBlocks // wraps around for a block before the table
}

// Covered returns the blocks whose checksums are in a block, none if it is not part of a table.
func (s Sums) Covered(block uint64) (first, n uint64) {
	if !s.Holds(block) {
		return 0, 0
	}
	group := block / GroupBlocks
	i := (block - s.Table(group)) * sumsInBlock
	return group*GroupBlocks + i, min(sumsInBlock, GroupBlocks-i)
}

// Offset returns the byte offset of the checksum of a block.
func (s Sums) Offset(block uint64) int64 {
	return BlockOffset(s.Table(block/GroupBlocks)) + int64(block%GroupBlocks)*SumSize
}

// TailMin returns the fewest blocks that a last group must have: its bitmap, its table and the backup superblock.
func (s Sums) TailMin() uint64 {
	if s.On() {
		return 1 + SumBlocks + 1
	}
	return 2
}

// BackupBlocks returns the blocks in which the backup superblock of a medium of n blocks may be: the last one, and the
// last of the last whole group, as mkfs leaves out blocks behind it that are too few to be a group.
func BackupBlocks(n uint64) [2]uint64 {
	return [2]uint64{n - 1, n - n%GroupBlocks - 1}
}

// PutSum stores a checksum.
func PutSum(b []byte, sum uint32) { le.PutUint32(b, sum) }

// GetSum reads a checksum.
func GetSum(b []byte) uint32 { return le.Uint32(b) }
