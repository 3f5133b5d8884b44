package pmemfs

import (
	"pmemfs/pmemfs/internal/dir"
	"pmemfs/pmemfs/internal/layout"
)

// Unlink removes a name that is not a directory's. The file goes with its last name, unless it is held. It needs write
// and execute permission on dir. One fence, more for a file in more than 256 extents; durable on return.
func (fs *FS) Unlink(c *Cred, dir Handle, name []byte) error {
	return fs.removeCall(c, dir, name, false)
}

// Rmdir removes an empty directory. One fence; durable on return.
func (fs *FS) Rmdir(c *Cred, dir Handle, name []byte) error {
	return fs.removeCall(c, dir, name, true)
}

func (fs *FS) removeCall(c *Cred, dir Handle, name []byte, isDir bool) (err error) {
	defer fs.finish(&err, dir.Ino)
	defer fs.region.Unguard(fs.region.Guard(), &err)
	if err := vetName(name); err != nil {
		if isDir && string(name) == ".." {
			return ErrNotEmpty
		}
		return err
	}
	g, err := fs.enter(dir.Ino)
	if err != nil {
		return err
	}
	defer g.RUnlock()
	for guess := uint64(0); ; {
		ino, later, again, err := fs.remove(c, dir, name, guess, isDir)
		if again {
			guess = ino
			continue
		}
		if later && err == nil {
			fs.reapLater(ino) // the name is gone for good, and that is what was asked for
		}
		fs.trim(false)
		return err
	}
}

// remove removes a name under the stripes of the directory and of its inode. guess is the inode that the name had a
// moment ago, 0 when it has not been looked at. again is true when it has another one, ino, whose stripe was taken.
func (fs *FS) remove(c *Cred, h Handle, name []byte, guess uint64, isDir bool) (ino uint64, later, again bool, err error) {
	ls := fs.stripes.lock(h.Ino, guess, 0, 0)
	defer ls.unlock()
	op := fs.a.Begin()
	defer op.Done()
	call := c.call()
	d, err := fs.directory(call, 0, h)
	if err != nil {
		return 0, false, false, err
	}
	view := dir.Open(fs.j, nil, d, fs.key)
	e, found, _, err := view.Lookup(name)
	switch {
	case err != nil:
		return 0, false, false, err
	case fs.refuses(c, d, AccessExec, &err):
		return 0, false, false, err
	case !found:
		return 0, false, false, ErrNotExist
	case e.Ino != guess && !ls.try(e.Ino):
		return e.Ino, false, true, nil
	}
	in, err := fs.child(e.Ino)
	if err != nil {
		return 0, false, false, err
	}
	if err := call.about(in); err != nil {
		return 0, false, false, err
	}
	if err := fs.mayRemove(c, d, in, isDir); err != nil {
		return 0, false, false, err
	}
	last := in.Nlink() == 1 && !fs.held(e.Ino)
	if !last {
		fs.settle(e.Ino)
	}
	t := now()
	parent, err := fs.inodes.Shadow(op, h.Ino)
	if err != nil {
		return 0, false, false, err
	}
	gone, err := fs.inodes.Shadow(op, e.Ino)
	if err != nil {
		return 0, false, false, err
	}
	dd := dir.Open(fs.j, op, parent, fs.key)
	if err := dd.Remove(e); err != nil {
		return 0, false, false, err
	}
	if isDir {
		parent.SetNlink(parent.Nlink() - 1)
	}
	touch(parent, t)
	later, err = fs.dropLink(op, gone, t)
	if err != nil {
		return 0, false, false, err
	}
	call.expect(0, parent)
	call.note(op, Handle{})
	err = call.commit(op)
	if last && err == nil && fs.unstable.of(e.Ino) != nil {
		fs.forget(e.Ino) // nobody will ever see it
	}
	return e.Ino, later, false, err
}

// mayRemove checks the removal of child from d.
func (fs *FS) mayRemove(c *Cred, d, child layout.Inode, isDir bool) error {
	if err := fs.allow(c, d, AccessWrite|AccessExec); err != nil {
		return err
	}
	if err := maySticky(c, d, child); err != nil {
		return err
	}
	switch {
	case isDir && !child.IsDir():
		return ErrNotDir
	case !isDir && child.IsDir():
		return ErrIsDir
	case isDir && child.Size() > 0:
		return ErrNotEmpty
	}
	return nil
}

// Link gives a file another name. Directories have one only. One fence; durable on return.
func (fs *FS) Link(c *Cred, h Handle, d Handle, name []byte) (a Attr, err error) {
	defer fs.finish(&err, d.Ino)
	if err := vetName(name); err != nil {
		return a, err
	}
	g, err := fs.enter(d.Ino)
	if err != nil {
		return a, err
	}
	defer g.RUnlock()
	for r := (retry{}); ; {
		if a, err = fs.link(c, h, d, name); err == nil || !fs.again(err, &r) {
			return a, err
		}
	}
}

// link is one attempt of Link.
func (fs *FS) link(c *Cred, h Handle, d Handle, name []byte) (a Attr, err error) {
	defer fs.region.Unguard(fs.region.Guard(), &err)
	ls := fs.stripes.lock(h.Ino, d.Ino, 0, 0)
	defer ls.unlock()
	fs.settle(h.Ino)
	op := fs.a.Begin()
	defer op.Done()
	call := c.call()
	parent, err := fs.directory(call, 1, d)
	old, stale := fs.inodes.Get(nil, h.Ino, h.Gen)
	if stale != nil {
		return a, stale
	}
	call.see(0, old)
	if err != nil {
		return a, err
	}
	view := dir.Open(fs.j, nil, parent, fs.key)
	_, found, free, err := view.Lookup(name)
	switch {
	case err != nil:
		return a, err
	case old.IsDir():
		return a, ErrPerm
	case fs.refuses(c, parent, AccessExec, &err):
		return a, err
	case found:
		return a, ErrExist
	case fs.refuses(c, parent, AccessWrite|AccessExec, &err):
		return a, err
	case old.Nlink() == 0 || parent.Nlink() == 0:
		return a, ErrNotExist
	case old.Nlink() >= layout.LinkMax:
		return a, ErrTooManyLinks
	}
	t := now()
	in, err := fs.inodes.Shadow(op, h.Ino)
	if err != nil {
		return a, err
	}
	if parent, err = fs.inodes.Shadow(op, d.Ino); err != nil {
		return a, err
	}
	dd := dir.Open(fs.j, op, parent, fs.key)
	if err := dd.Insert(free, name, h.Ino, uint8(in.Mode()>>12)); err != nil {
		return a, err
	}
	in.SetNlink(in.Nlink() + 1)
	in.SetCtime(t)
	in.BumpChange()
	touch(parent, t)
	a = attrOf(in)
	call.expect(0, in)
	call.expect(1, parent)
	call.note(op, h)
	if err := call.commit(op); err != nil {
		return Attr{}, err
	}
	return a, nil
}
