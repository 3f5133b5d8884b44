package pmemfs

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/snapshot"
)

// DifferenceKind is how a name differs between two snapshots.
type DifferenceKind byte

// The kinds.
const (
	Added   DifferenceKind = '+' // the name is in the later one alone
	Removed DifferenceKind = '-' // in the earlier one alone
	Changed DifferenceKind = 'M' // the file has other content or attributes
	Renamed DifferenceKind = 'R' // the file had another name
)

// Difference is a name that differs between two snapshots.
type Difference struct {
	Kind DifferenceKind
	Type FileType
	Path string // from the root; of a Renamed file the old one
	To   string // of a Renamed file: the new one
}

// DiffSnapshots returns what differs between two snapshots, sorted by path. later may be empty: the files as they are now, of which a
// snapshot is made meanwhile. It costs what has changed between the two, and a look at all directories if a file has changed of which no
// directory is known: one from before the first snapshot, which has not been renamed since. In memory are all differences.
//
// Errors: ErrNotExist; ErrInvalid for a later one that is not later; ErrStale if one is deleted meanwhile; read errors, and change errors
// without a later one.
func (fs *FS) DiffSnapshots(earlier, later string) (list []Difference, err error) {
	defer fs.finish(&err, layout.SnapshotIno)
	if later == "" {
		later = fmt.Sprintf("diff-%d", now())
		if _, err := fs.CreateSnapshot(later, "of a comparison that is under way"); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, fs.DeleteSnapshot(later)) }()
	}
	a, b := fs.snaps.ByName(earlier), fs.snaps.ByName(later)
	switch {
	case a == nil || b == nil:
		return nil, ErrNotExist
	case a.Epoch >= b.Epoch:
		return nil, fmt.Errorf("%w: %s is not later than %s", ErrInvalid, later, earlier)
	}
	d := newDiffer(fs, a, b)
	if err := d.run(); err != nil {
		return nil, err
	}
	slices.SortFunc(d.list, func(x, y Difference) int { return cmp.Or(cmp.Compare(x.Path, y.Path), cmp.Compare(x.Kind, y.Kind)) })
	return d.list, nil
}

// named is a name of a file, or where one was.
type named struct {
	dir  uint64
	name string
}

// file is what is known of an inode that differs: its names that are gone, and those that are new.
type differing struct {
	gone, fresh []named
	changed     bool // content or attributes
}

// differ compares two snapshots.
type differ struct {
	fs    *FS
	a, b  *snapshot.Snapshot
	kept  map[uint64]bool // inodes that have changed since the earlier one, until the later one
	files map[uint64]*differing
	paths [2]paths
	list  []Difference
}

func newDiffer(fs *FS, a, b *snapshot.Snapshot) *differ {
	d := &differ{fs: fs, a: a, b: b, kept: map[uint64]bool{}, files: map[uint64]*differing{}}
	for i, sn := range []*snapshot.Snapshot{a, b} {
		d.paths[i] = paths{d: d, snap: uint32(sn.Epoch), of: map[uint64]string{layout.RootIno: ""}, dirs: map[uint64]map[uint64]string{}}
	}
	return d
}

// step does a part of the work while both snapshots are there, and the filesystem is open.
func (d *differ) step(f func() error) (err error) {
	fs := d.fs
	defer fs.region.Unguard(fs.region.Guard(), &err)
	g, err := fs.enter(layout.SnapshotIno)
	if err != nil {
		return err
	}
	defer g.RUnlock()
	if !d.a.Enter() {
		return ErrStale
	}
	defer d.a.Leave()
	if !d.b.Enter() {
		return ErrStale
	}
	defer d.b.Leave()
	return f()
}

// file returns what is known of an inode.
func (d *differ) file(ino uint64) *differing {
	f := d.files[ino]
	if f == nil {
		f = &differing{}
		d.files[ino] = f
	}
	return f
}

// at copies an inode as it was in one of the two; nil if it was not there.
func (d *differ) at(ino uint64, sn *snapshot.Snapshot) (layout.Inode, error) {
	in, err := d.fs.inodeAsOf(Handle{Ino: ino, Snap: uint32(sn.Epoch)}, true, new([layout.InodeSize]byte))
	if mapErr(err) == error(ErrStale) {
		return nil, nil
	}
	return in, err
}

// both returns an inode as it was in either; the same file if both are there.
func (d *differ) both(ino uint64) (a, b layout.Inode, err error) {
	if a, err = d.at(ino, d.a); err != nil {
		return nil, nil, err
	}
	b, err = d.at(ino, d.b)
	return a, b, err
}

func (d *differ) run() error {
	err := d.fs.snaps.Each(d.a.Epoch, d.b.Epoch, d.step, func(_ uint64, k layout.Kept) error {
		if k.Flags&layout.KeptInode != 0 {
			d.kept[k.Start] = true
		}
		return nil
	})
	if err != nil {
		return err
	}
	for ino := range d.kept {
		if err := d.step(func() error { return d.compare(ino) }); err != nil {
			return err
		}
	}
	if err := d.locate(); err != nil {
		return err
	}
	for ino := range d.files {
		if err := d.step(func() error { return d.report(ino) }); err != nil {
			return err
		}
	}
	return nil
}

// compare compares an inode that has changed.
func (d *differ) compare(ino uint64) error {
	a, b, err := d.both(ino)
	if err != nil {
		return err
	}
	same := a != nil && b != nil && a.Gen() == b.Gen()
	if same && altered(a, b) {
		d.file(ino).changed = true
	}
	var from, to layout.Inode
	if a != nil && a.IsDir() {
		from = a
	}
	if b != nil && b.IsDir() {
		to = b
	}
	if from == nil && to == nil {
		return nil
	}
	return d.names(from, to)
}

// altered reports whether content or attributes of a file differ, beside what its names and the time tell of it.
func altered(a, b layout.Inode) bool {
	ablock, aheight := a.XattrRoot()
	bblock, bheight := b.XattrRoot()
	if a.Mode() != b.Mode() || a.UID() != b.UID() || a.GID() != b.GID() || ablock != bblock || aheight != bheight {
		return true
	}
	return !a.IsDir() && (a.Size() != b.Size() || a.Mtime() != b.Mtime() || a.Blocks() != b.Blocks())
}
