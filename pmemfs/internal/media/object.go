package media

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
func (h *Health) objectAt(block, ino uint64, locked bool) object {
	if o, ok := h.fixedObject(block); ok {
		return o
	}
	if o, ok := h.known(block, ino); ok {
		return o
	}
	o := object{name: fmt.Sprintf("block %d", block)}
	if ino >= layout.RootIno {
		if err := h.ownedBy(&o, block, ino, locked); err != nil {
			o.name = fmt.Sprintf("block %d, in use by inode %d or one near it", block, ino)
		}
	}
	if !o.data && o.ino == 0 && !locked {
		if err := h.ownedByFS(&o, block); err != nil {
			o.name = fmt.Sprintf("block %d, in use", block)
		}
	}
	if !o.data && o.ino == 0 && !locked && h.Snapshots != nil {
		if name, owner, data := h.Snapshots(block); name != "" {
			o.data = data
			o.set(owner, "%s", name)
		}
	}
	if o.ino == 0 {
		if err := h.nameFree(&o, block); err != nil {
			o.name = fmt.Sprintf("block %d", block)
		}
	}
	o.ino = ino
	if !o.free {
		h.remember(block, o)
	}
	return o
}

// FixedName names a block that is known without reading anything.
func (h *Health) FixedName(block uint64) (name string, ok bool) {
	o, ok := h.fixedObject(block)
	return o.name, ok
}

// fixedObject names a block that is known without reading anything.
func (h *Health) fixedObject(block uint64) (o object, ok bool) {
	group := block / layout.GroupBlocks
	switch {
	case block == layout.SuperBlock:
		o.name = "superblock"
	case block == h.Super().Backup:
		o.name = "backup superblock"
	case block == layout.JournalHeadA || block == layout.JournalHeadB:
		o.name = fmt.Sprintf("journal head, block %d", block)
	case block >= layout.JournalRing && block < layout.JournalRing+h.Super().RingBlocks:
		o.name = fmt.Sprintf("journal ring, block %d", block)
	case block == layout.BitmapBlock(group):
		o = object{name: fmt.Sprintf("bitmap of block group %d", group), bits: h.Alloc.Blocks, group: group}
	case h.Super().Sums().Holds(block):
		o = object{name: fmt.Sprintf("checksums of block group %d, block %d", group, block), data: true}
	default:
		n, bitmap, ok := h.Inodes.Holds(block)
		if !ok {
			return o, false
		}
		o.name = fmt.Sprintf("inodes %d to %d", n, n+layout.InodesPerBlk-1)
		if bitmap {
			o = object{name: fmt.Sprintf("bitmap of inode group %d", n), bits: h.Alloc.Inodes, group: n}
		}
	}
	return o, true
}

// ownedBy looks for a block among those of an inode and sets o.ino when it is there.
func (h *Health) ownedBy(o *object, block, ino uint64, locked bool) (err error) {
	defer h.Region.Unguard(h.Region.Guard(), &err)
	if !locked {
		s := h.Stripe(ino)
		s.RLock()
		defer s.RUnlock()
	}
	in, err := h.Inodes.View(nil, ino)
	if err != nil {
		return err
	}
	set := xattr.Open(h.Journal, nil, in, h.XattrKey0, h.XattrKey1)
	if node, err := set.HasNode(block); err != nil || node {
		o.set(ino, "attribute node at block %d (inode %d)", block, ino)
		return err
	}
	if in.IsDir() {
		root, height := in.DataRoot()
		t := tree.Tree{J: h.Journal, Kind: layout.TreeDir, Owner: ino, Root: tree.Root{Block: root, Height: height}}
		if node, err := t.Has(block); err != nil || node {
			o.set(ino, "directory node at block %d (inode %d)", block, ino)
			return err
		}
	} else if err := h.mappedBy(o, block, in); err != nil || o.ino != 0 {
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
func (h *Health) mappedBy(o *object, block uint64, in layout.Inode) error {
	if typ := in.Mode() & layout.ModeType; typ != layout.ModeRegular && (typ != layout.ModeSymlink || in.Flags()&layout.FlagInlineTarget != 0) {
		return nil
	}
	m := extent.Open(h.Journal, nil, in)
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
func (h *Health) ownedByFS(o *object, block uint64) (err error) {
	defer h.Region.Unguard(h.Region.Guard(), &err)
	h.OwnMu.Lock()
	defer h.OwnMu.Unlock()
	for _, own := range []struct {
		ino  uint64
		kind uint8
		what string
	}{
		{layout.OrphanIno, layout.TreeOrphan, "orphan index node at block %d"},
		{layout.InodeFileIno, layout.TreeExtent, "extent node at block %d of the inode file"},
		{layout.BadBlocksIno, layout.TreeExtent, "node at block %d of the list of bad blocks"},
	} {
		in, err := h.Inodes.View(nil, own.ino)
		if err != nil {
			continue // the list may not exist, and what is damaged is reported by those who need it
		}
		root, height := in.DataRoot()
		t := tree.Tree{J: h.Journal, Kind: own.kind, Owner: own.ino, Root: tree.Root{Block: root, Height: height}}
		if found, err := t.Has(block); err != nil || found {
			o.set(own.ino, own.what, block)
			return err
		}
	}
	return h.ownedByAccounts(o, block)
}

// ownedByAccounts is ownedByFS for the accounts of quotas.
func (h *Health) ownedByAccounts(o *object, block uint64) error {
	h.AccountsMu.Lock()
	defer h.AccountsMu.Unlock()
	in, err := h.Inodes.View(nil, layout.QuotaIno)
	if err != nil {
		return nil // as above
	}
	root, height := in.DataRoot()
	t := tree.Tree{J: h.Journal, Kind: layout.TreeAccounts, Owner: layout.QuotaIno, Root: tree.Root{Block: root, Height: height}}
	var c tree.Cursor
	for err = t.SeekGE(&c, layout.SlotBlockKey(0)); err == nil && c.Valid(); err = t.Next(&c) {
		if at, _, ok := layout.DecodeSlotBlock(c.Payload()); ok && at == block {
			o.set(layout.QuotaIno, "slots of accounts at block %d", block)
			return nil
		}
	}
	if found, err := t.Has(block); err != nil || found {
		o.set(layout.QuotaIno, "node at block %d of the accounts", block)
		return err
	}
	return nil
}

// nameFree says whether a block that has not been found anywhere is free.
func (h *Health) nameFree(o *object, block uint64) (err error) {
	defer h.Region.Unguard(h.Region.Guard(), &err)
	free, err := h.Alloc.Blocks.Free(block)
	if free {
		o.free, o.name = true, fmt.Sprintf("free block %d", block)
	}
	return err
}
