package pmemfs

import (
	"cmp"
	"pmemfs/pmemfs/internal/dir"
	"pmemfs/pmemfs/internal/layout"
)

// Link gives a file another name. Directories have one only. One fence; durable on return.
//
// Errors: ErrExist, ErrNotExist, ErrNotDir, ErrNameTooLong, ErrInvalid as for Mkdir; ErrPerm for a directory; ErrAccess; ErrTooManyLinks;
// ErrCrossesQuota; change errors.
func (fs *FS) Link(c *Cred, call *Call, h Handle, d Handle, name []byte) (a Attr, err error) {
	if call.leadsToSnapshots(d, name) {
		return a, ErrExist
	}
	if err := cmp.Or(fs.changeable(h), fs.changeable(d)); err != nil {
		return a, err
	}
	if err := vetName(name); err != nil {
		return a, err
	}
	ch := change{fs: fs, call: call, ino: d.Ino}
	err = ch.single(func() error {
		parent, err := fs.directory(ch.call, 1, d)
		old, stale := fs.inodes.Get(nil, h.Ino, h.Gen)
		if stale != nil {
			return stale
		}
		ch.call.setPost(0, old)
		if err != nil {
			return err
		}
		var at dir.Position
		free, err := fs.mayLink(c, old, parent, name, &at)
		if err != nil {
			return err
		}
		op, t := ch.begin(), now()
		in, err := fs.inodes.Shadow(op, h.Ino)
		if err != nil {
			return err
		}
		if parent, err = fs.inodes.Shadow(op, d.Ino); err != nil {
			return err
		}
		dd := dir.Open(fs.j, op, parent, fs.key)
		if err := dd.Insert(&at, free, name, h.Ino, uint8(in.Mode()>>12)); err != nil {
			return err
		}
		in.SetNlink(in.Nlink() + 1)
		in.SetCtime(t)
		in.BumpChange()
		stampModified(parent, t)
		a = attrOf(in)
		ch.call.setNext(0, in)
		ch.call.setNext(1, parent)
		ch.call.note(op, h)
		return nil
	}, h.Ino, d.Ino)
	if err != nil {
		return Attr{}, err
	}
	return a, nil
}

// mayLink checks a Link, and returns the key that the name gets in the directory, and where.
func (fs *FS) mayLink(c *Cred, in, parent layout.Inode, name []byte, at *dir.Position) (key uint64, err error) {
	view := dir.Open(fs.j, nil, parent, fs.key)
	_, found, key, err := view.Lookup(name, at)
	switch {
	case err != nil:
		return 0, err
	case in.IsDir():
		return 0, ErrPerm
	case fs.refuses(c, parent, AccessExec, &err):
		return 0, err
	case found:
		return 0, ErrExist
	case fs.refuses(c, parent, AccessWrite|AccessExec, &err):
		return 0, err
	case in.Nlink() == 0 || parent.Nlink() == 0:
		return 0, ErrNotExist
	case in.Nlink() >= layout.LinkMax:
		return 0, ErrTooManyLinks
	case in.Project() != parent.Project():
		return 0, ErrCrossesQuota
	}
	return key, nil
}
