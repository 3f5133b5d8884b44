package repair

import (
	"bytes"

	"pmemfs/pmemfs/internal/layout"
)

// readOrphans reads the orphan index, as far as it makes sense.
func (f *fixer) readOrphans() {
	f.records(f.slot(layout.OrphanIno), tree{layout.OrphanIno, layout.TreeOrphan}, func(r record) {
		if r.key > layout.RootIno && r.key < f.file.limit && f.good.has(r.key) {
			f.orphan.set(r.key)
		}
	})
}

// orphanIndex makes the orphan index anew if it is not what it has to be: all that has no name, and regular files that
// are being cut.
func (f *fixer) orphanIndex() {
	var want []record
	for ino := uint64(layout.RootIno) + 1; ino < f.file.limit; ino++ {
		if !f.good.has(ino) {
			continue
		}
		isRegular := f.slot(ino).Mode()&layout.ModeType == layout.ModeRegular
		if f.links[ino] == 0 || f.orphan.has(ino) && isRegular {
			want = append(want, record{key: ino})
		}
	}
	t, i := tree{layout.OrphanIno, layout.TreeOrphan}, 0
	same := !f.noData.has(layout.OrphanIno)
	f.records(f.slot(layout.OrphanIno), t, func(r record) {
		same = same && i < len(want) && want[i].key == r.key && len(r.payload) == 0
		i++
	})
	if same && i == len(want) {
		return
	}
	if !f.plant(t, want) {
		f.lose("orphan index", "nothing yet: there is no room to make it anew; make some and repair again")
	}
}

// finishInodes stores what is derived: link counts, sizes and parents of directories, blocks.
func (f *fixer) finishInodes() {
	if f.plantInodeFile {
		f.plantInodeFileTree()
	}
	for ino := uint64(layout.InodeFileIno); ino < f.file.limit; ino++ {
		if !f.good.has(ino) {
			continue
		}
		var want [layout.InodeSize]byte
		copy(want[:], f.slot(ino))
		in := layout.Inode(want[:])
		in.AddBlocks(int64(f.blocks[ino] - in.Blocks()))
		if ino >= layout.RootIno {
			f.derive(in, ino)
		}
		if !bytes.Equal(in, f.slot(ino)) {
			in.Seal()
			copy(f.change(ino), in)
		}
	}
}

// derive sets the fields of an inode that follow from names.
func (f *fixer) derive(in layout.Inode, ino uint64) {
	if !in.IsDir() {
		in.SetNlink(f.links[ino])
		return
	}
	in.SetSize(f.names[ino])
	in.SetNlink(uint32(2 + f.subdirs[ino]))
	switch h, ok := f.homes[ino]; {
	case ino == layout.RootIno:
		in.SetParent(ino)
	case ok:
		in.SetParent(h.dir)
	default:
		in.SetNlink(0)
	}
}

// plantInodeFileTree stores the map of the inode file, which has too many extents for the inode.
func (f *fixer) plantInodeFileTree() {
	records := make([]record, len(f.file.extents))
	for i, e := range f.file.extents {
		records[i] = record{key: e.Logical, payload: make([]byte, layout.ExtentPayload)}
		layout.EncodeExtent(records[i].payload, e)
	}
	if !f.plant(tree{layout.InodeFileIno, layout.TreeExtent}, records) {
		f.lose(inodeName(layout.InodeFileIno), "nothing yet: there is no room for its map; the image is as it was")
	}
}

// bitmaps makes the bitmaps of blocks and inodes from what is in use, and counts.
func (f *fixer) bitmaps() {
	h := &f.plan.Head
	for ch := uint64(0); ch*layout.GroupBits < f.file.limit; ch++ {
		want := make([]byte, layout.BlockSize)
		layout.InitBitmap(want, layout.KindInodes, ch)
		for i := range uint64(layout.GroupBits) {
			if ino := ch*layout.GroupBits + i; ino < f.file.limit && (f.good.has(ino) || ino <= layout.RootIno) {
				layout.BitmapSet(want, int(i), 1)
				h.UsedInodes++
			}
		}
		f.putBitmap(f.file.phys(layout.InodeGroupBitmap(ch)), want)
	}
	for g := range layout.GroupCount(f.sb.Blocks) {
		want := make([]byte, layout.BlockSize)
		layout.InitBitmap(want, layout.KindBlocks, g)
		base := g * layout.GroupBlocks
		for b := base; b < min(base+layout.GroupBlocks, f.sb.Blocks); b++ {
			if f.owned.has(b) {
				layout.BitmapSet(want, int(b-base), 1)
			} else {
				h.FreeBlocks++
			}
		}
		f.putBitmap(layout.BitmapBlock(g), want)
	}
}

func (f *fixer) putBitmap(b uint64, want []byte) {
	layout.Seal(want)
	if !bytes.Equal(want, f.block(b)) {
		f.changed[b] = want
	}
}
