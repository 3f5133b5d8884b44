// Package layout knows every byte on the medium, and is the only package that does.
//
// It holds pure functions over byte slices: no mapping, no locks, no allocation policy. SPEC.md at the top of the
// repository describes the same bytes in prose and changes in the same commit as this package.
//
// # Assumptions about the medium
//
// Aligned 8-byte stores are atomic. Cache lines are 64 bytes. Lines that have been stored to and not fenced may reach
// the medium in any order, in part, or not at all. All integers are little-endian. Locations on the medium are named by
// byte offset or block number from its start, never by pointer.
//
// # The image
//
//	block 0        superblock
//	block 1        block bitmap of group 0
//	blocks 2, 3    journal heads A and B
//	blocks 4 ..    journal ring
//	then           the inode file's first extent, then free space
//	every 32,256   the first block of each later group is its block bitmap
//	last block     backup superblock
//
// Functions are safe for concurrent use as far as the slices they are given are.
package layout

import (
	"encoding/binary"

	"pmemfs/pmemfs/internal/crc32c"
	"pmemfs/pmemfs/internal/mutation"
)

// Sizes that are part of the medium.
const (
	BlockSize  = 4096 // bytes; part of the medium
	BlockShift = 12
	LineSize   = 64                     // bytes a flush moves; part of the medium
	BlockLines = BlockSize / LineSize   // lines in a block
	HugeBlocks = (2 << 20) / BlockSize  // blocks in the 2 MiB that one huge page maps
	MinBlocks  = (4 << 20) / BlockSize  // smallest image, in blocks
	MaxBlocks  = uint64(1) << (63 - 12) // largest image, in blocks: byte offsets fit an int64
)

var le = binary.LittleEndian

// CRC returns the CRC32C of b.
func CRC(b []byte) uint32 { return crc32c.Checksum(b) }

// CRCUpdate continues a CRC32C over b.
func CRCUpdate(crc uint32, b []byte) uint32 { return crc32c.Update(crc, b) }

// BlockOffset returns the byte offset of block b.
func BlockOffset(b uint64) int64 { return int64(b) << BlockShift }

// BlockOf returns the block that holds byte offset off.
func BlockOf(off int64) uint64 { return uint64(off) >> BlockShift }

// BlocksFor returns how many blocks hold n bytes.
func BlocksFor(n uint64) uint64 { return n>>BlockShift + (n&(BlockSize-1)+BlockSize-1)>>BlockShift }

// LineUp rounds a length or an offset up to whole lines.
func LineUp[T int | int64 | uint64](n T) T { return (n + LineSize - 1) &^ (LineSize - 1) }

// sealed reports whether the CRC32C stored in the first four bytes of b covers the rest.
func sealed(b []byte) bool { return le.Uint32(b) == CRC(b[4:]) }

// seal stores the CRC32C of b[4:] in the first four bytes of b.
func seal(b []byte) { le.PutUint32(b, CRC(b[4:])) }

// Seal writes the checksum of a 4 KiB metadata block (node or bitmap) into its first four bytes.
func Seal(block []byte) { seal(block[:BlockSize]) }

// Word reads 8 bytes as a number.
func Word(b []byte) uint64 { return le.Uint64(b) }

// SealOf returns the four checksum bytes that Seal would write.
func SealOf(block []byte) [4]byte {
	var s [4]byte
	le.PutUint32(s[:], CRC(block[4:BlockSize]))
	return s
}

// SealedAs is Sealed with the checksum that the block has, for who has to read that apart.
func SealedAs(block []byte, sum [4]byte) bool {
	return SealOf(block) == sum || mutation.BlockSeal.Off()
}

// Sealed reports whether the checksum of a 4 KiB metadata block is right.
func Sealed(block []byte) bool { return sealed(block[:BlockSize]) || mutation.BlockSeal.Off() }
