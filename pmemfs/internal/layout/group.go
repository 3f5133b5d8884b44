package layout

import "math/bits"

// A bitmap block has a 64-byte header and 4,032 bytes of bits, 1 for used.
//
//	0 crc u32 of 4.. | 4 magic u16 | 6 kind u16 | 8 group u64 | 16 birth epoch u64 | 24 zero | 64 bits
//
// The same format serves the block groups of the image and the groups of the inode file.
const (
	GroupBits        = (BlockSize - bitmapHeader) * 8 // objects that one bitmap block describes; part of the medium
	bitmapHeader     = 64
	bitmapMagic      = 0x4d42 // "BM"
	KindBlocks       = 1      // bitmap of a block group
	KindInodes       = 2      // bitmap of an inode group
	GroupBlocks      = GroupBits
	BitmapWords      = (BlockSize - bitmapHeader) / 8
	InodesPerBlk     = BlockSize / InodeSize
	InodeGroupBlocks = 1 + GroupBits/InodesPerBlk // file blocks of one inode group
)

// 63 huge pages exactly: groups begin 2 MiB aligned.
var _ [GroupBlocks % HugeBlocks]byte = [0]byte{}

// GroupCount returns how many groups cover n blocks.
func GroupCount(n uint64) uint64 { return (n + GroupBlocks - 1) / GroupBlocks }

// BitmapBlock returns the block that holds the bitmap of group g.
func BitmapBlock(g uint64) uint64 {
	if g == 0 {
		return 1 // block 0 is the superblock
	}
	return g * GroupBlocks
}

// InitBitmap formats a bitmap block with no bit set. The caller seals it.
func InitBitmap(b []byte, kind uint16, group uint64) {
	clear(b[:BlockSize])
	le.PutUint16(b[4:], bitmapMagic)
	le.PutUint16(b[6:], kind)
	le.PutUint64(b[8:], group)
}

// BitmapIs reports whether b is a bitmap block of that kind and group.
func BitmapIs(b []byte, kind uint16, group uint64) bool {
	return le.Uint16(b[4:]) == bitmapMagic && le.Uint16(b[6:]) == kind && le.Uint64(b[8:]) == group
}

// BitmapWord returns 64 bits of the bitmap.
func BitmapWord(b []byte, i int) uint64 { return le.Uint64(b[BitmapOffset(i):]) }

// BitmapTest reports whether bit i is set.
func BitmapTest(b []byte, i int) bool { return b[bitmapHeader+i>>3]>>(i&7)&1 == 1 }

// BitmapUsed counts the set bits.
func BitmapUsed(b []byte) int { return BitmapUsedBefore(b, GroupBits) }

// BitmapUsedBefore counts the set bits before a limit.
func BitmapUsedBefore(b []byte, limit int) int {
	n := 0
	for i := range (limit + 63) / 64 {
		n += bits.OnesCount64(BitmapWord(b, i) & WordMask(i, 0, limit))
	}
	return n
}

// WordMask returns the bits of word w that the range [start, start+n) covers.
func WordMask(w, start, n int) uint64 {
	lo, hi := max(start-w*64, 0), min(start+n-w*64, 64)
	if lo >= hi {
		return 0
	}
	return ^uint64(0) >> (64 - (hi - lo)) << lo
}

// BitmapOffset returns where in a bitmap block its word w lies, in bytes.
func BitmapOffset(w int) int64 { return bitmapHeader + 8*int64(w) }

// InodeFileBlock returns the block within the inode file that holds inode number ino, and the byte within it.
func InodeFileBlock(ino uint64) (block uint64, off int64) {
	group, i := ino/GroupBits, ino%GroupBits
	return group*InodeGroupBlocks + 1 + i/InodesPerBlk, int64(i%InodesPerBlk) * InodeSize
}

// InodesOfBlock says what a block of the inode file holds: the bitmap of inode group n, or the 16 inodes from number n on.
func InodesOfBlock(block uint64) (n uint64, bitmap bool) {
	group, at := block/InodeGroupBlocks, block%InodeGroupBlocks
	if at == 0 {
		return group, true
	}
	return group*GroupBits + (at-1)*InodesPerBlk, false
}

// InodeGroupBitmap returns the block within the inode file that holds the bitmap of an inode group.
func InodeGroupBitmap(group uint64) uint64 { return group * InodeGroupBlocks }

// InodeCapacity returns how many inode numbers an inode file of n blocks holds.
func InodeCapacity(n uint64) uint64 {
	full, rest := n/InodeGroupBlocks, n%InodeGroupBlocks
	if rest > 0 {
		rest--
	}
	return full*GroupBits + rest*InodesPerBlk
}

// BitmapSet sets bits [start, start+n) of a bitmap that nobody else reads.
func BitmapSet(b []byte, start, n int) {
	for w := start / 64; w*64 < start+n; w++ {
		le.PutUint64(b[BitmapOffset(w):], BitmapWord(b, w)|WordMask(w, start, n))
	}
}

// BitmapClear clears bits [start, start+n) of a bitmap that nobody else reads.
func BitmapClear(b []byte, start, n int) {
	for w := start / 64; w*64 < start+n; w++ {
		le.PutUint64(b[BitmapOffset(w):], BitmapWord(b, w)&^WordMask(w, start, n))
	}
}

// BitmapByte returns the byte of a bitmap block that holds bit i.
func BitmapByte(i int) int64 { return int64(bitmapHeader + i>>3) }
