package check

import (
	"fmt"
	"sort"

	"pmemfs/pmemfs/internal/layout"
)

// inodeFile is the file that holds all inodes, as far as it makes sense.
type inodeFile struct {
	extents []layout.Extent // dense from file block 0, each owned by nobody else
	blocks  uint64
	limit   uint64 // inode numbers that it holds
}

// phys returns the image block of a file block below f.blocks.
func (f *inodeFile) phys(b uint64) uint64 {
	i := sort.Search(len(f.extents), func(i int) bool { return f.extents[i].End() > b })
	return f.extents[i].Phys + b - f.extents[i].Logical
}

// inodeGroupName names the bitmap of an inode group.
func inodeGroupName(g uint64) string { return fmt.Sprintf("bitmap of inode group %d", g) }

func inodeName(ino uint64) string { return fmt.Sprintf("inode %d", ino) }

// slot returns an inode number below c.file.limit as it is on the medium, and its byte offset.
func (c *checker) slot(ino uint64) (layout.Inode, int64) {
	fileBlock, at := layout.InodeFileBlock(ino)
	b := c.file.phys(fileBlock)
	return layout.Inode(c.block(b)[at : at+layout.InodeSize]), layout.BlockOffset(b) + at
}

// openInodeFile reads the map of the inode file. It returns false, having said why, when no inode can be found.
func (c *checker) openInodeFile() bool {
	const ino = layout.InodeFileIno
	off := layout.BlockOffset(c.sb.InodeBoot) + ino*layout.InodeSize
	in := layout.Inode(c.block(c.sb.InodeBoot)[ino*layout.InodeSize : (ino+1)*layout.InodeSize])
	if !in.Sealed(ino) {
		c.stop(InodeFile, off, inodeName(ino), "the inode file: a valid checksum, magic and number", "something else")
		return false
	}
	if !c.vetInode(in, ino, off, inodeName(ino)) {
		c.stop(InodeFile, off, inodeName(ino), "a usable inode file", "an inode that breaks the rules")
		return false
	}
	c.file = inodeFile{}
	dense := true
	m := extents{c: c, in: in, ino: ino, off: off, each: func(e layout.Extent, at int64, fresh bool) {
		next := c.file.blocks
		if e.Logical != next || e.Flags != 0 {
			c.fault(InodeFileMap, at, inodeName(ino), fmt.Sprintf("written blocks from file block %d on", next), fmt.Sprintf("file block %d with flags %#x", e.Logical, e.Flags))
			dense = false
		}
		if dense = dense && fresh; dense {
			c.file.extents = append(c.file.extents, e)
			c.file.blocks = e.End()
		}
	}}
	owned := m.walk()
	if size := c.file.blocks << layout.BlockShift; in.Size() != size {
		c.fault(InodeFileSize, off, inodeName(ino), fmt.Sprintf("%d bytes, as its blocks have", size), fmt.Sprint(in.Size()))
		dense = false
	}
	if !dense || m.broken {
		c.lost, c.lostNames = true, true
	} else {
		c.vetOwned(in, ino, off, owned)
	}
	return c.bounded(off)
}

// bounded sets the number of inodes, which must reach beyond the root directory.
func (c *checker) bounded(off int64) bool {
	c.file.limit = layout.InodeCapacity(c.file.blocks)
	if c.file.limit <= layout.RootIno {
		c.stop(InodeFile, off, inodeName(layout.InodeFileIno), "room for the root directory", fmt.Sprintf("%d blocks", c.file.blocks))
		return false
	}
	if b := c.file.phys(1); b != c.sb.InodeBoot {
		c.stop(InodeFile, off, inodeName(layout.InodeFileIno), fmt.Sprintf("its second block at %d, as the superblock says", c.sb.InodeBoot), fmt.Sprint(b))
		return false
	}
	return true
}

// slots checks every inode slot against its bitmap and notes which ones are good.
func (c *checker) slots() {
	n := c.file.limit
	c.good, c.orphan, c.links = newBitset(n), newBitset(n), make([]uint32, n)
	c.badInodeGroups, c.usedInodes = map[uint64]bool{}, 0
	for g := uint64(0); g*layout.GroupBits < n; g++ {
		block := c.file.phys(layout.InodeGroupBitmap(g))
		b := c.bitmap(block, layout.KindInodes, g, inodeGroupName(g))
		if b == nil {
			c.badInodeGroups[g] = true
		} else {
			c.usedInodes += uint64(layout.BitmapUsed(b))
			c.pastEnd(b, block, g, n, inodeGroupName(g))
		}
		c.inodeGroup(g, b, layout.BlockOffset(block))
	}
	c.report.Inodes = c.usedInodes
}

// inodeGroup checks the slots of an inode group. b is nil when its bitmap is damaged: then each slot speaks for itself.
func (c *checker) inodeGroup(g uint64, b []byte, off int64) {
	first, last := g*layout.GroupBits, min((g+1)*layout.GroupBits, c.file.limit)
	for ino := first; ino < last; ino++ {
		if ino%layout.InodesPerBlk == 0 {
			c.step(1)
		}
		in, at := c.slot(ino)
		used := in.Sealed(ino) && !in.Free()
		if b != nil {
			used = layout.BitmapTest(b, int(ino-first))
		}
		switch {
		case ino < layout.BootInodeCount:
			if !used && b != nil {
				c.fault(InodeMapReserved, off+layout.BitmapByte(int(ino)), inodeGroupName(g), fmt.Sprintf("bit %d set: reserved", ino), "clear")
			}
			c.bootSlot(in, ino, at)
		case used:
			c.usedSlot(in, ino, at)
		default:
			c.freeSlot(in, ino, at)
		}
	}
}

// bootSlot checks one of the filesystem's own inodes.
func (c *checker) bootSlot(in layout.Inode, ino uint64, off int64) {
	made := (ino == layout.BadBlocksIno || ino == layout.ValuesIno || ino == layout.QuotaIno && c.sb.Quotas() ||
		ino == layout.SnapshotIno && c.snap.on) && !in.Unused()
	if ino == layout.InodeFileIno || ino == layout.OrphanIno || made {
		c.usedSlot(in, ino, off)
		return
	}
	if ino == layout.SnapshotIno && !in.Unused() {
		return // reported with the feature
	}
	c.freeSlot(in, ino, off)
}

// usedSlot checks an inode that is marked used.
func (c *checker) usedSlot(in layout.Inode, ino uint64, off int64) {
	switch {
	case in.Unused():
		c.fault(InodeMapUnused, off, inodeName(ino), "an inode: it is marked used", "a slot that was never used")
	case !in.Sealed(ino):
		c.fault(InodeChecksum, off, inodeName(ino), "a valid checksum, magic and number", "something else")
	case in.Free():
		c.fault(InodeMapUnused, off, inodeName(ino), "an inode: it is marked used", "a free one")
	default:
		if c.vetInode(in, ino, off, inodeName(ino)) {
			c.good.set(ino)
			return
		}
	}
	c.lost = true // what it owns is not known
	if !in.Sealed(ino) || in.IsDir() {
		c.lostNames = true
	}
}

var zeroSlot [layout.InodeSize]byte

// freeSlot checks an inode that is marked free.
func (c *checker) freeSlot(in layout.Inode, ino uint64, off int64) {
	switch {
	case string(in) == string(zeroSlot[:]):
	case !in.Sealed(ino):
		c.fault(FreeInodeContent, off, inodeName(ino), "zeros, or a free inode with a valid checksum, magic and number", "something else")
	case !in.Free():
		c.fault(InodeMapUnmarked, off, inodeName(ino), "a free inode: it is marked free", fmt.Sprintf("mode %#o", in.Mode()))
		c.lost = true
		if in.IsDir() {
			c.lostNames = true
		}
	}
}

// inUse reports whether a name may mean an inode number: it is marked used, or its bitmap is damaged.
func (c *checker) inUse(ino uint64) bool {
	if ino < layout.RootIno || ino >= c.file.limit {
		return false
	}
	g := ino / layout.GroupBits
	if c.badInodeGroups[g] {
		in, _ := c.slot(ino)
		return !in.Unused() && !in.Free()
	}
	return layout.BitmapTest(c.block(c.file.phys(layout.InodeGroupBitmap(g))), int(ino%layout.GroupBits))
}
