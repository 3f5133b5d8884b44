package pmemfs

import (
	"cmp"

	"pmemfs/pmemfs/internal/dir"
	"pmemfs/pmemfs/internal/layout"
)

// Unlink removes a name that is not a directory's. The file goes with its last name, unless it is held. It needs write
// and execute permission on dir. One fence, more for a file in more than 256 extents; durable on return.
//
// Errors: ErrNotExist, ErrNotDir, ErrIsDir, ErrNameTooLong, ErrInvalid; ErrAccess, ErrPerm below a sticky directory; change errors. ErrStale
// also says that the name is not that of Call.Expected.
func (fs *FS) Unlink(c *Cred, call *Call, dir Handle, name []byte) error {
	return fs.removeCall(c, call, dir, name, false)
}

// Rmdir removes an empty directory. One fence; durable on return.
//
// Errors: ErrNotEmpty, ErrNotDir; those of Unlink.
func (fs *FS) Rmdir(c *Cred, call *Call, dir Handle, name []byte) error {
	return fs.removeCall(c, call, dir, name, true)
}

func (fs *FS) removeCall(c *Cred, call *Call, dir Handle, name []byte, isDir bool) error {
	if err := fs.changeable(dir); err != nil {
		return err
	}
	if call.leadsToSnapshots(dir, name) {
		return ErrReadOnly
	}
	if err := vetName(name); err != nil {
		if isDir && string(name) == ".." {
			return ErrNotEmpty
		}
		return err
	}
	r := removal{change: change{fs: fs, call: call, ino: dir.Ino, trims: true}, dir: dir, isDir: isDir}
	return r.run(func() error { return r.attempt(c, name) })
}

// removal is an Unlink or a Rmdir under way.
type removal struct {
	change
	dir   Handle
	isDir bool
	child uint64 // the inode that the name had in the last attempt; 0 before
	last  bool   // the name is the last one of a file that nobody has open: nobody will ever see its dirty data
}

func (r *removal) attempt(c *Cred, name []byte) error {
	r.lock(r.dir.Ino, cmp.Or(r.child, r.dir.Ino))
	if err := r.record(func() error { return r.body(c, name) }); err != nil {
		return err
	}
	if r.last {
		r.fs.dirty.Drop(r.child)
	}
	return nil
}

// body finds the inode that the name has, and removes the name under both locks.
func (r *removal) body(c *Cred, name []byte) error {
	fs := r.fs
	d, err := fs.directory(r.call, 0, r.dir)
	if err != nil {
		return err
	}
	var at dir.Position
	view := dir.Open(fs.j, nil, d, fs.key)
	e, found, _, err := view.Lookup(name, &at)
	switch {
	case err != nil:
		return err
	case fs.refuses(c, d, AccessExec, &err):
		return err
	case !found:
		return ErrNotExist
	}
	if r.child = e.Ino; !r.also(e.Ino) {
		return errRetry
	}
	in, err := fs.child(e.Ino)
	if err != nil {
		return err
	}
	if err := r.call.vetExpected(in); err != nil {
		return err
	}
	if err := fs.mayRemove(c, d, in, r.isDir); err != nil {
		return err
	}
	if r.last = in.Nlink() == 1 && !fs.held(e.Ino); !r.last {
		r.flush(e.Ino)
	}
	op, t := r.begin(), now()
	parent, err := fs.inodes.Shadow(op, r.dir.Ino)
	if err != nil {
		return err
	}
	gone, err := fs.inodes.Shadow(op, e.Ino)
	if err != nil {
		return err
	}
	dd := dir.Open(fs.j, op, parent, fs.key)
	if err := dd.Remove(&at, e); err != nil {
		return err
	}
	if r.isDir {
		parent.SetNlink(parent.Nlink() - 1)
	}
	stampModified(parent, t)
	if err := r.dropLink(gone, t); err != nil {
		return err
	}
	r.call.setNext(0, parent)
	r.call.note(op, Handle{})
	return nil
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
