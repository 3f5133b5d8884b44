package pmemfs

import (
	"fmt"

	"pmemfs/pmemfs/internal/dir"
	"pmemfs/pmemfs/internal/layout"
)

// damagedEntry is the error for a directory entry that names no file.
func damagedEntry(ino uint64) error {
	return fmt.Errorf("%w: a directory entry names inode %d, which is free", layout.ErrDamaged, ino)
}

// viewSnapDir is view for the directory of the snapshots of a live directory: f gets an inode as it would be on the medium, without
// entries.
func (fs *FS) viewSnapDir(call *Call, h Handle, f func(in layout.Inode) error) error {
	var live [layout.InodeSize]byte
	if err := fs.copyLive(h, call.waits(), &live); err != nil {
		return err
	}
	if !layout.Inode(live[:]).IsDir() {
		return ErrStale
	}
	in := fs.snapDirOf(live[:])
	call.setPost(0, in)
	return f(in)
}

// snapDirOf returns the inode of the directory of the snapshots of a live directory.
func (fs *FS) snapDirOf(live layout.Inode) layout.Inode {
	list := fs.snaps.All()
	changed := live.Btime()
	if n := len(list); n > 0 {
		// Clients look at that it has changed: while the newest one stays there can only be fewer.
		changed = list[n-1].Time + int64(list[n-1].Epoch) - int64(n)
	}
	in := layout.Inode(make([]byte, layout.InodeSize))
	layout.InitInode(in, live.Ino(), live.Gen())
	in.SetSnap(SnapDir)
	in.SetMode(layout.ModeDir | 0o555)
	in.SetNlink(2)
	in.SetSize(uint64(len(list)))
	in.SetParent(live.Ino())
	in.SetAtime(changed)
	in.SetMtime(changed)
	in.SetCtime(changed)
	in.SetBtime(live.Btime())
	in.AddChange(uint64(changed))
	return in
}

// copyLive copies a live inode.
func (fs *FS) copyLive(h Handle, wait bool, buf *[layout.InodeSize]byte) error {
	s := fs.stripes.of(h.Ino)
	if !s.read(wait) {
		return ErrWouldBlock
	}
	defer s.RUnlock()
	in, err := fs.inodes.Get(nil, h.Ino, h.Gen)
	if err == nil {
		copy(buf[:], in)
	}
	return err
}

// snapDirAttr returns the attributes of a directory of snapshots.
func (fs *FS) snapDirAttr(h Handle) (a Attr, err error) {
	err = fs.viewSnapDir(nil, h, func(in layout.Inode) error {
		a = attrOf(in)
		return nil
	})
	return a, err
}

// lookupSnapDir looks the name of a snapshot up.
func (fs *FS) lookupSnapDir(c *Cred, call *Call, h Handle, name []byte, a *Attr) error {
	return fs.viewSnapDir(call, h, func(in layout.Inode) (err error) {
		switch string(name) {
		case ".":
			*a = attrOf(in)
			return nil
		case "..":
			var live [layout.InodeSize]byte
			if err := fs.copyLive(h, true, &live); err != nil {
				return err
			}
			*a = attrOf(live[:])
			return nil
		}
		sn := fs.snaps.ByName(string(name))
		if sn == nil {
			return ErrNotExist
		}
		*a, err = fs.topAsOf(h.In(uint32(sn.Epoch)))
		return err
	})
}

// topAsOf returns the attributes of a live directory as it was in a snapshot; ErrNotExist if it did not exist.
func (fs *FS) topAsOf(h Handle) (a Attr, err error) {
	err = fs.viewSnapshot(nil, h, func(in layout.Inode) error {
		a = attrOf(in)
		return nil
	})
	if mapErr(err) == error(ErrStale) {
		err = ErrNotExist
	}
	return a, err
}

// readBatchSnapshot is readBatch for a directory of a snapshot, or of snapshots.
func (fs *FS) readBatchSnapshot(c *Cred, call *Call, h Handle, cookie uint64, withAttr bool, b *batch) (more bool, err error) {
	b.names, b.ents, b.ends = b.buf[:0], b.entBuf[:0], b.endsBuf[:0]
	err = fs.viewSnapshot(call, h, func(d layout.Inode) error {
		if !d.IsDir() {
			return ErrNotDir
		}
		if err := fs.allow(c, d, AccessRead); err != nil && !call.opened() {
			return err
		}
		if cookie == ^uint64(0) {
			return nil
		}
		if h.Snap == SnapDir {
			more, err = fs.scanSnapDir(h, d, cookie, b)
			return err
		}
		more, err = fs.scanSnapshot(call, h, d, cookie, withAttr, b)
		return err
	})
	return more, err
}

// scanSnapshot adds entries after a cookie to a batch.
func (fs *FS) scanSnapshot(call *Call, h Handle, d layout.Inode, cookie uint64, withAttr bool, b *batch) (more bool, err error) {
	buf := slotPool.Get().(*[layout.InodeSize]byte)
	defer slotPool.Put(buf)
	if cookie < cookieDot {
		b.add(nameDot, h, TypeDir, cookieDot, nil)
	}
	if cookie < cookieDotDot {
		up, err := fs.aboveAsOf(call, d)
		if err != nil {
			return false, err
		}
		b.add(nameDotDot, up, TypeDir, cookieDotDot, nil)
	}
	dd, blocked := dir.Open(fs.j, nil, d, fs.key), false
	err = dd.Scan(max(cookie, cookieDotDot), func(e dir.Entry) bool {
		var attr *Attr
		if withAttr {
			in, err := fs.childAsOf(e.Ino, h.Snap, call.waits(), buf)
			if blocked = err == error(ErrWouldBlock); blocked {
				return false
			}
			if err == nil {
				a := attrOf(in)
				attr = &a
			}
		}
		more = !b.add(e.Name, Handle{Ino: e.Ino, Snap: h.Snap}, FileType(e.Type), e.Key, attr)
		return !more
	})
	if blocked {
		return false, ErrWouldBlock
	}
	return more, err
}

// scanSnapDir adds snapshots after a cookie to a batch, each with its attributes: a directory that did not exist then is left out.
func (fs *FS) scanSnapDir(h Handle, d layout.Inode, cookie uint64, b *batch) (more bool, err error) {
	self := attrOf(d)
	if cookie < cookieDot {
		b.add(nameDot, h, TypeDir, cookieDot, &self)
	}
	if cookie < cookieDotDot {
		b.add(nameDotDot, h.In(0), TypeDir, cookieDotDot, nil)
	}
	for _, sn := range fs.snaps.All() {
		at := sn.Epoch << snapCookieShift
		if at <= cookie {
			continue
		}
		a, err := fs.topAsOf(h.In(uint32(sn.Epoch)))
		if err != nil {
			continue // the name leads nowhere, or to what is damaged, which a Lookup will say
		}
		if !b.add([]byte(sn.Name), a.Handle, TypeDir, at, &a) {
			return true, nil
		}
	}
	return false, nil
}

// snapCookieShift makes cookies of epochs that are in the range of those of names.
const snapCookieShift = 63 - 28

// add adds an entry. It returns false when the batch is full.
func (b *batch) add(name []byte, h Handle, t FileType, cookie uint64, a *Attr) bool {
	n := len(b.ents)
	b.ents = b.ents[:n+1]
	e := &b.ents[n]
	e.Ino, e.Snap, e.Type, e.Cookie, e.HasAttr = h.Ino, h.Snap, t, cookie, a != nil
	if a != nil {
		e.Attr = *a
	}
	b.names = append(b.names, name...)
	b.ends = append(b.ends, len(b.names))
	return n+1 < batchEntries
}
