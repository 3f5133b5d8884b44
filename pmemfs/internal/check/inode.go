package check

import (
	"fmt"
	"math"

	"pmemfs/pmemfs/internal/layout"
)

// maxFileBlocks is how many blocks the largest file has.
const maxFileBlocks = uint64(1) << (63 - layout.BlockShift)

// vetInode checks the fields of an inode that can be told from the inode alone. It returns false when some of them
// make no sense, and what the inode owns is not to be looked at.
func (c *checker) vetInode(in layout.Inode, ino uint64, off int64, name string) bool {
	ok := true
	bad := func(class Class, expected, format string, args ...any) {
		ok = false
		c.fault(class, off, name, expected, fmt.Sprintf(format, args...))
	}
	typ, inline := in.Mode()&layout.ModeType, in.Flags()&layout.FlagInlineTarget != 0
	switch typ {
	case layout.ModeFIFO, layout.ModeChar, layout.ModeDir, layout.ModeBlock, layout.ModeRegular, layout.ModeSymlink, layout.ModeSocket:
	default:
		bad(InodeType, "a known file type", "mode %#o", in.Mode())
	}
	want := typeFlags(typ, ino)
	if c.sb.Quotas() && ino >= layout.RootIno {
		want |= layout.FlagCounted
	}
	if in.Flags()&^want != 0 {
		bad(InodeFlags, fmt.Sprintf("no flags but %#x", want), "flags %#x", in.Flags())
	}
	if in.Nlink() > layout.LinkMax {
		bad(InodeLinkLimit, fmt.Sprintf("a link count up to %d", layout.LinkMax), "%d", in.Nlink())
	}
	if in.Gen() == 0 {
		bad(InodeGeneration, "a generation", "0")
	}
	if in.BirthEpoch() > c.birthMax && (ino >= layout.RootIno || !c.snap.on) {
		bad(InodeBirth, fmt.Sprintf("a birth epoch up to %d", c.birthMax), "%d", in.BirthEpoch())
	}
	if lo, hi := sizeBounds(typ, inline); in.Size() < lo || in.Size() > hi {
		bad(InodeSize, fmt.Sprintf("a size from %d to %d", lo, hi), "%d", in.Size())
	}
	if ino < layout.BootInodeCount && (typ != layout.ModeRegular || in.Nlink() != 1) {
		bad(InodeSystem, "a regular file with one link", "mode %#o with %d links", in.Mode(), in.Nlink())
	}
	if parent := in.Parent(); typ != layout.ModeDir && parent != 0 && !c.snap.on {
		bad(InodeParent, "no parent: it is no directory", "parent %d", parent)
	}
	if major, minor := in.Rdev(); typ != layout.ModeChar && typ != layout.ModeBlock && (major != 0 || minor != 0) {
		bad(InodeDevice, "no device number: it is no device", "%d, %d", major, minor)
	}
	if in.Reserved(c.sb.Quotas()) {
		bad(InodeReserved, "zeros in its reserved bytes", "something else")
	}
	return c.vetRoots(in, typ, inline, bad) && ok
}

// vetRoots checks the fields that say where an inode's blocks are.
func (c *checker) vetRoots(in layout.Inode, typ uint16, inline bool, bad func(class Class, expected, format string, args ...any)) bool {
	ok := true
	wrong := func(class Class, expected, format string, args ...any) {
		ok = false
		bad(class, expected, format, args...)
	}
	data, height := in.DataRoot()
	mapped := typ == layout.ModeRegular || typ == layout.ModeSymlink && !inline
	count := in.InlineCount()
	switch {
	case !mapped && typ != layout.ModeDir && (data != 0 || height != 0):
		wrong(InodeDataRoot, "no data: its type has none", "a tree of height %d at block %d", height, data)
	case height > layout.MaxHeight:
		wrong(InodeDataRoot, fmt.Sprintf("a data tree height up to %d", layout.MaxHeight), "%d", height)
	case (height == 0) != (data == 0):
		wrong(InodeDataRoot, "a data tree root if there is a height", "block %d with height %d", data, height)
	case count > layout.InlineExtents || count > 0 && (height > 0 || !mapped):
		wrong(InodeInlineCount, "as many inline extents as its type and tree allow", "%d", count)
	}
	root, height := in.XattrRoot()
	switch {
	case height > layout.MaxHeight:
		wrong(InodeAttrRoot, fmt.Sprintf("an attribute tree height up to %d", layout.MaxHeight), "%d", height)
	case (height == 0) != (root == 0):
		wrong(InodeAttrRoot, "an attribute tree root if there is a height", "block %d with height %d", root, height)
	}
	return ok
}

// typeFlags returns the flags that an inode of a type may have.
func typeFlags(typ uint16, ino uint64) uint32 {
	switch {
	case typ == layout.ModeSymlink:
		return layout.FlagInlineTarget
	case typ == layout.ModeDir:
		return layout.FlagACL | layout.FlagDefaultACL
	case typ != layout.ModeRegular:
		return layout.FlagACL
	case ino < layout.BootInodeCount:
		return layout.FlagVerifier
	}
	return layout.FlagVerifier | layout.FlagACL
}

// sizeBounds returns the smallest and the largest size of a type.
func sizeBounds(typ uint16, inline bool) (lo, hi uint64) {
	switch {
	case typ == layout.ModeSymlink && inline:
		return 1, layout.InlineSize
	case typ == layout.ModeSymlink:
		return 1, layout.BlockSize - 1
	case typ == layout.ModeRegular:
		return 0, math.MaxInt64
	case typ == layout.ModeDir:
		return 0, math.MaxInt64 // the number of its entries, which are counted
	}
	return 0, 0
}

// inodes checks what each good inode owns and contains.
func (c *checker) inodes() {
	for ino := uint64(layout.RootIno); ino < c.file.limit; ino++ {
		if ino%layout.InodesPerBlk == 0 {
			c.step(1)
		}
		if c.good.has(ino) {
			c.inode(ino)
		}
	}
	if !c.good.has(layout.RootIno) {
		c.lostNames = true
	}
	if in, off := c.slot(layout.RootIno); !in.IsDir() {
		c.fault(RootMissing, off, inodeName(layout.RootIno), "the root directory", fmt.Sprintf("mode %#o", in.Mode()))
	}
}

func (c *checker) inode(ino uint64) {
	in, off := c.slot(ino)
	c.count(in, ino, off)
	var owned uint64
	whole := true
	r := c.report
	switch in.Mode() & layout.ModeType {
	case layout.ModeDir:
		r.Dirs++
		owned, whole = c.directory(in, ino, off)
	case layout.ModeRegular:
		r.Files++
		owned, whole = c.data(in, ino, off)
	case layout.ModeSymlink:
		r.Symlinks++
		owned, whole = c.symlink(in, ino, off)
	default:
		r.Others++
	}
	attrs, ok := c.xattrs(in, ino, off)
	if whole && ok {
		c.vetOwned(in, ino, off, owned+attrs)
	}
}

// vetOwned compares what an inode owns with its count.
func (c *checker) vetOwned(in layout.Inode, ino uint64, off int64, owned uint64) {
	if in.Blocks() != owned {
		c.fault(InodeBlocks, off, inodeName(ino), fmt.Sprintf("%d blocks, which it owns", owned), fmt.Sprint(in.Blocks()))
	}
}
