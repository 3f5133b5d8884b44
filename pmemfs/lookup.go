package pmemfs

import (
	"errors"

	"pmemfs/pmemfs/internal/dir"
	"pmemfs/pmemfs/internal/inode"
	"pmemfs/pmemfs/internal/layout"
)

// directory returns the inode of the directory that h, handle i of a call, names. Its stripe is held. call may be nil.
func (fs *FS) directory(call *Call, i int, h Handle) (layout.Inode, error) {
	in, err := fs.inodes.Get(nil, h.Ino, h.Gen)
	if err != nil {
		return nil, err
	}
	if in.IsDir() {
		call.setPost(i, in)
		return in, nil
	}
	if fs.dirty.Of(h.Ino) == nil { // of a dirty file the medium has not the latest attributes
		call.setPost(i, in)
	}
	return nil, ErrNotDir
}

// child returns an inode that an entry of a locked directory names. That it does not exist is damage.
func (fs *FS) child(ino uint64) (layout.Inode, error) {
	in, err := fs.inodes.View(nil, ino)
	if errors.Is(err, inode.ErrStale) {
		return nil, damagedEntry(ino)
	}
	return in, err
}

// resolve returns the inode that a name has in a locked directory: its own entries, "." and "..".
func (fs *FS) resolve(d layout.Inode, name []byte) (ino uint64, err error) {
	switch string(name) {
	case ".":
		return d.Ino(), nil
	case "..":
		if d.Nlink() == 0 {
			return 0, ErrNotExist // removed while open, as the parent may be by now
		}
		return d.Parent(), nil
	}
	dd := dir.Open(fs.j, nil, d, fs.key)
	var at dir.Position
	e, found, _, err := dd.Lookup(name, &at)
	if err == nil && !found {
		err = ErrNotExist
	}
	return e.Ino, err
}

// Lookup returns the attributes, handle included, of the file that name means in dir; "." and ".." too, of which ".."
// of the root is the root, and leads no further than Call.Within says. It needs execute permission on dir, allocates nothing and costs no fence.
//
// Errors: ErrNotExist, ErrNotDir, ErrNameTooLong, ErrAccess; read errors.
func (fs *FS) Lookup(c *Cred, call *Call, dir Handle, name []byte) (a Attr, err error) {
	err = fs.lookup(c, call, dir, name, call.waits(), &a)
	return a, err
}

// lookup is Lookup; unless it is to wait, it returns ErrWouldBlock rather than do so.
func (fs *FS) lookup(c *Cred, call *Call, dir Handle, name []byte, wait bool, a *Attr) (err error) {
	defer fs.finish(&err, dir.Ino)
	defer fs.region.Unguard(fs.region.Guard(), &err)
	if len(name) > NameMax {
		return ErrNameTooLong
	}
	g, err := fs.enter(dir.Ino)
	if err != nil {
		return err
	}
	defer g.RUnlock()
	if dir.Snap != 0 {
		return fs.lookupSnapshot(c, call, dir, name, a)
	}
	if call.leadsToSnapshots(dir, name) {
		*a, err = fs.snapDirAttr(dir.In(SnapDir))
		return err
	}
	if string(name) == ".." && call.bounded() {
		return fs.lookupUp(c, call, dir, wait, a)
	}
	return fs.lookupName(c, call, dir, name, wait, a)
}

// lookupUp looks ".." up, or "." where the call may not go further up.
func (fs *FS) lookupUp(c *Cred, call *Call, dir Handle, wait bool, a *Attr) error {
	if !fs.holdParents(wait) {
		return ErrWouldBlock
	}
	defer fs.renameMu.RUnlock()
	name := nameDotDot
	switch within, err := fs.isWithin(call, dir, wait); {
	case err != nil:
		return err
	case !within:
		name = nameDot
	}
	return fs.lookupName(c, call, dir, name, wait, a)
}

// lookupName tries the child's stripe first, and where that is taken, or the child is dirty, takes both in order: that needs the
// answer beforehand, so it looks again until the answer is the same.
func (fs *FS) lookupName(c *Cred, call *Call, dir Handle, name []byte, wait bool, a *Attr) error {
	ino, err := fs.lookupFast(c, call, dir, name, wait, a)
	for err == errRetry {
		if !wait {
			return ErrWouldBlock
		}
		ino, err = fs.lookupBoth(c, call, dir, name, ino, a)
	}
	return err
}

// lookupFast holds the directory's stripe, which it takes only if it can be had at once unless it is to wait, and only
// tries the child's.
func (fs *FS) lookupFast(c *Cred, call *Call, dir Handle, name []byte, wait bool, a *Attr) (ino uint64, err error) {
	s := fs.stripes.of(dir.Ino)
	if !s.read(wait) {
		return 0, errRetry
	}
	defer s.RUnlock()
	d, err := fs.directory(call, 0, dir)
	if err != nil {
		return 0, err
	}
	if err := fs.allow(c, d, AccessExec); err != nil {
		return 0, err
	}
	if ino, err = fs.resolve(d, name); err != nil {
		return 0, err
	}
	return ino, fs.childAttr(s, ino, a)
}

// childAttr fills in the attributes of an inode that an entry of a directory, whose stripe is held, names. It returns
// errRetry rather than wait.
func (fs *FS) childAttr(held *stripe, ino uint64, a *Attr) error {
	if t := fs.stripes.of(ino); t != held {
		if !t.TryRLock() {
			return errRetry
		}
		defer t.RUnlock()
	}
	if fs.dirty.Of(ino) != nil {
		return errRetry // it has to be flushed, which takes the stripe exclusively
	}
	in, err := fs.child(ino)
	if err != nil {
		return err
	}
	*a = attrOf(in)
	return nil
}

// lookupBoth locks the directory and the inode that name had a moment ago. It returns errRetry, and the inode, when it has another one.
func (fs *FS) lookupBoth(c *Cred, call *Call, dir Handle, name []byte, guess uint64, a *Attr) (ino uint64, err error) {
	ls := fs.stripes.lock(dir.Ino, guess)
	defer ls.unlock()
	d, err := fs.directory(call, 0, dir)
	if err != nil {
		return 0, err
	}
	if err := fs.allow(c, d, AccessExec); err != nil {
		return 0, err
	}
	switch ino, err = fs.resolve(d, name); {
	case err != nil:
		return ino, err
	case ino != guess:
		return ino, errRetry
	}
	fs.dirty.FlushOrLose(ino)
	in, err := fs.child(ino)
	if err == nil {
		*a = attrOf(in)
	}
	return ino, err
}

// guess returns the inode number that name has in dir, to choose which stripes to lock; it may change at once. An absent
// name is 0.
func (fs *FS) guess(dir Handle, name []byte) (uint64, error) {
	s := fs.stripes.of(dir.Ino)
	s.RLock()
	defer s.RUnlock()
	d, err := fs.directory(nil, 0, dir)
	if err != nil {
		return 0, err
	}
	ino, err := fs.resolve(d, name)
	if errors.Is(err, ErrNotExist) {
		return 0, nil
	}
	return ino, err
}
