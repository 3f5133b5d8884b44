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
	// What could not be finished before is in the index, and will hardly go better now.
	if unfinished, _ := fs.unfinished.has(in.Ino()); !held && !unfinished {
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
	return set.Clear(clearLimit)
}

// reap finishes an orphan, unless it is open.
func (fs *FS) reap(ino uint64) error {
	ls := fs.stripes.lock(ino)
	defer ls.unlock()
	return fs.reapGuarded(ino)
}

// reapLocked finishes an orphan in bounded records. The stripe of ino is held.
func (fs *FS) reapLocked(ino uint64) error {
	for {
		done, err := fs.reapStep(ino)
		if done || err != nil {
			return err
		}
	}
}

func (fs *FS) reapStep(ino uint64) (done bool, err error) {
	op := fs.a.Begin()
	defer op.Done()
	op.Frees = true
	keep := false
	in, err := fs.inodes.Edit(op, ino)
	switch {
	case errors.Is(err, inode.ErrStale):
		// Freed by a record that could not name the index; only the entry is left.
	case err != nil:
		return false, err
	case in.IsDir() && fs.held(ino):
		return true, nil
	case in.Nlink() > 0 && in.Mode()&layout.ModeType != layout.ModeRegular:
		done = true // the number has a new owner, since an earlier attempt failed half-way: only the entry is left
	case in.Nlink() > 0 || fs.held(ino):
		// Truncated. Without a name it stays in the index; what it has lost must go all the same, or it would be
		// there again when the file grows.
		keep = in.Nlink() == 0
		done, err = data.FreeFrom(op, in, layout.BlocksFor(in.Size()))
	default:
		if done, err = fs.strip(op, in); done && err == nil {
			err = fs.inodes.Free(op, in)
		}
	}
	if err != nil && !errors.Is(err, inode.ErrStale) {
		return false, err
	}
	if done = done || errors.Is(err, inode.ErrStale); done && !keep {
		if err := fs.editOrphans(op, ino, false); err != nil {
			return false, err
		}
	}
	return done, op.Commit()
}

// reapAll finishes all orphans, at Open. One that is damaged stays in the index, its space lost until a repair, and so do
// all when the index is: that must not keep anybody from the other files.
func (fs *FS) reapAll() error {
	for from := uint64(0); ; {
		ino, ok, err := fs.firstOrphan(from)
		if err != nil && fs.j.Err() == nil && media.Confined(err) {
			fs.log.Warn("removed or truncated files could not be freed", "error", fs.media.Report(err, layout.OrphanIno, false))
			fs.unfinished.doubt()
			return nil
		}
		if err != nil || !ok {
			return err
		}
		from = ino + 1
		if mutation.CutFinished.Off() && fs.named(ino) {
			continue
		}
		if err := fs.reap(ino); err != nil {
			if fs.j.Err() != nil || !media.Confined(err) && !errors.Is(err, alloc.ErrNoSpace) {
				return err
			}
			fs.unfinished.add(ino)
			fs.log.Warn("a removed or truncated file could not be freed", "inode", ino, "error", fs.media.Report(err, ino, false))
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
	defer fs.region.Unguard(fs.region.Guard(), &err)
	op := fs.a.Begin()
	defer op.Done()
	t, _, err := fs.orphanTree(op)
	if err != nil {
		return 0, false, err
	}
	var c tree.Cursor
	if err := t.SeekGE(&c, from); err != nil || !c.Valid() {
		return 0, false, err
	}
	return c.Key(), true, nil
}

// Hold says that a file is open: it survives the removal of its last name until as many calls of Release. It is not
// kept on the medium.
func (fs *FS) Hold(h Handle) error {
	return fs.view(nil, h, func(layout.Inode) error {
		fs.refsMu.Lock()
		defer fs.refsMu.Unlock()
		fs.refs[h.Ino]++
		return nil
	})
}

// Release undoes a Hold. When it was the last one of a file without a name, the file is freed; durable on return, unless that
// has to be tried again.
func (fs *FS) Release(h Handle) (err error) {
	defer fs.finish(&err, h.Ino)
	defer fs.region.Unguard(fs.region.Guard(), &err)
	g, err := fs.enter(h.Ino)
	if err != nil {
		return err
	}
	defer g.RUnlock()
	fs.refsMu.Lock()
	fs.refs[h.Ino]--
	last := fs.refs[h.Ino] <= 0
	if last {
		delete(fs.refs, h.Ino)
	}
	fs.refsMu.Unlock()
	if !last {
		return nil
	}
	a, err := fs.nameless(h)
	if err != nil || !a {
		return err
	}
	fs.reapLater(h.Ino)
	fs.trim(false)
	return nil
}

// nameless reports whether a file exists and has no name.
func (fs *FS) nameless(h Handle) (bool, error) {
	s := fs.stripes.of(h.Ino)
	s.RLock()
	defer s.RUnlock()
	in, err := fs.inodes.Get(nil, h.Ino, h.Gen)
	if errors.Is(err, inode.ErrStale) {
		return false, nil
	}
	return err == nil && in.Nlink() == 0, err
}

func (fs *FS) held(ino uint64) bool {
	fs.refsMu.Lock()
	defer fs.refsMu.Unlock()
	return fs.refs[ino] > 0
}
