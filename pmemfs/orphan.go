package pmemfs

import (
	"errors"

	"pmemfs/pmemfs/internal/alloc"
	"pmemfs/pmemfs/internal/data"
	"pmemfs/pmemfs/internal/inode"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/media"
	"pmemfs/pmemfs/internal/mutation"
	"pmemfs/pmemfs/internal/tree"
	"pmemfs/pmemfs/internal/xattr"
)

// The orphan index is a tree, owned by inode layout.OrphanIno, of the inode numbers whose blocks are still to be freed:
// files without a name that are open or too big to free in one record, and files being truncated. Open empties it.

// clearLimit bounds the extended attributes that one operation deletes.
const clearLimit = 128

// orphanTree returns the index for op, which holds orphanMu from now on.
func (fs *FS) orphanTree(op *alloc.Op) (tree.Tree, layout.Inode, error) {
	op.Own(&fs.orphanMu)
	in, err := fs.inodes.Edit(op, layout.OrphanIno)
	if err != nil {
		return tree.Tree{}, nil, err
	}
	block, height := in.DataRoot()
	return tree.Tree{J: fs.j, Op: op, Kind: layout.TreeOrphan, Owner: layout.OrphanIno, Root: tree.Root{Block: block, Height: height}}, in, nil
}

// orphan logs ino as an orphan, if it is not one already.
func (fs *FS) orphan(op *alloc.Op, ino uint64) error { return fs.editOrphans(op, ino, true) }

// editOrphans adds ino to the index or takes it out.
func (fs *FS) editOrphans(op *alloc.Op, ino uint64, add bool) error {
	op.Frees = true
	t, in, err := fs.orphanTree(op)
	if err != nil {
		return err
	}
	p, err := t.Get(ino)
	switch {
	case err != nil:
		return err
	case add == (p != nil):
		return nil
	case add:
		err = t.Insert(ino, []byte{})
	default:
		err = t.Delete(ino)
	}
	in.SetDataRoot(t.Root.Block, t.Root.Height)
	in.AddBlocks(t.Nodes)
	return err
}

// dropLink logs one name less of in, whose stripe is held. When it was the last one the inode is freed in the same
// record, or, when the file is open or too big for that, becomes an orphan; unless it is open, run frees it then.
func (ch *change) dropLink(in layout.Inode, t int64) error {
	fs, op := ch.fs, ch.op
	op.Frees = true
	n := in.Nlink() - 1
	if in.IsDir() {
		n = 0
	}
	in.SetNlink(n)
	in.SetCtime(t)
	in.BumpChange()
	if n > 0 {
		return nil
	}
	held := fs.held(in.Ino())
	// What could not be freed before is in the index, and will hardly go better now.
	if deferred, _ := fs.deferred.has(in.Ino()); !held && !deferred {
		done, err := fs.strip(op, in)
		if err != nil {
			return err
		}
		if done {
			return fs.inodes.Free(op, in)
		}
	}
	if !held {
		ch.orphan = in.Ino()
	}
	return fs.orphan(op, in.Ino())
}

// strip frees what an inode without a name owns, as much as fits one record.
func (fs *FS) strip(op *alloc.Op, in layout.Inode) (done bool, err error) {
	if in.Mode()&layout.ModeType == layout.ModeRegular || in.Mode()&layout.ModeType == layout.ModeSymlink && in.Flags()&layout.FlagInlineTarget == 0 {
		if done, err := data.FreeFrom(op, in, 0); !done {
			return false, err
		}
	}
	set := xattr.Open(fs.j, op, in, fs.xk0, fs.xk1)
	limit := clearLimit
	if op.Snapshots() {
		limit /= 16 // each block of a value may be kept, which takes more of the record
	}
	return set.Clear(limit)
}

// reap finishes an orphan, unless it is open, in bounded records. The stripe of ino is held.
func (fs *FS) reap(ino uint64) error {
	ch := change{fs: fs, ino: ino}
	for done := false; !done; {
		err := ch.record(func() (err error) {
			done, err = ch.reapSome(ino)
			return err
		})
		if err != nil {
			return err
		}
	}
	fs.deferred.drop(ino)
	return nil
}

// reapSome is one record of reap.
func (ch *change) reapSome(ino uint64) (done bool, err error) {
	fs, op := ch.fs, ch.begin()
	op.Frees = true
	inIndex := true // when all is done: it stays in the index
	in, err := fs.inodes.Edit(op, ino)
	switch {
	case errors.Is(err, inode.ErrStale):
		// Freed by a record that could not name the index; only the entry is left.
		done, inIndex = true, false
	case err != nil:
		return false, err
	case in.IsDir() && fs.held(ino):
		ch.end() // nothing to free yet
		return true, nil
	case in.Nlink() > 0 && in.Mode()&layout.ModeType != layout.ModeRegular:
		// The number has a new owner, since an earlier attempt failed half-way: only the entry is left.
		done, inIndex = true, false
	case in.Nlink() > 0 || fs.held(ino):
		// Truncated. Without a name it stays in the index; what it has lost must go all the same, or it would be
		// there again when the file grows.
		inIndex = in.Nlink() == 0
		done, err = data.FreeFrom(op, in, layout.BlocksFor(in.Size()))
	default:
		inIndex = false
		if done, err = fs.strip(op, in); done && err == nil {
			err = fs.inodes.Free(op, in)
		}
	}
	if err != nil && !errors.Is(err, inode.ErrStale) {
		return false, err
	}
	if done && !inIndex {
		return true, fs.editOrphans(op, ino, false)
	}
	return done, nil
}

// reapLocked is reap for a caller who holds no stripe.
func (fs *FS) reapLocked(ino uint64) error {
	ls := fs.stripes.lock(ino)
	defer ls.unlock()
	return fs.reap(ino)
}

// reapAll finishes all orphans, at Open. One that is damaged stays in the index, its space lost until a repair, and so do
// all when the index is: that must not keep anybody from the other files. inside says that the caller holds the gates.
func (fs *FS) reapAll(inside bool) error {
	for from := uint64(0); ; {
		ino, ok, err := fs.firstOrphan(from)
		if err != nil && fs.j.Err() == nil && media.Confined(err) {
			fs.log.Warn("removed or truncated files could not be freed", "error", fs.media.Report(err, layout.OrphanIno, inside))
			fs.deferred.doubt()
			return nil
		}
		if err != nil || !ok {
			return err
		}
		from = ino + 1
		if mutation.CutFinished.Off() && fs.named(ino) {
			continue
		}
		if err := fs.reapLocked(ino); err != nil {
			if fs.j.Err() != nil || !media.Confined(err) && !errors.Is(err, alloc.ErrNoSpace) {
				return err
			}
			fs.deferred.add(ino)
			fs.log.Warn("a removed or truncated file could not be freed", "inode", ino, "error", fs.media.Report(err, ino, inside))
		}
	}
}

// named reports whether an inode has a name. It is for mutation tests.
func (fs *FS) named(ino uint64) bool {
	in, err := fs.inodes.View(nil, ino)
	return err == nil && in.Nlink() > 0
}

// firstOrphan returns the first orphan from a number on.
func (fs *FS) firstOrphan(from uint64) (ino uint64, ok bool, err error) {
	ch := change{fs: fs, ino: layout.OrphanIno}
	err = ch.record(func() error {
		defer ch.end() // it only reads, but nobody else changes the index meanwhile
		t, _, err := fs.orphanTree(ch.begin())
		if err != nil {
			return err
		}
		var c tree.Cursor
		if err := t.SeekGE(&c, from); err != nil || !c.Valid() {
			return err
		}
		ino, ok = c.Key(), true
		return nil
	})
	return ino, ok, err
}
