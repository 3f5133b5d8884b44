package repair

import (
	"bytes"

	"pmemfs/pmemfs/internal/layout"
)

// slots looks at every inode slot. What is intact and makes sense is an inode, whatever the bitmap says; what is not is
// cleared.
func (f *fixer) slots() {
	n := f.file.limit
	f.good, f.lost, f.orphan, f.atHome = newBitset(n), newBitset(n), newBitset(n), newBitset(n)
	f.noData, f.noAttrs, f.links = newBitset(n), newBitset(n), make([]uint32, n)
	f.noSize, f.leaves = map[uint64]bool{}, map[tree][]uint64{}
	f.findEpoch()
	if f.snap != nil {
		f.snap.spoiled = newBitset(n)
	}
	for ino := uint64(0); ino < n; ino++ {
		f.look(ino)
	}
	f.lost.clear(layout.SnapshotIno) // snapshots makes it anew
	if f.snap != nil {
		f.snap.rewrite = f.snap.rewrite || !f.good.has(layout.SnapshotIno)
		f.snap.spoiled = union(f.snap.spoiled, union(f.noData, f.noAttrs))
	}
	for _, ino := range []uint64{layout.OrphanIno, layout.BadBlocksIno, layout.ValuesIno, layout.QuotaIno} {
		if f.good.has(ino) || ino != layout.OrphanIno && !f.lost.has(ino) {
			continue
		}
		f.system(ino)
		f.lost.clear(ino)
		if ino == layout.ValuesIno {
			f.noAttrs.set(ino)
		} else {
			f.noData.set(ino)
		}
	}
}

// findEpoch makes sure that generations of the new epoch are new.
func (f *fixer) findEpoch() {
	h := &f.plan.Head
	for ino := uint64(0); ino < f.file.limit; ino++ {
		if in := f.slot(ino); in.Sealed(ino) {
			h.Epoch = max(h.Epoch, in.Gen()>>32+1)
		}
	}
}

// newGen returns a generation that no inode has had.
func (f *fixer) newGen() uint64 {
	f.gens++
	return max(f.plan.Head.Epoch<<32+f.gens, 1)
}

// system makes one of the filesystem's own inodes anew, with nothing in it.
func (f *fixer) system(ino uint64) {
	in := f.change(ino)
	layout.InitInode(in, ino, f.newGen())
	in.SetMode(layout.ModeRegular | 0o600)
	in.SetNlink(1)
	in.SetBirthEpoch(f.birth)
	in.Seal()
	f.good.set(ino)
}

// wasUsed reports whether the bitmap of inodes says that a number is in use, or cannot say.
func (f *fixer) wasUsed(ino uint64) bool {
	ch := ino / layout.GroupBits
	m := f.block(f.file.phys(layout.InodeGroupBitmap(ch)))
	if !layout.BitmapIs(m, layout.KindInodes, ch) || !layout.Sealed(m) && !f.stale {
		return true
	}
	return layout.BitmapTest(m, int(ino%layout.GroupBits))
}

var zeroSlot [layout.InodeSize]byte

// mayExist reports whether one of the filesystem's own numbers may have an inode.
func (f *fixer) mayExist(ino uint64) bool {
	return ino == layout.OrphanIno || ino == layout.BadBlocksIno || ino == layout.ValuesIno || ino == layout.QuotaIno && f.sb.Quotas() ||
		ino == layout.SnapshotIno && f.snap != nil
}

// look judges one slot.
func (f *fixer) look(ino uint64) {
	in := f.slot(ino)
	block, _ := f.at(ino)
	empty := bytes.Equal(in, zeroSlot[:])
	switch {
	case ino == layout.InodeFileIno:
		f.good.set(ino)
	case in.Sealed(ino) && in.Free(), empty && !f.bad[block]:
	case ino < layout.BootInodeCount && !f.mayExist(ino):
		if ino == layout.SnapshotIno {
			f.lose("snapshots", "all of them: the superblock says that there are none")
		}
		clear(f.change(ino))
	case in.Sealed(ino) && f.fixInode(ino):
		f.good.set(ino)
	default:
		if f.wasUsed(ino) {
			f.lost.set(ino)
		}
		clear(f.change(ino))
	}
}

// fixInode puts right the fields that can be told from an inode alone. It returns false when it cannot be used.
func (f *fixer) fixInode(ino uint64) bool {
	var fixed [layout.InodeSize]byte
	copy(fixed[:], f.slot(ino))
	in := layout.Inode(fixed[:])
	typ := in.Mode() & layout.ModeType
	if ino < layout.BootInodeCount && (typ != layout.ModeRegular || in.Nlink() != 1) {
		return false
	}
	flags, ok := typeFlags(typ)
	if !ok {
		return false
	}
	switch {
	case ino < layout.BootInodeCount:
		flags &^= layout.FlagACL
	case f.sb.Quotas():
		flags |= layout.FlagCounted
	}
	in.SetFlags(in.Flags() & flags)
	in.ClearReserved(f.sb.Quotas())
	if in.Gen() == 0 {
		gen := f.newGen()
		in.SetGen(gen)
	}
	in.SetBirthEpoch(min(in.BirthEpoch(), f.birth))
	if typ != layout.ModeDir && !f.hasFeature() {
		in.SetParent(0)
	}
	if typ != layout.ModeChar && typ != layout.ModeBlock {
		in.SetRdev(0, 0)
	}
	if !f.fixSize(in, ino, typ) {
		return false
	}
	f.fixRoots(in, ino, typ)
	if !bytes.Equal(in, f.slot(ino)) {
		in.Seal()
		copy(f.change(ino), in)
		f.spoil(ino)
	}
	return true
}

// typeFlags returns the flags that a type may have. ok is false when there is no such type.
func typeFlags(typ uint16) (flags uint32, ok bool) {
	switch typ {
	case layout.ModeSymlink:
		return layout.FlagInlineTarget, true
	case layout.ModeRegular:
		return layout.FlagVerifier | layout.FlagACL, true
	case layout.ModeDir:
		return layout.FlagACL | layout.FlagDefaultACL, true
	case layout.ModeFIFO, layout.ModeChar, layout.ModeBlock, layout.ModeSocket:
		return layout.FlagACL, true
	}
	return 0, false
}

// fixSize bounds the size. It returns false for a link without a target.
func (f *fixer) fixSize(in layout.Inode, ino uint64, typ uint16) bool {
	inline := in.Flags()&layout.FlagInlineTarget != 0
	switch {
	case typ == layout.ModeRegular && in.Size() > 1<<63-1:
		f.noSize[ino] = true
	case typ == layout.ModeSymlink && inline:
		n := bytes.IndexByte(in.Inline(), 0)
		if n < 0 {
			n = layout.InlineSize
		}
		if in.Size() == 0 || in.Size() > layout.InlineSize || uint64(n) < in.Size() {
			in.SetSize(uint64(n))
			f.lose(inodeName(ino), "the end of its target: it is damaged, or its length is")
		}
		return n > 0
	case typ == layout.ModeSymlink && (in.Size() == 0 || in.Size() >= layout.BlockSize):
		f.noSize[ino] = true
	case typ != layout.ModeRegular && typ != layout.ModeSymlink && typ != layout.ModeDir:
		in.SetSize(0)
	}
	return true
}

// fixRoots takes away roots that make no sense; the trees are looked for then.
func (f *fixer) fixRoots(in layout.Inode, ino uint64, typ uint16) {
	mapped := typ == layout.ModeRegular || typ == layout.ModeSymlink && in.Flags()&layout.FlagInlineTarget == 0
	root, height := in.DataRoot()
	switch {
	case !mapped && typ != layout.ModeDir && (root != 0 || height != 0):
		in.SetDataRoot(0, 0)
	case height == 0 && root != 0 && in.InlineCount() > 0:
		in.SetDataRoot(0, 0)
	case height > layout.MaxHeight, (height == 0) != (root == 0):
		in.SetDataRoot(0, 0)
		f.noData.set(ino)
	}
	_, height = in.DataRoot()
	switch {
	case height > 0 || !mapped:
		in.SetInlineCount(0)
	case in.InlineCount() > layout.InlineExtents:
		in.SetInlineCount(layout.InlineExtents)
	}
	if ino == layout.OrphanIno || ino == layout.ValuesIno || ino == layout.QuotaIno || ino == layout.SnapshotIno {
		in.SetInlineCount(0)
		in.SetSize(0)
	}
	if ino == layout.QuotaIno {
		in.SetXattrRoot(0, 0)
	}
	if ino == layout.ValuesIno {
		in.SetDataRoot(0, 0)
		f.noData.clear(ino)
	}
	if root, height := in.XattrRoot(); height > layout.MaxHeight || (height == 0) != (root == 0) {
		in.SetXattrRoot(0, 0)
		f.noAttrs.set(ino)
	}
	if ino == layout.SnapshotIno {
		in.SetXattrRoot(0, 0)
		f.noAttrs.clear(ino)
		f.noData.clear(ino) // readTable has seen
	}
}
