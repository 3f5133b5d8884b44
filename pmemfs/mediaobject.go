package pmemfs

import (
	"fmt"

	"pmemfs/pmemfs/internal/alloc"
	"pmemfs/pmemfs/internal/extent"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/tree"
	"pmemfs/pmemfs/internal/xattr"
)

// findExtents bounds the extents that are looked at to name a block.
const findExtents = 1 << 16

// object is what a block is part of.
type object struct {
	name  string
	ino   uint64      // inode that the access was about, which the name depends on
	data  bool        // file data or an attribute's value
	free  bool        // nobody's
	bits  *alloc.Bits // whose bitmap it is
	group uint64      // of those bits
}

// objectAt says what a block is part of that an access about inode ino has hit. It reads metadata, of which more may be bad:
// then the name says less. locked says that the caller holds the stripe of ino, else he holds no lock.
func (fs *FS) objectAt(block, ino uint64, locked bool) object {
	if o, ok := fs.fixedObject(block); ok {
		return o
	}
	if o, ok := fs.media.known(block, ino); ok {
		return o
	}
	o := object{name: fmt.Sprintf("block %d", block)}
	if ino >= layout.RootIno {
		if err := fs.ownedBy(&o, block, ino, locked); err != nil {
			o.name = fmt.Sprintf("block %d, in use by inode %d or one near it", block, ino)
		}
	}
	if !o.data && o.ino == 0 && !locked {
		if err := fs.ownedByFS(&o, block); err != nil {
			o.name = fmt.Sprintf("block %d, in use", block)
		}
	}
	if o.ino == 0 {
		if err := fs.unowned(&o, block); err != nil {
			o.name = fmt.Sprintf("block %d", block)
		}
	}
	o.ino = ino
	if !o.free {
		fs.media.remember(block, o)
	}
	return o
}

// fixedObject names a block that is known without reading anything.
func (fs *FS) fixedObject(block uint64) (o object, ok bool) {
	group := block / layout.GroupBlocks
	switch {
	case block == layout.SuperBlock:
		o.name = "superblock"
	case block == fs.sb.Backup:
		o.name = "backup superblock"
	case block == layout.JournalHeadA || block == layout.JournalHeadB:
		o.name = fmt.Sprintf("journal head, block %d", block)
	case block >= layout.JournalRing && block < layout.JournalRing+fs.sb.RingBlocks:
		o.name = fmt.Sprintf("journal ring, block %d", block)
	case block == layout.BitmapBlock(group):
		o = object{name: fmt.Sprintf("bitmap of block group %d", group), bits: fs.a.Blocks, group: group}
	case fs.sb.Sums().Holds(block):
		o = object{name: fmt.Sprintf("checksums of block group %d, block %d", group, block), data: true}
	default:
		n, bitmap, ok := fs.inodes.Holds(block)
		if !ok {
			return o, false
		}
		o.name = fmt.Sprintf("inodes %d to %d", n, n+layout.InodesPerBlk-1)
		if bitmap {
			o = object{name: fmt.Sprintf("bitmap of inode chapter %d", n), bits: fs.a.Inodes, group: n}
		}
	}
	return o, true
}

// ownedBy looks for a block among those of an inode and sets o.ino when it is there.
func (fs *FS) ownedBy(o *object, block, ino uint64, locked bool) (err error) {
	defer fs.region.Unguard(fs.region.Guard(), &err)
	if !locked {
		s := fs.stripes.of(ino)
		s.RLock()
		defer s.RUnlock()
	}
	in, err := fs.inodes.View(nil, ino)
	if err != nil {
		return err
	}
	set := xattr.Open(fs.j, nil, in, fs.xk0, fs.xk1)
	if node, err := set.HasNode(block); err != nil || node {
		o.set(ino, "attribute node at block %d (inode %d)", block, ino)
		return err
	}
	if in.IsDir() {
		root, height := in.DataRoot()
		t := tree.Tree{J: fs.j, Kind: layout.TreeDir, Owner: ino, Root: tree.Root{Block: root, Height: height}}
		if node, err := t.Has(block); err != nil || node {
			o.set(ino, "directory node at block %d (inode %d)", block, ino)
			return err
		}
	} else if err := fs.mappedBy(o, block, in); err != nil || o.ino != 0 {
		return err
	}
	name, err := set.Holds(block)
	if name != nil {
		o.set(ino, "value of attribute %q of inode %d", name, ino)
		o.data = true
	}
	return err
}

// mappedBy is ownedBy for the data of a file or a long symbolic link.
func (fs *FS) mappedBy(o *object, block uint64, in layout.Inode) error {
	if typ := in.Mode() & layout.ModeType; typ != layout.ModeRegular && (typ != layout.ModeSymlink || in.Flags()&layout.FlagInlineTarget != 0) {
		return nil
	}
	m := extent.Open(fs.j, nil, in)
	if node, err := m.HasNode(block); err != nil || node {
		o.set(in.Ino(), "extent node at block %d (inode %d)", block, in.Ino())
		return err
	}
	b, ok, err := m.Find(block, findExtents)
	if ok {
		o.set(in.Ino(), "data block %d of inode %d", b, in.Ino())
		o.data = true
	}
	return err
}

func (o *object) set(ino uint64, format string, args ...any) {
	o.name, o.ino = fmt.Sprintf(format, args...), ino
}

// ownedByFS is ownedBy for the filesystem's own inodes.
func (fs *FS) ownedByFS(o *object, block uint64) (err error) {
	defer fs.region.Unguard(fs.region.Guard(), &err)
	fs.orphanMu.Lock()
	defer fs.orphanMu.Unlock()
	for _, own := range []struct {
		ino  uint64
		kind uint8
		what string
	}{
		{layout.OrphanIno, layout.TreeOrphan, "orphan index node at block %d"},
		{layout.InodeFileIno, layout.TreeExtent, "extent node at block %d of the inode file"},
		{layout.BadBlocksIno, layout.TreeExtent, "node at block %d of the list of bad blocks"},
	} {
		in, err := fs.inodes.View(nil, own.ino)
		if err != nil {
			continue // the list may not exist, and what is damaged is reported by those who need it
		}
		root, height := in.DataRoot()
		t := tree.Tree{J: fs.j, Kind: own.kind, Owner: own.ino, Root: tree.Root{Block: root, Height: height}}
		if found, err := t.Has(block); err != nil || found {
			o.set(own.ino, own.what, block)
			return err
		}
	}
	return nil
}

// unowned says whether a block that has not been found anywhere is free.
func (fs *FS) unowned(o *object, block uint64) (err error) {
	defer fs.region.Unguard(fs.region.Guard(), &err)
	free, err := fs.a.Blocks.Free(block)
	if free {
		o.free, o.name = true, fmt.Sprintf("free block %d", block)
	}
	return err
}
