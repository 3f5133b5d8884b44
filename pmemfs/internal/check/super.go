package check

import (
	"bytes"
	"errors"
	"fmt"

	"pmemfs/pmemfs/internal/layout"
)

// superblocks reads both superblocks. ok is false when the image cannot be checked further.
func (c *checker) superblocks() (ok bool, err error) {
	size := int64(len(c.image.Bytes))
	if size < layout.BlockSize {
		return false, fmt.Errorf("%w: only %d bytes long", layout.ErrNotImage, size)
	}
	first := c.raw(layout.SuperBlock)
	sb, err := layout.DecodeSuperblock(first)
	if errors.Is(err, layout.ErrVersion) {
		return false, err
	}
	if err != nil {
		if sb = c.lastSuperblock(); sb == nil {
			if !layout.HasMagic(first) && c.readable(layout.SuperBlock) {
				return false, err
			}
			c.stop(SuperblockBoth, 0, "superblock", "a valid superblock, here or in the last block", err.Error())
			return false, nil
		}
		c.fault(Superblock, 0, "superblock", "a valid superblock", err.Error())
	}
	if bad := sb.ROCompat &^ layout.KnownROCompat; bad != 0 {
		return false, fmt.Errorf("%w: unknown read-only features %#x", layout.ErrVersion, bad)
	}
	if want := layout.BlockOffset(sb.Blocks); size < want {
		c.stop(ImageTruncated, size, "image", fmt.Sprintf("%d bytes, as the superblock says", want), fmt.Sprintf("%d bytes", size))
		return false, nil
	}
	c.sb = sb
	if sb.Backup != sb.Blocks-1 {
		c.fault(SuperblockBackupBlock, 0, "superblock", fmt.Sprintf("the backup in the last block, %d", sb.Blocks-1), fmt.Sprintf("in block %d", sb.Backup))
	}
	if err == nil {
		c.backup()
		if layout.SuperReserved(first) {
			c.fault(SuperblockReserved, 0, "superblock", "zeros in its reserved bytes", "something else")
		}
	}
	return c.geometry(), nil
}

// lastSuperblock returns the backup at the end of the image, or nil.
func (c *checker) lastSuperblock() *layout.Superblock {
	for _, sb := range layout.Backups(uint64(len(c.image.Bytes))/layout.BlockSize, c.raw) {
		return sb
	}
	return nil
}

// backup compares the backup with the first superblock, which is valid.
func (c *checker) backup() {
	off := layout.BlockOffset(c.sb.Backup)
	b := c.raw(c.sb.Backup)
	if _, err := layout.DecodeSuperblock(b); err != nil {
		c.fault(BackupSuperblock, off, "backup superblock", "a valid superblock", err.Error())
		return
	}
	if a := c.raw(layout.SuperBlock); !bytes.Equal(a, b) {
		i := 0
		for a[i] == b[i] {
			i++
		}
		c.fault(SuperblocksDiffer, off, "backup superblock", "the same as the first one", fmt.Sprintf("another value in byte %d", i))
	}
}

// geometry checks that the fixed regions do not overlap: ring, checksums of data, then the block of the first inode
// inode group's bitmap, then the first inodes.
func (c *checker) geometry() bool {
	if c.isBitmap(c.sb.Backup) {
		c.stop(SuperblockGeometry, 0, "superblock", "a backup that is not a bitmap as well", fmt.Sprintf("block %d", c.sb.Backup))
		return false
	}
	first := layout.JournalRing + c.sb.RingBlocks
	if c.sb.Sums().On() {
		first += layout.SumBlocks
	}
	if c.sb.InodeBoot <= first || c.sb.Sums().Holds(c.sb.InodeBoot) || c.sb.InodeBoot == c.sb.Backup || c.isBitmap(c.sb.InodeBoot) {
		c.stop(SuperblockGeometry, 0, "superblock", fmt.Sprintf("the first inodes behind block %d", first), fmt.Sprintf("in block %d", c.sb.InodeBoot))
		return false
	}
	return true
}

// isBitmap reports whether a block is the bitmap of a block group.
func (c *checker) isBitmap(b uint64) bool { return b == layout.BitmapBlock(b/layout.GroupBlocks) }

// fixed names the owner of a block that belongs to no inode, or returns "".
func (c *checker) fixed(b uint64) string {
	switch {
	case b == layout.SuperBlock:
		return "the superblock"
	case b == c.sb.Backup:
		return "the backup superblock"
	case b == layout.JournalHeadA || b == layout.JournalHeadB:
		return "a journal head"
	case b >= layout.JournalRing && b < layout.JournalRing+c.sb.RingBlocks:
		return "the journal"
	case c.isBitmap(b):
		return groupName(b / layout.GroupBlocks)
	case c.sb.Sums().Holds(b):
		return sumsName(b / layout.GroupBlocks)
	}
	return ""
}

func groupName(g uint64) string { return fmt.Sprintf("bitmap of block group %d", g) }
