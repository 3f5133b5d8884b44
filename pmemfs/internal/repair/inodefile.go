package repair

import (
	"fmt"
	"sort"

	"pmemfs/pmemfs/internal/layout"
)

// inodeFile is the file that holds all inodes: its blocks, dense from 0.
type inodeFile struct {
	extents []layout.Extent
	nodes   []uint64
	blocks  uint64
	limit   uint64 // inode numbers that it holds
}

// phys returns the image block of a file block below blocks.
func (t *inodeFile) phys(b uint64) uint64 {
	i := sort.Search(len(t.extents), func(i int) bool { return t.extents[i].End() > b })
	return t.extents[i].Phys + b - t.extents[i].Logical
}

// add appends a block.
func (t *inodeFile) add(phys uint64) {
	if n := len(t.extents); n > 0 {
		last := &t.extents[n-1]
		if last.Phys+uint64(last.Len) == phys && last.Phys/layout.GroupBlocks == phys/layout.GroupBlocks && last.Len < layout.ExtentMaxLen {
			last.Len++
			t.blocks++
			return
		}
	}
	t.extents = append(t.extents, layout.Extent{Logical: t.blocks, Phys: phys, Len: 1})
	t.blocks++
}

// at returns where an inode number below file.limit is kept.
func (f *fixer) at(ino uint64) (block uint64, within int64) {
	b, within := layout.InodeFileBlock(ino)
	return f.file.phys(b), within
}

// slot returns an inode as it is to be.
func (f *fixer) slot(ino uint64) layout.Inode {
	b, at := f.at(ino)
	return layout.Inode(f.block(b)[at : at+layout.InodeSize])
}

// change returns an inode to be changed; the caller seals it.
func (f *fixer) change(ino uint64) layout.Inode {
	f.remember(ino)
	b, at := f.at(ino)
	return layout.Inode(f.edit(b)[at : at+layout.InodeSize])
}

// openInodeFile reads the map of the inode file, or finds its blocks by what they hold, and claims them.
func (f *fixer) openInodeFile() error {
	whole := f.readInodeFile()
	if !whole {
		if err := f.findInodeFile(); err != nil {
			return err
		}
	}
	f.file.limit = layout.InodeCapacity(f.file.blocks)
	for _, e := range f.file.extents {
		f.owned.add(e.Phys, uint64(e.Len))
	}
	for _, b := range f.file.nodes {
		f.owned.set(b)
	}
	f.blocks = make([]uint64, f.file.limit)
	f.blocks[layout.InodeFileIno] = f.file.blocks + uint64(len(f.file.nodes))
	if !whole {
		f.writeInodeFile()
	}
	in := f.slot(layout.InodeFileIno)
	if size := f.file.blocks << layout.BlockShift; in.Size() != size || in.Blocks() != f.blocks[layout.InodeFileIno] || in.Reserved(false) {
		in = f.change(layout.InodeFileIno)
		in.ClearReserved(false)
		in.SetSize(size)
		in.AddBlocks(int64(f.blocks[layout.InodeFileIno] - in.Blocks()))
		in.Seal()
	}
	return nil
}

// readInodeFile follows the map of the inode file. It returns false when the map cannot be right.
func (f *fixer) readInodeFile() bool {
	const at = layout.InodeFileIno * layout.InodeSize
	in := layout.Inode(f.block(f.sb.InodeBoot)[at : at+layout.InodeSize])
	root, height := in.DataRoot()
	attrs, attrHeight := in.XattrRoot()
	if !in.Sealed(layout.InodeFileIno) || in.Mode()&layout.ModeType != layout.ModeRegular || in.Nlink() != 1 || in.Flags() != 0 || in.Gen() == 0 ||
		in.BirthEpoch() > f.birth && !f.hasFeature() || in.Parent() != 0 || height > layout.MaxHeight || (height == 0) != (root == 0) ||
		in.InlineCount() > layout.InlineExtents || in.InlineCount() > 0 && height > 0 || attrs != 0 || attrHeight != 0 {
		return false
	}
	if major, minor := in.Rdev(); major != 0 || minor != 0 {
		return false
	}
	used := map[uint64]bool{}
	whole := true
	add := func(e layout.Extent) {
		if !whole || e.Logical != f.file.blocks || e.Flags != 0 || e.Birth > f.birth && !f.hasFeature() || !f.inImage(e) || f.owned.any(e.Phys, uint64(e.Len)) {
			whole = false
			return
		}
		f.file.extents = append(f.file.extents, e)
		f.file.blocks = e.End()
		f.owned.add(e.Phys, uint64(e.Len))
	}
	for i := range in.InlineCount() {
		add(in.InlineExtent(i))
	}
	w := walk{f: f, tree: tree{layout.InodeFileIno, layout.TreeExtent}, claim: func(b uint64) bool {
		fresh := !used[b] && !f.owned.has(b)
		used[b] = true
		f.file.nodes = append(f.file.nodes, b)
		return fresh
	}}
	w.leaf = func(n layout.Node) {
		for i := range n.Count() {
			if p := n.Payload(i); len(p) == layout.ExtentPayload {
				add(layout.DecodeExtent(n.Key(i), p))
				continue
			}
			whole = false
		}
	}
	whole = w.run(root, height) && whole
	for b := range used { // an extent may have claimed a node, behind its back
		whole = whole && !f.owned.has(b)
	}
	return whole && layout.InodeCapacity(f.file.blocks) > layout.RootIno && f.file.phys(1) == f.sb.InodeBoot
}

// inImage reports whether an extent's blocks exist and are of one group.
func (f *fixer) inImage(e layout.Extent) bool {
	last := e.Phys + uint64(e.Len) - 1
	return e.Len > 0 && e.Len <= layout.ExtentMaxLen && e.Phys > 0 && e.Phys < f.sb.Blocks && last < f.sb.Blocks &&
		e.Phys/layout.GroupBlocks == last/layout.GroupBlocks
}

// findInodeFile finds the blocks of the inode file by the inode numbers in them. Those of which no inode is in use are set aside: the
// inode file may have given them back, so that they are a file's now, not yet written.
func (f *fixer) findInodeFile() error {
	f.owned = newBitset(f.sb.Blocks)
	f.claimFixed()
	f.file = inodeFile{}
	found, idle := map[uint64]uint64{}, map[uint64]uint64{}
	last := uint64(1)
	for b := range f.sb.Blocks {
		if f.fixed(b) || !f.markedUsed(b) {
			continue
		}
		fileBlock, inUse, ok := inodeBlock(f.block(b))
		if !ok || fileBlock >= f.sb.Blocks {
			continue
		}
		if !inUse {
			idle[fileBlock] = b
			continue
		}
		if prev, twice := found[fileBlock]; twice && !follows(found, fileBlock, b) && follows(found, fileBlock, prev) {
			continue // the one that continues a run is the inode file's own
		}
		found[fileBlock] = b
		last = max(last, fileBlock)
	}
	found[0], found[1] = f.sb.InodeBoot-1, f.sb.InodeBoot
	if isBitmap(found[0]) || f.fixed(found[0]) {
		return fmt.Errorf("%w: the inode file is damaged, and there is no room for its first bitmap", ErrUnrepairable)
	}
	taken := newBitset(f.sb.Blocks)
	for _, b := range found {
		taken.set(b)
	}
	return f.joinInodeFile(found, idle, taken, last)
}

func follows(found map[uint64]uint64, fileBlock, b uint64) bool {
	prev, ok := found[fileBlock-1]
	return ok && prev+1 == b
}

// unused reports whether a block could be a block of the inode file of which no inode is in use: zeros, or free inodes.
func (f *fixer) unused(block, fileBlock uint64) bool {
	b := f.block(block)
	at, inUse, ok := inodeBlock(b)
	return ok && !inUse && at == fileBlock || string(b) == string(zeroBlock[:])
}

// joinInodeFile makes the map of what was found up to a file block. Between the blocks of a run lie those of which no inode
// is in use.
func (f *fixer) joinInodeFile(found, idle map[uint64]uint64, taken bitset, last uint64) error {
	prev, free := uint64(0), uint64(0)
	missing := 0
	for b := uint64(0); b <= last; b++ {
		phys, ok := found[b]
		if next := prev + 1; !ok && next < f.sb.Blocks && !f.fixed(next) && !taken.has(next) && f.markedUsed(next) && f.unused(next, b) {
			phys, ok = next, true
		}
		if !ok {
			idler, seen := idle[b]
			switch phys, ok = f.empty(&free, taken); {
			case !ok && seen && !taken.has(idler):
				phys = idler // on a full image there is nothing else
			case !ok:
				return fmt.Errorf("%w: the inode file is damaged, and there is no room to make it anew", ErrUnrepairable)
			case !seen:
				missing++
			}
		}
		taken.set(phys)
		f.file.add(phys)
		prev = phys
	}
	for i := range f.file.extents {
		f.file.extents[i].Birth = f.birth
	}
	f.note(false, inodeName(layout.InodeFileIno), "the map of the inode file is made anew, from %d blocks that hold inodes", len(found))
	if missing > 0 {
		f.lose(inodeName(layout.InodeFileIno), "%d blocks of inodes that were not found, if they held any", missing)
	}
	return nil
}

// empty returns a free block from a block on, as zeros, and moves that behind it. ok is false when there is none.
func (f *fixer) empty(from *uint64, taken bitset) (block uint64, ok bool) {
	for ; *from < f.sb.Blocks; *from++ {
		if b := *from; !f.fixed(b) && !taken.has(b) && !f.markedUsed(b) && f.readable(b) {
			*from++
			f.fresh(b)
			return b, true
		}
	}
	return 0, false
}

// inodeBlock returns which block of the inode file a block looks like, and whether an inode in it is in use.
func inodeBlock(b []byte) (fileBlock uint64, inUse, ok bool) {
	if kind, number, ok := layout.BitmapNumber(b); ok {
		for i := 0; i < layout.BitmapWords && !inUse; i++ {
			inUse = layout.BitmapWord(b, i) != 0
		}
		return layout.InodeGroupBitmap(number), inUse, kind == layout.KindInodes && layout.Sealed(b) && number < 1<<40
	}
	for i := range uint64(layout.InodesPerBlk) {
		in := layout.Inode(b[i*layout.InodeSize : (i+1)*layout.InodeSize])
		ino := in.Ino()
		if in.Unused() || !in.Sealed(ino) || ino>>50 != 0 {
			continue
		}
		at, within := layout.InodeFileBlock(ino)
		if within != int64(i)*layout.InodeSize || ok && at != fileBlock {
			return 0, false, false
		}
		fileBlock, inUse, ok = at, inUse || !in.Free(), true
	}
	return fileBlock, inUse, ok
}

// writeInodeFile makes inode 1 anew.
func (f *fixer) writeInodeFile() {
	in := f.change(layout.InodeFileIno)
	layout.InitInode(in, layout.InodeFileIno, 1)
	in.SetMode(layout.ModeRegular | 0o600)
	in.SetNlink(1)
	in.SetBirthEpoch(f.birth)
	in.SetSize(f.file.blocks << layout.BlockShift)
	in.AddBlocks(int64(f.file.blocks))
	if len(f.file.extents) <= layout.InlineExtents {
		for i, e := range f.file.extents {
			in.SetInlineExtent(i, e)
		}
		in.SetInlineCount(len(f.file.extents))
	} else {
		f.plantInodeFile = true
	}
	in.Seal()
}
