package layout

import (
	"iter"
	"math/bits"
)

// InitGroup formats the bitmap of a group behind the first, as it is in an image where nobody has used it: the bitmap, the table of
// checksums and the backup superblock are used, as far as they are there. It is sealed.
func (s *Superblock) InitGroup(b []byte, group uint64) {
	InitBitmap(b, KindBlocks, group)
	BitmapSet(b, 0, int(s.Sums().Overhead()))
	if s.Backup/GroupBlocks == group {
		BitmapSet(b, int(s.Backup%GroupBlocks), 1)
	}
	Seal(b)
}

// Overhead returns how many blocks at the beginning of a group behind the first belong to no inode.
func (s Sums) Overhead() uint64 {
	if s.On() {
		return 1 + SumBlocks
	}
	return 1
}

// Grown returns the superblock of the image with so many blocks.
func (s *Superblock) Grown(blocks uint64) Superblock {
	next := *s
	next.Blocks, next.Backup = blocks, blocks-1
	return next
}

// FreshBlocks returns how many blocks are free of those that the image has more than another one before a growth.
func (s *Superblock) FreshBlocks(before *Superblock) uint64 {
	groups := GroupCount(s.Blocks) - GroupCount(before.Blocks)
	return s.Blocks - before.Blocks - groups*s.Sums().Overhead() - 1 // the backup
}

// A group that nobody uses has so many bits set at most: of its bitmap, its table and a backup.
const untouchedMax = 1 + SumBlocks + 1

// BackupPlaces returns the blocks in which the backup superblock of a medium of n blocks may be, the likeliest first: the last one; the
// last of the last whole group, as mkfs leaves out blocks behind it that are too few to be a group; and, as the medium may have become
// larger than the image, the last two blocks in use of each group from the last one on down to the first that is used. (The last block
// of an image is its backup, so nobody who writes files can put theirs there. They are two because of a growth that was interrupted;
// and a bitmap that such a growth has left half written does not say that the group is used.)
// read returns a block, nil for one that cannot be read.
func BackupPlaces(n uint64, read func(block uint64) []byte) iter.Seq[uint64] {
	return func(yield func(uint64) bool) {
		for _, at := range BackupBlocks(n) {
			if at > 0 && at < n && !yield(at) {
				return
			}
		}
		for g := GroupCount(n); g > 0; g-- {
			if BitmapBlock(g-1) >= n {
				continue
			}
			b := read(BitmapBlock(g - 1))
			if b == nil || !BitmapIs(b, KindBlocks, g-1) {
				continue
			}
			last := GroupBits
			for range 2 {
				last = lastBit(b, last)
				if at := (g-1)*GroupBlocks + uint64(max(last, 0)); last > 0 && at < n && !yield(at) {
					return
				}
			}
			if BitmapUsed(b) > untouchedMax && Sealed(b) {
				return
			}
		}
	}
}

// lastBit returns the last bit of a bitmap that is set before end, -1 for none.
func lastBit(b []byte, end int) int {
	for w := (end - 1) / 64; w >= 0 && end > 0; w-- {
		if set := BitmapWord(b, w) & WordMask(w, 0, end); set != 0 {
			return w*64 + 63 - bits.LeadingZeros64(set)
		}
	}
	return -1
}

// Backups returns the valid superblocks of a medium of n blocks that name themselves as the backup, by their block, the one that counts
// first.
func Backups(n uint64, read func(block uint64) []byte) iter.Seq2[uint64, *Superblock] {
	return func(yield func(uint64, *Superblock) bool) {
		seen := make(map[uint64]bool)
		for at := range BackupPlaces(n, read) {
			b := read(at)
			if seen[at] || b == nil {
				continue
			}
			seen[at] = true
			if sb, err := DecodeSuperblock(b); err == nil && sb.Backup == at && !yield(at, sb) {
				return
			}
		}
	}
}

// SameImage reports whether two superblocks are of one image, at whatever size. They hold what nobody can guess.
func (s *Superblock) SameImage(other *Superblock) bool {
	return s.UUID == other.UUID && s.HandleKey == other.HandleKey && s.HashKey == other.HashKey
}
