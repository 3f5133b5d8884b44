package pmemfs

import (
	"errors"
	"fmt"
	"sync"

	"pmemfs/pmemfs/internal/inode"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/snapshot"
)

// SnapDir is the Snap of a handle that means the directory of the snapshots of a live directory: each name in it is a snapshot's, and
// leads to that directory as it was.
const SnapDir = layout.EpochMax

// SnapshotsName is the name, in the directory that Call.Top says, of the directory of snapshots.
const SnapshotsName = ".snapshots"

// snapShift is above every inode number of an image that has snapshots.
const snapShift = 36

// In returns the handle of the same file in a snapshot; epoch 0 is the live file, SnapDir the directory of snapshots.
func (h Handle) In(epoch uint32) Handle { return Handle{Ino: h.Ino, Gen: h.Gen, Snap: epoch} }

// namePast says whose a block is that only snapshots have, and whether it is data; "" for others, and if that cannot be read. No lock is
// held.
func (fs *FS) namePast(block uint64) (name string, owner uint64, data bool) {
	owner, meta, having, err := fs.snaps.Find(block)
	switch {
	case err != nil || having == "":
		return "", 0, false
	case meta:
		return fmt.Sprintf("node at block %d of inode %d in %s", block, owner, having), owner, false
	}
	return fmt.Sprintf("data block %d of inode %d in %s", block, owner, having), owner, true
}

// FileID returns a number that no other file has, in any snapshot either. It is the inode number of a live file.
func (h Handle) FileID() uint64 { return h.Ino | uint64(h.Snap)<<snapShift }

// HandleOf returns the handle of what FileID says, of a generation.
func HandleOf(fileID, gen uint64) Handle {
	return Handle{Ino: fileID & (1<<snapShift - 1), Gen: gen, Snap: uint32(fileID >> snapShift)}
}

// changeable returns ErrReadOnly for a file in a snapshot, and ErrStale if there is no such snapshot.
func (fs *FS) changeable(h Handle) error {
	switch {
	case h.Snap == 0:
		return nil
	case h.Snap != SnapDir && fs.snaps.ByEpoch(uint64(h.Snap)) == nil:
		return ErrStale
	}
	return ErrReadOnly
}

// slotPool has the copies of inodes that calls look at.
var slotPool = sync.Pool{New: func() any { return new([layout.InodeSize]byte) }}

// viewSnapshot is view for a file in a snapshot. f gets a copy of the inode, of which Snap says the epoch. What it leads to does not change,
// so no stripe is held.
func (fs *FS) viewSnapshot(call *Call, h Handle, f func(in layout.Inode) error) error {
	if h.Snap == SnapDir {
		return fs.viewSnapDir(call, h, f)
	}
	sn, err := fs.enterSnapshot(h.Snap, call.waits())
	if err != nil {
		return err
	}
	defer sn.Leave()
	buf := slotPool.Get().(*[layout.InodeSize]byte)
	defer slotPool.Put(buf)
	in, err := fs.inodeAsOf(h, call.waits(), buf)
	if err != nil {
		return err
	}
	call.setPost(0, in)
	return f(in)
}

// enterSnapshot begins to read in a snapshot. ErrStale means that it is gone. Unless it is to wait it returns ErrWouldBlock rather
// than do so.
func (fs *FS) enterSnapshot(epoch uint32, wait bool) (*snapshot.Snapshot, error) {
	sn := fs.snaps.ByEpoch(uint64(epoch))
	switch {
	case sn == nil || wait && !sn.Enter():
		return nil, ErrStale
	case !wait && !sn.TryEnter():
		return nil, ErrWouldBlock
	}
	return sn, nil
}

// inodeAsOf copies the inode of a handle in a snapshot to buf. Generation 0 is any.
func (fs *FS) inodeAsOf(h Handle, wait bool, buf *[layout.InodeSize]byte) (layout.Inode, error) {
	if h.Ino < layout.RootIno || h.Ino > layout.KeptInoMax {
		return nil, ErrStale
	}
	s := fs.stripes.of(h.Ino)
	if !s.read(wait) {
		return nil, ErrWouldBlock
	}
	defer s.RUnlock()
	in, err := fs.inodes.View(nil, h.Ino)
	if err == nil && in.BirthEpoch() <= uint64(h.Snap) {
		copy(buf[:], in)
	} else {
		kept, errKept := fs.snaps.Kept(h.Ino, uint64(h.Snap), wait, buf)
		switch {
		case errKept == error(snapshot.ErrBusy):
			return nil, ErrWouldBlock
		case errKept != nil:
			return nil, errKept
		case !kept && err == nil:
			return nil, ErrStale // made later
		case !kept:
			return nil, err
		}
	}
	in = buf[:]
	if in.Free() || h.Gen != 0 && in.Gen() != h.Gen {
		return nil, ErrStale
	}
	in.SetSnap(h.Snap)
	return in, nil
}

// childAsOf is child in a snapshot.
func (fs *FS) childAsOf(ino uint64, snap uint32, wait bool, buf *[layout.InodeSize]byte) (layout.Inode, error) {
	in, err := fs.inodeAsOf(Handle{Ino: ino, Snap: snap}, wait, buf)
	if errors.Is(err, inode.ErrStale) || err == error(ErrStale) {
		return nil, damagedEntry(ino)
	}
	return in, err
}

// lookupSnapshot is Lookup in a directory of a snapshot.
func (fs *FS) lookupSnapshot(c *Cred, call *Call, dir Handle, name []byte, a *Attr) error {
	if dir.Snap == SnapDir {
		return fs.lookupSnapDir(c, call, dir, name, a)
	}
	return fs.viewSnapshot(call, dir, func(d layout.Inode) error {
		if !d.IsDir() {
			return ErrNotDir
		}
		if err := fs.allow(c, d, AccessExec); err != nil {
			return err
		}
		if string(name) == ".." {
			up, err := fs.aboveAsOf(call, d)
			if err != nil {
				return err
			}
			if up.Snap == SnapDir {
				*a, err = fs.snapDirAttr(up)
				return err
			}
			name = nameDot
			if up.Ino != d.Ino() {
				name = nameDotDot
			}
		}
		ino, err := fs.resolve(d, name)
		if err != nil {
			return err
		}
		buf := slotPool.Get().(*[layout.InodeSize]byte)
		defer slotPool.Put(buf)
		in, err := fs.childAsOf(ino, dir.Snap, call.waits(), buf)
		if err == nil {
			*a = attrOf(in)
		}
		return err
	})
}

// aboveAsOf returns what ".." of a directory in a snapshot is: its parent of then, or, of the directory that a call may not leave upwards,
// and of the root, the directory of snapshots that it was found in.
func (fs *FS) aboveAsOf(call *Call, d layout.Inode) (Handle, error) {
	here := Handle{Ino: d.Ino(), Gen: d.Gen(), Snap: d.Snap()}
	if here.Ino == layout.RootIno {
		return here.In(SnapDir), nil
	}
	if call.bounded() {
		if call.Top == here.In(0) {
			return here.In(SnapDir), nil
		}
		if within, err := fs.isWithinAsOf(call, here); err != nil || !within {
			return here, err
		}
	}
	return Handle{Ino: d.Parent(), Snap: d.Snap()}, nil
}

// isWithinAsOf is isWithin in a snapshot.
func (fs *FS) isWithinAsOf(c *Call, h Handle) (bool, error) {
	missing := c.Within
	buf := slotPool.Get().(*[layout.InodeSize]byte)
	defer slotPool.Put(buf)
	ino := h.Ino
	for left := fs.j.Counts().Inodes; left >= 0 && ino != layout.RootIno; left-- {
		in, err := fs.childAsOf(ino, h.Snap, c.waits(), buf)
		if err != nil {
			return false, err
		}
		parent, err := fs.childAsOf(in.Parent(), h.Snap, c.waits(), buf)
		if err != nil {
			return false, err
		}
		for i := range missing {
			if missing[i].Ino == parent.Ino() && missing[i].Gen == parent.Gen() {
				missing[i] = Handle{}
			}
		}
		if missing == [2]Handle{} {
			return true, nil
		}
		ino = parent.Ino()
	}
	return false, nil
}
