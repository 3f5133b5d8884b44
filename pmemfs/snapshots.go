package pmemfs

import (
	"fmt"

	"pmemfs/pmemfs/internal/alloc"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/media"
	"pmemfs/pmemfs/internal/snapshot"
)

// SnapshotsMax is how many snapshots an image may have.
const SnapshotsMax = layout.SnapshotMax

// Snapshot is a snapshot of a filesystem.
type Snapshot struct {
	Name, Text string
	Epoch      uint32   // what Handle.Snap is for its files; of no other snapshot, ever
	Time       int64    // ns since 1970
	Inodes     uint64   // of files, the root among them
	Referenced uint64   // bytes that its files have
	Alone      uint64   // bytes that would be free without it; of Snapshots
	Holds      []string // tags that keep it from being deleted
}

// SnapshotSpace is what the snapshots of an image take together.
type SnapshotSpace struct {
	Data     uint64 // bytes that no live file has
	Overhead uint64 // bytes that keep account of them
	Deleting int    // snapshots whose space is being freed
}

func snapshotOf(x *layout.Snapshot) Snapshot {
	return Snapshot{
		Name: x.Name, Text: x.Text, Epoch: uint32(x.Epoch), Time: x.Time, Inodes: x.Inodes - layout.RootIno, Referenced: x.Blocks << layout.BlockShift, Holds: x.Holds,
	}
}

// CreateSnapshot makes a snapshot of all files as they are at one instant between two changes: every change that has been acknowledged is
// in it, and what was written unstable up to here. name has 1 to 255 bytes of UTF-8 without control characters, spaces, "/", "@" and ":",
// and begins neither with "-" nor with "."; text is a description of up to 512 bytes. Changes wait while the snapshot is recorded,
// however much there is.
//
// One fence, and two more for the first snapshot of an image; durable on return. Errors: ErrInvalid for a name or a text; ErrExist;
// ErrTooMany; ErrNoSpace if what removals will need could not be kept free; change errors.
func (fs *FS) CreateSnapshot(name, text string) (s Snapshot, err error) {
	defer fs.finish(&err, layout.SnapshotIno)
	if fs.readOnly {
		return Snapshot{}, ErrReadOnly
	}
	if err := fs.SyncUnstable(); err != nil {
		return Snapshot{}, err
	}
	x, err := fs.snaps.Create(name, text, now())
	if err != nil {
		return Snapshot{}, err
	}
	return snapshotOf(&x), nil
}

// SyncUnstable makes durable what WriteUnstable has buffered.
//
// Errors: ErrNoSpace, ErrIO or ErrReadOnly for what could not be flushed, and is lost; ErrClosed.
func (fs *FS) SyncUnstable() error {
	ch := change{fs: fs, tries: retry{over: true}}
	return ch.run(fs.dirty.FlushAll)
}

// DeleteSnapshot makes a snapshot be no more: its handles are stale. What it alone holds is freed in the background. It waits for the calls
// that are reading in it, and needs no free space. One fence; durable on return.
//
// Errors: ErrNotExist; ErrBusy while it is held; change errors.
func (fs *FS) DeleteSnapshot(name string) (err error) {
	defer fs.finish(&err, layout.SnapshotIno)
	if fs.readOnly {
		return ErrReadOnly
	}
	return fs.snaps.Delete(name)
}

// HoldSnapshot keeps a snapshot from being deleted until ReleaseSnapshot is called with the same tag: a name of up to 32 bytes. One fence;
// durable on return.
//
// Errors: ErrNotExist; ErrInvalid for a tag; ErrTooMany for more than 8 tags; change errors.
func (fs *FS) HoldSnapshot(name, tag string) (err error) {
	defer fs.finish(&err, layout.SnapshotIno)
	if fs.readOnly {
		return ErrReadOnly
	}
	return fs.snaps.Hold(name, tag)
}

// ReleaseSnapshot ends a HoldSnapshot. One fence; durable on return.
//
// Errors: ErrNotExist for a snapshot or a tag that is not there; change errors.
func (fs *FS) ReleaseSnapshot(name, tag string) (err error) {
	defer fs.finish(&err, layout.SnapshotIno)
	if fs.readOnly {
		return ErrReadOnly
	}
	return fs.snaps.Release(name, tag)
}

// Snapshots returns the snapshots, oldest first, and what they take. It costs what has changed since the oldest one, and no fence.
//
// Errors: read errors.
func (fs *FS) Snapshots() (list []Snapshot, space SnapshotSpace, err error) {
	defer fs.finish(&err, layout.SnapshotIno)
	g, err := fs.enter(layout.SnapshotIno)
	if err != nil {
		return nil, space, err
	}
	defer g.RUnlock()
	entries, sum, err := fs.snaps.List()
	for i := range entries {
		s := snapshotOf(&entries[i].Snapshot)
		s.Alone = entries[i].Alone << layout.BlockShift
		list = append(list, s)
	}
	space = SnapshotSpace{Data: sum.Blocks << layout.BlockShift, Overhead: sum.Nodes << layout.BlockShift, Deleting: fs.snaps.Doomed()}
	return list, space, err
}

// SnapshotSpace returns what the snapshots take together. It costs a look at each shard of their account, and no fence.
//
// Errors: read errors.
func (fs *FS) SnapshotSpace() (space SnapshotSpace, err error) {
	defer fs.finish(&err, layout.SnapshotIno)
	g, err := fs.enter(layout.SnapshotIno)
	if err != nil {
		return space, err
	}
	defer g.RUnlock()
	sum, err := fs.snaps.Space()
	return SnapshotSpace{Data: sum.Blocks << layout.BlockShift, Overhead: sum.Nodes << layout.BlockShift, Deleting: fs.snaps.Doomed()}, err
}

// SnapshotNamed returns the snapshot of a name, without what it alone holds. It costs a search in memory.
//
// Errors: ErrNotExist.
func (fs *FS) SnapshotNamed(name string) (Snapshot, error) {
	x := fs.snaps.ByName(name)
	if x == nil {
		return Snapshot{}, ErrNotExist
	}
	return snapshotOf(&x.Snapshot), nil
}

// SnapshotIndex returns what Snapshots does without what each alone holds, and how many deleted ones count towards SnapshotsMax until their
// space is freed. It costs a copy of what is in memory.
func (fs *FS) SnapshotIndex() (list []Snapshot, deleting int) {
	for _, x := range fs.snaps.All() {
		list = append(list, snapshotOf(&x.Snapshot))
	}
	return list, fs.snaps.Doomed()
}

// IsSnapshotName reports whether a snapshot may have a name.
func IsSnapshotName(name string) bool { return layout.SnapshotName(name) }

// withoutSnapshots goes on at an open that found the snapshots damaged. What they have is not known, so nothing may change until a repair:
// live files can be read. A rollback that is under way has left those half done, and is an error.
func (fs *FS) withoutSnapshots(err error) error {
	if !media.Confined(err) || fs.snaps.Rollback() != 0 {
		return fmt.Errorf("the snapshots: %w", err)
	}
	fs.readOnly, fs.vol.ReadOnly = true, true
	fs.j.Refuse()
	fs.log.Error("the snapshots are damaged: the image is for reading only until check --repair", "error", err)
	return nil
}

// snapshotErr returns the error of this package for one of package snapshot.
func snapshotErr(err *snapshot.Error) error {
	switch err {
	case snapshot.ErrNotFound:
		return ErrNotExist
	case snapshot.ErrExist:
		return ErrExist
	case snapshot.ErrFull:
		return ErrTooMany
	case snapshot.ErrStopped:
		return ErrClosed
	case snapshot.ErrHeld, snapshot.ErrNewer:
		return fmt.Errorf("%w: %w", ErrBusy, err)
	}
	return ErrInvalid
}

// hintParent notes, in a file that is no directory, a directory that has a name of it, so that what has changed since a snapshot is found by
// name. Images that never had a snapshot do not have that.
func hintParent(op *alloc.Op, in layout.Inode, dir uint64) {
	if op.Epoch() > firstEpoch {
		in.SetParent(dir)
	}
}

// firstEpoch is the birth epoch of everything in an image that never had a snapshot.
const firstEpoch = 1
