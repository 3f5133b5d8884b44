package pmemfs

import (
	"fmt"

	"pmemfs/pmemfs/internal/layout"
)

// inodeFault is a damage of one field of an inode.
func inodeFault(name string, ino func(s *surgery) uint64, f func(s *surgery, in layout.Inode)) damage {
	return damage{name, func(s *surgery) (string, int64) {
		return s.edit(ino(s), func(in layout.Inode) { f(s, in) })
	}}
}

func plain(s *surgery) uint64 { return s.plain }
func dirOf(s *surgery) uint64 { return s.dir }
func fifo(s *surgery) uint64  { return s.fifo }

var superDamage = []damage{
	{"first superblock", func(s *surgery) (string, int64) {
		s.medium[40] ^= 1
		return "superblock", 0
	}},
	{"backup superblock", func(s *surgery) (string, int64) {
		off := layout.BlockOffset(s.sb.Backup)
		s.medium[off+40] ^= 1
		return "backup superblock", off
	}},
	{"different superblocks", func(s *surgery) (string, int64) {
		other := *s.sb
		other.Label = "other"
		layout.EncodeSuperblock(s.block(s.sb.Backup), &other)
		return "backup superblock", layout.BlockOffset(s.sb.Backup)
	}},
	{"backup elsewhere", func(s *surgery) (string, int64) {
		other := *s.sb
		other.Backup--
		layout.EncodeSuperblock(s.block(0), &other)
		return "superblock", 0
	}},
	{"both superblocks", func(s *surgery) (string, int64) {
		s.medium[40] ^= 1
		s.block(s.sb.Backup)[40] ^= 1
		return "superblock", 0
	}},
	{"inode boot block", func(s *surgery) (string, int64) {
		other := *s.sb
		other.InodeBoot = 5
		layout.EncodeSuperblock(s.block(0), &other)
		return "superblock", 0
	}},
}

var bitmapDamage = []damage{
	{"bitmap checksum", func(s *surgery) (string, int64) {
		s.block(1)[100] ^= 1
		return "bitmap of block group 0", layout.BlockOffset(1)
	}},
	{"bitmap identity", func(s *surgery) (string, int64) {
		s.block(1)[8]++
		layout.Seal(s.block(1))
		return "bitmap of block group 0", layout.BlockOffset(1)
	}},
	{"leaked block", func(s *surgery) (string, int64) {
		return "bitmap of block group 0", s.bit(1, int(s.freeBlock()), true)
	}},
	{"unmarked block", func(s *surgery) (string, int64) {
		return "bitmap of block group 0", s.bit(1, int(s.inode(s.plain).InlineExtent(0).Phys), false)
	}},
	{"bit past the end", func(s *surgery) (string, int64) {
		return "bitmap of block group 0", s.bit(1, int(s.sb.Blocks)+7, true)
	}},
	{"inode group checksum", func(s *surgery) (string, int64) {
		b := s.sb.InodeBoot - 1
		s.block(b)[100] ^= 1
		return "bitmap of inode group 0", layout.BlockOffset(b)
	}},
	{"inode group identity", func(s *surgery) (string, int64) {
		b := s.sb.InodeBoot - 1
		layout.InitBitmap(s.block(b), layout.KindBlocks, 0)
		layout.Seal(s.block(b))
		return "bitmap of inode group 0", layout.BlockOffset(b)
	}},
	{"reserved inode number", func(s *surgery) (string, int64) {
		return "bitmap of inode group 0", s.bit(s.sb.InodeBoot-1, 9, false)
	}},
	{"inode number past the end", func(s *surgery) (string, int64) {
		return "bitmap of inode group 0", s.bit(s.sb.InodeBoot-1, layout.GroupBits-1, true)
	}},
	{"inode not marked used", func(s *surgery) (string, int64) {
		s.bit(s.sb.InodeBoot-1, int(s.plain), false)
		return fmt.Sprintf("inode %d", s.plain), s.at(s.plain)
	}},
	{"free inode marked used", func(s *surgery) (string, int64) {
		s.bit(s.sb.InodeBoot-1, 700, true)
		return "inode 700", s.at(700)
	}},
}

var inodeDamage = []damage{
	{"inode checksum", func(s *surgery) (string, int64) {
		s.inode(s.plain)[60] ^= 1
		return fmt.Sprintf("inode %d", s.plain), s.at(s.plain)
	}},
	{"free inode with content", func(s *surgery) (string, int64) {
		s.inode(710)[60] ^= 1
		return "inode 710", s.at(710)
	}},
	{"inode file", func(s *surgery) (string, int64) {
		s.inode(layout.InodeFileIno)[60] ^= 1
		return "inode 1", s.at(1)
	}},
	inodeFault("inode number", plain, func(_ *surgery, in layout.Inode) { in[8]++ }),
	inodeFault("generation", plain, func(_ *surgery, in layout.Inode) { put64(in[16:], 0) }),
	inodeFault("file type", plain, func(_ *surgery, in layout.Inode) { in.SetMode(0x3000) }),
	inodeFault("unknown flag", plain, func(_ *surgery, in layout.Inode) { in.SetFlags(1 << 9) }),
	inodeFault("flag of another type", plain, func(_ *surgery, in layout.Inode) { in.SetFlags(layout.FlagInlineTarget) }),
	inodeFault("link count", plain, func(_ *surgery, in layout.Inode) { in.SetNlink(2) }),
	inodeFault("link count of two names", func(s *surgery) uint64 { return s.linked }, func(_ *surgery, in layout.Inode) { in.SetNlink(1) }),
	inodeFault("link count of none, no orphan", plain, func(_ *surgery, in layout.Inode) { in.SetNlink(0) }),
	inodeFault("link count too large", plain, func(_ *surgery, in layout.Inode) { in.SetNlink(1 << 31) }),
	inodeFault("size beyond all", plain, func(_ *surgery, in layout.Inode) { in.SetSize(1 << 63) }),
	inodeFault("size of a FIFO", fifo, func(_ *surgery, in layout.Inode) { in.SetSize(1) }),
	inodeFault("parent of a file", plain, func(_ *surgery, in layout.Inode) { in.SetParent(16) }),
	inodeFault("device number of a file", plain, func(_ *surgery, in layout.Inode) { in.SetRdev(1, 2) }),
	inodeFault("birth epoch", plain, func(_ *surgery, in layout.Inode) { in.SetBirthEpoch(9) }),
	inodeFault("blocks", plain, func(_ *surgery, in layout.Inode) { in.AddBlocks(1) }),
	inodeFault("blocks of a directory", dirOf, func(_ *surgery, in layout.Inode) { in.AddBlocks(-1) }),
	inodeFault("inline count", plain, func(_ *surgery, in layout.Inode) { in.SetInlineCount(4) }),
	inodeFault("root without height", plain, func(_ *surgery, in layout.Inode) { in.SetDataRoot(99, 0) }),
	inodeFault("height too large", dirOf, func(_ *surgery, in layout.Inode) { in.SetDataRoot(99, 13) }),
	inodeFault("attribute root without height", plain, func(_ *surgery, in layout.Inode) { in.SetXattrRoot(99, 0) }),
	inodeFault("data of a FIFO", fifo, func(s *surgery, in layout.Inode) { in.SetDataRoot(s.freeBlock(), 1) }),
	inodeFault("target too long", func(s *surgery) uint64 { return s.short }, func(_ *surgery, in layout.Inode) { in.SetSize(97) }),
	inodeFault("target with NUL", func(s *surgery) uint64 { return s.short }, func(_ *surgery, in layout.Inode) { in.Inline()[2] = 0 }),
	inodeFault("target without data", func(s *surgery) uint64 { return s.long }, func(_ *surgery, in layout.Inode) { in.SetInlineCount(0) }),
	inodeFault("entries of a directory", dirOf, func(_ *surgery, in layout.Inode) { in.SetSize(in.Size() + 1) }),
	inodeFault("links of a directory", dirOf, func(_ *surgery, in layout.Inode) { in.SetNlink(in.Nlink() + 1) }),
	inodeFault("parent of a directory", func(s *surgery) uint64 { return s.sub }, func(s *surgery, in layout.Inode) { in.SetParent(s.empty) }),
	inodeFault("root's parent", func(*surgery) uint64 { return layout.RootIno }, func(s *surgery, in layout.Inode) { in.SetParent(s.dir) }),
	inodeFault("inode file's size", func(*surgery) uint64 { return layout.InodeFileIno }, func(_ *surgery, in layout.Inode) { in.SetSize(in.Size() + 4096) }),
	inodeFault("orphan index's type", func(*surgery) uint64 { return layout.OrphanIno }, func(_ *surgery, in layout.Inode) { in.SetMode(layout.ModeDir) }),
	{"bytes behind the end", func(s *surgery) (string, int64) {
		e := s.inode(s.plain).InlineExtent(0)
		off := layout.BlockOffset(e.Phys+1) + 4096 - 5
		s.medium[off] = 1
		return fmt.Sprintf("inode %d", s.plain), off
	}},
	extentFault("written blocks behind the end", func(s *surgery, in layout.Inode) { in.SetSize(4096) }),
	extentFault("extent flags", func(s *surgery, in layout.Inode) { s.extent(in, func(e *layout.Extent) { e.Flags = 2 }) }),
	extentFault("extent birth", func(s *surgery, in layout.Inode) { s.extent(in, func(e *layout.Extent) { e.Birth = 2 }) }),
	extentFault("extent of no blocks", func(s *surgery, in layout.Inode) { s.extent(in, func(e *layout.Extent) { e.Len = 0 }) }),
	extentFault("extent outside", func(s *surgery, in layout.Inode) { s.extent(in, func(e *layout.Extent) { e.Phys = s.sb.Blocks - 1 }) }),
	extentFault("extents in disorder", func(s *surgery, in layout.Inode) {
		e := in.InlineExtent(0)
		e.Len, e.Phys = 1, e.Phys+1
		in.SetInlineExtent(1, e)
		s.extent(in, func(e *layout.Extent) { e.Len = 1 })
		in.SetInlineCount(2)
	}),
	{"block with two owners", func(s *surgery) (string, int64) {
		phys := s.inode(s.linked).InlineExtent(0).Phys
		s.edit(s.plain, func(in layout.Inode) { s.extent(in, func(e *layout.Extent) { e.Phys = phys - 1 }) })
		return fmt.Sprintf("block %d", phys), layout.BlockOffset(phys)
	}},
	{"block of the journal", func(s *surgery) (string, int64) {
		s.edit(s.plain, func(in layout.Inode) { s.extent(in, func(e *layout.Extent) { e.Phys = 10 }) })
		return "blocks 10 to 11", layout.BlockOffset(10)
	}},
}

// extent changes the first inline extent.
func (s *surgery) extent(in layout.Inode, f func(e *layout.Extent)) {
	e := in.InlineExtent(0)
	f(&e)
	in.SetInlineExtent(0, e)
}

// extentFault is a damage of the plain file's map.
func extentFault(name string, f func(s *surgery, in layout.Inode)) damage {
	return damage{name, func(s *surgery) (string, int64) {
		_, off := s.edit(s.plain, func(in layout.Inode) { f(s, in) })
		return fmt.Sprintf("extent at file block 0 of inode %d", s.plain), off
	}}
}
