package pmemfs

import (
	"bytes"
	"errors"
	"fmt"

	"pmemfs/pmemfs/internal/alloc"
	"pmemfs/pmemfs/internal/data"
	"pmemfs/pmemfs/internal/inode"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/media"
	"pmemfs/pmemfs/internal/snapshot"
	"pmemfs/pmemfs/internal/tree"
	"pmemfs/pmemfs/internal/xattr"
)

// RollbackSnapshot makes all files what they were in a snapshot. Handles of files that existed then are valid again, those of others stale.
// What changes has the present change time, so that clients notice. Snapshots that are newer must not be there, unless force says that
// they are to be deleted. All other calls wait meanwhile: it takes a look at every inode, and what has changed since.
//
// It happens wholly or not at all: from one record on, behind which the next open would finish it. Durable on return. Errors: ErrNotExist;
// ErrBusy for newer snapshots, and for one that is held; change errors.
func (fs *FS) RollbackSnapshot(name string, force bool) (err error) {
	defer fs.finish(&err, layout.SnapshotIno)
	if fs.readOnly {
		return ErrReadOnly
	}
	return fs.snaps.Work(func() error {
		for {
			if err := fs.SyncUnstable(); err != nil {
				return err
			}
			if err := fs.still(func() error { return fs.vetRoot(name) }); err != nil {
				return err // before anything is deleted
			}
			sn, err := fs.makeNewest(name, force)
			if err != nil {
				return err
			}
			if done, err := fs.rollbackTo(sn); done || err != nil {
				fs.beginQuotaWalks()
				return err
			}
		}
	})
}

// makeNewest deletes what is newer than a snapshot.
func (fs *FS) makeNewest(name string, force bool) (*snapshot.Snapshot, error) {
	sn := fs.snaps.ByName(name)
	if sn == nil {
		return nil, snapshot.ErrNotFound
	}
	newer := fs.snaps.Newer(sn.Epoch)
	if len(newer) > 0 && !force {
		return nil, snapshot.ErrNewer
	}
	for _, x := range newer {
		if len(x.Holds) > 0 {
			return nil, snapshot.ErrHeld
		}
	}
	for i := len(newer) - 1; i >= 0; i-- {
		if err := fs.snaps.Doom(newer[i].Name); err != nil {
			return nil, err
		}
	}
	return sn, fs.snaps.ReapAll()
}

// still calls f while nobody is in any gate, and the table of snapshots stays as it is.
func (fs *FS) still(f func() error) error {
	return fs.snaps.Frozen(func() error {
		for i := range fs.gates {
			fs.gates[i].Lock()
			defer fs.gates[i].Unlock()
		}
		if fs.closed {
			return ErrClosed
		}
		return f()
	})
}

// rollbackTo rolls back to a snapshot while nobody is in any gate. It returns false if the snapshot is not the newest any more.
func (fs *FS) rollbackTo(sn *snapshot.Snapshot) (done bool, err error) {
	err = fs.still(func() error {
		done, err = fs.rollbackStill(sn)
		return err
	})
	return done, err
}

func (fs *FS) rollbackStill(sn *snapshot.Snapshot) (done bool, err error) {
	switch {
	case fs.snaps.ByEpoch(sn.Epoch) == nil || len(fs.snaps.Newer(sn.Epoch)) > 0:
		return false, nil
	}
	if err := fs.dirty.FlushAll(); err != nil {
		return false, err
	}
	if err := fs.snaps.SetRollback(sn.Epoch); err != nil {
		return false, err
	}
	if err := fs.finishRollback(true); err != nil {
		fs.j.Fail(fmt.Errorf("a rollback broke off: %w", err)) // who goes on changing what is half done would lose it at the next open
		return true, err
	}
	return true, nil
}

// vetRoot returns an error if the root directory as a snapshot has it is not there, or if the present one cannot be read, which is then not
// rolled back: that would leave no files. What it has found stays so: what a snapshot keeps does.
func (fs *FS) vetRoot(name string) error {
	sn := fs.snaps.ByName(name)
	if sn == nil {
		return snapshot.ErrNotFound
	}
	epoch := sn.Epoch
	return fs.guarded(func() error {
		in, err := fs.inodes.View(nil, layout.RootIno)
		if err != nil || in.BirthEpoch() <= epoch {
			return err
		}
		var was [layout.InodeSize]byte
		ok, err := fs.snaps.Kept(layout.RootIno, epoch, true, &was)
		if err == nil && !ok {
			err = fmt.Errorf("%w: the snapshot of epoch %d has no root directory", layout.ErrDamaged, epoch)
		}
		return err
	})
}

// vetRollback returns an error if a rollback is under way, which an open for reading cannot finish.
func (fs *FS) vetRollback() error {
	return fs.snaps.Frozen(func() error {
		if fs.snaps.Rollback() != 0 {
			return errors.New("a rollback was interrupted: open the image for writing, which finishes it")
		}
		return nil
	})
}

// finishRollback does what is left of a rollback. Nobody is in a gate, and the table of snapshots is frozen. It may be interrupted, and done again, at any time.
// inside says that the caller holds the gates.
func (fs *FS) finishRollback(inside bool) error {
	r := rollback{fs: fs, epoch: fs.snaps.Rollback()}
	if r.epoch == 0 {
		return nil
	}
	for _, r.dropping = range []bool{true, false} { // what goes makes room for what comes back
		if err := r.present(); err != nil {
			return err
		}
	}
	if err := r.gone(); err != nil {
		return err
	}
	for i := range fs.snaps.Shards() {
		for from, more := uint64(0), true; more; {
			var err error
			if from, more, err = fs.snaps.Revive(i, r.epoch, from, r.again); err != nil {
				return err
			}
		}
	}
	if err := fs.reconvertTrees(); err != nil {
		return err
	}
	if err := fs.snaps.SetRollback(0); err != nil {
		return err
	}
	return fs.reapAll(inside)
}

// rollback is a rollback under way, to the snapshot of an epoch.
type rollback struct {
	fs       *FS
	epoch    uint64
	dropping bool // only inodes that were made since
}

// present restores every inode that has changed since, or frees those that were made since.
func (r *rollback) present() error {
	fs := r.fs
	var buf [layout.InodeSize]byte
	for ino := uint64(layout.RootIno); ino < fs.a.Inodes.Limit(); ino++ {
		var birth, gen uint64
		err := fs.guarded(func() error {
			in, err := fs.inodes.View(nil, ino)
			if err == nil {
				birth, gen = in.BirthEpoch(), in.Gen()
			}
			return err
		})
		if err != nil || birth <= r.epoch {
			if err := r.confined(ino, err); err != nil {
				return err
			}
			continue
		}
		if err := r.confined(ino, r.restore(ino, gen, &buf)); err != nil {
			return err
		}
	}
	return nil
}

// confined passes an error on, unless it concerns one inode only, which is logged.
func (r *rollback) confined(ino uint64, err error) error {
	if err == nil || errors.Is(err, inode.ErrStale) {
		return nil
	}
	if r.fs.j.Err() != nil || !media.Confined(err) {
		return err
	}
	r.fs.log.Error("a file could not be rolled back", "inode", ino, "error", r.fs.media.Report(err, ino, true))
	return nil
}

// guarded calls f, of which a memory fault becomes the error.
func (fs *FS) guarded(f func() error) (err error) {
	defer fs.region.Unguard(fs.region.Guard(), &err)
	return f()
}

// restore makes an inode that is in use, or a free number, what it was.
func (r *rollback) restore(ino, gen uint64, buf *[layout.InodeSize]byte) error {
	fs := r.fs
	var was layout.Inode
	err := fs.guarded(func() error {
		ok, err := fs.snaps.Kept(ino, r.epoch, true, buf)
		if ok {
			was = buf[:]
		}
		return err
	})
	switch {
	case err != nil:
		return err
	case was != nil && was.Nlink() == 0 && was.Gen() == gen:
		return nil // it had no name then: it stays until it is closed
	case was != nil && was.Nlink() == 0:
		was = nil
	}
	if r.dropping != (was == nil) {
		return nil
	}
	held := fs.stripes.lock(ino)
	defer held.unlock()
	for done := gen == 0; !done; {
		if err := r.record(ino, func(ch *change) (err error) {
			done, err = r.shed(ch, ino, was)
			return err
		}); err != nil {
			return err
		}
	}
	if gen == 0 && was != nil {
		if err := fs.inodes.Reach(ino); err != nil {
			return err
		}
		return r.record(ino, func(ch *change) error {
			in, err := fs.inodes.NewAt(ch.op, ino)
			if err != nil {
				return err
			}
			return r.become(ch, in, was, 0)
		})
	}
	if was == nil || was.Gen() != gen {
		fs.locks.Forget(ino)
	}
	return nil
}

// record makes one record of a rollback, under the stripe of the inode.
func (r *rollback) record(ino uint64, body func(ch *change) error) error {
	ch := change{fs: r.fs, ino: ino}
	return ch.record(func() error {
		op := ch.begin()
		op.Frees, op.Uncapped = true, true
		return body(&ch)
	})
}

// shedMax bounds a record of what an inode gives up, in bytes.
const shedMax = 16 << 10

// shed frees what an inode has that is newer than the snapshot, as much as fits a record. When all of it is gone, the inode becomes what it
// was, or free if that is nil.
func (r *rollback) shed(ch *change, ino uint64, was layout.Inode) (done bool, err error) {
	fs, op := r.fs, ch.op
	in, err := fs.inodes.Edit(op, ino)
	if err != nil {
		return false, err
	}
	for op.Tx.Size() < shedMax {
		if done, err = r.shedSome(op, in); done || err != nil {
			break
		}
	}
	if !done || err != nil {
		return false, err
	}
	if was != nil {
		return true, r.become(ch, in, was, in.Change())
	}
	if err := fs.editOrphans(op, ino, false); err != nil {
		return false, err
	}
	return true, fs.inodes.Free(op, in)
}

// shedSome frees a leaf of a tree of an inode, or its inline extents.
func (r *rollback) shedSome(op *alloc.Op, in layout.Inode) (done bool, err error) {
	kind := uint8(layout.TreeExtent)
	switch typ := in.Mode() & layout.ModeType; {
	case in.IsDir():
		kind = layout.TreeDir
	case (typ == layout.ModeRegular || typ == layout.ModeSymlink) && in.Flags()&layout.FlagInlineTarget == 0:
		for i := range min(in.InlineCount(), layout.InlineExtents) {
			if err := r.free(op, in, in.InlineExtent(i)); err != nil {
				return false, err
			}
		}
		clear(in.Inline())
		in.SetInlineCount(0)
	}
	block, height := in.DataRoot()
	t := tree.Tree{J: r.fs.j, Op: op, Kind: kind, Owner: in.Ino(), Root: tree.Root{Block: block, Height: height}}
	done, err = t.Shed(func(key uint64, p []byte) error {
		if kind != layout.TreeExtent || len(p) != layout.ExtentPayload {
			return nil
		}
		return r.free(op, in, layout.DecodeExtent(key, p))
	})
	in.SetDataRoot(t.Root.Block, t.Root.Height)
	if !done || err != nil {
		return false, err
	}
	block, height = in.XattrRoot()
	t = tree.Tree{J: r.fs.j, Op: op, Kind: layout.TreeXattr, Owner: in.Ino(), Root: tree.Root{Block: block, Height: height}}
	done, err = t.Shed(func(_ uint64, p []byte) error {
		x, ok := layout.DecodeXattr(p)
		if !ok || len(x.Blocks) == 0 || xattr.Birth(&x) <= r.epoch {
			return nil
		}
		for _, b := range x.Blocks {
			if err := op.FreeBlocks(b, 1); err != nil {
				return err
			}
		}
		return nil
	})
	in.SetXattrRoot(t.Root.Block, t.Root.Height)
	return done && err == nil, err
}

// free frees the blocks of an extent that is newer than the snapshot. Others are the snapshot's.
func (r *rollback) free(op *alloc.Op, in layout.Inode, e layout.Extent) error {
	if e.Birth <= r.epoch {
		return nil
	}
	return op.FreeBlocks(e.Phys, uint64(e.Len))
}

// become makes an inode what it was, but for what tells clients that it has changed.
func (r *rollback) become(ch *change, in, was layout.Inode, changes uint64) error {
	fs, op, ino := r.fs, ch.op, in.Ino()
	copy(in, was)
	if err := fs.recount(in); err != nil {
		return err
	}
	in.SetBirthEpoch(op.Epoch())
	in.SetCtime(now())
	in.AddChange(max(changes, was.Change()) - was.Change() + 1)
	cut := false
	if in.Mode()&layout.ModeType == layout.ModeRegular {
		var err error
		if cut, err = data.WrittenFrom(fs.j, in, layout.BlocksFor(in.Size())); err != nil {
			return err
		}
	}
	return fs.editOrphans(op, ino, cut) // a truncation was under way
}

// gone restores the inodes that existed and exist no more.
func (r *rollback) gone() error {
	var buf [layout.InodeSize]byte
	return r.fs.snaps.Each(r.epoch, layout.EpochMax+1, r.fs.guarded, func(_ uint64, k layout.Kept) error {
		if k.Flags&layout.KeptInode == 0 || k.Birth > r.epoch {
			return nil
		}
		err := r.fs.guarded(func() error {
			_, err := r.fs.inodes.View(nil, k.Start)
			return err
		})
		if err == nil || !errors.Is(err, inode.ErrStale) {
			return nil // it is in use, and so is done
		}
		return r.confined(k.Start, r.restore(k.Start, 0, &buf))
	})
}

// again reports whether an inode is what the snapshot has, so that its blocks are live. One that could not be rolled back is not.
func (r *rollback) again(ino uint64) (yes bool, err error) {
	err = r.fs.guarded(func() error {
		var buf [layout.InodeSize]byte
		ok, err := r.fs.snaps.Kept(ino, r.epoch, true, &buf)
		was := layout.Inode(buf[:])
		if err != nil || !ok || was.Nlink() == 0 {
			return err
		}
		in, err := r.fs.inodes.View(nil, ino)
		yes = err == nil && in.Gen() == was.Gen() && sameBlocks(in, was)
		return err
	})
	if errors.Is(err, inode.ErrStale) || r.fs.j.Err() == nil && media.Confined(err) {
		return false, nil
	}
	return yes, err
}

// sameBlocks reports whether two inodes lead to the same blocks.
func sameBlocks(a, b layout.Inode) bool {
	ablock, aheight := a.DataRoot()
	bblock, bheight := b.DataRoot()
	axattr, axheight := a.XattrRoot()
	bxattr, bxheight := b.XattrRoot()
	return ablock == bblock && aheight == bheight && axattr == bxattr && axheight == bxheight && bytes.Equal(a.Inline(), b.Inline())
}
