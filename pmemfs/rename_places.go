package pmemfs

import (
	"pmemfs/pmemfs/internal/alloc"
	"pmemfs/pmemfs/internal/dir"
	"pmemfs/pmemfs/internal/layout"
)

// places is what a rename changes, as shadows.
type places struct {
	fromIn, toIn  layout.Inode
	from, to      *dir.Dir // the same one for a rename within a directory
	srcEnt        dir.Entry
	dstEnt        dir.Entry
	free          uint64 // key for the new name when there is no target
	src, dst      layout.Inode
	crossesParent bool
}

func (fs *FS) renamePlaces(op *alloc.Op, m *moving, ls *lockSet) (x *places, again bool, err error) {
	x = &places{crossesParent: m.from != m.to}
	for i, h := range []Handle{m.from, m.to} {
		d, err := fs.directory(m.c.call(), i, h)
		if err != nil {
			return nil, false, err
		}
		if err := fs.allow(m.c, d, AccessExec); err != nil {
			return nil, false, err
		}
	}
	if x.fromIn, err = fs.inodes.Shadow(op, m.from.Ino); err != nil {
		return nil, false, err
	}
	if x.toIn, err = fs.inodes.Shadow(op, m.to.Ino); err != nil {
		return nil, false, err
	}
	d := dir.Open(fs.j, op, x.fromIn, fs.key)
	x.from, x.to = &d, &d
	if x.crossesParent {
		d2 := dir.Open(fs.j, op, x.toIn, fs.key)
		x.to = &d2
	}
	var found bool
	if x.srcEnt, found, _, err = x.from.Lookup(m.fromName); err != nil || !found {
		return nil, false, orNotExist(err)
	}
	if x.dstEnt, found, x.free, err = x.to.Lookup(m.toName); err != nil {
		return nil, false, err
	}
	if x.srcEnt.Ino != m.src || x.dstEnt.Ino != m.dst {
		m.src, m.dst = x.srcEnt.Ino, x.dstEnt.Ino
		if m.ancestry || !ls.try(m.src) || found && !ls.try(m.dst) {
			return nil, true, nil // look at the ancestry, or lock, with what is there now
		}
	}
	if x.toIn.Nlink() == 0 {
		return nil, false, ErrNotExist
	}
	fs.settle(m.src) // before op has shadows of these
	fs.settle(m.dst)
	if x.src, err = fs.editChild(op, m.src); err != nil {
		return nil, false, err
	}
	if m.dst != 0 {
		x.dst, err = fs.editChild(op, m.dst)
	}
	return x, false, err
}

func orNotExist(err error) error {
	if err == nil {
		return ErrNotExist
	}
	return err
}

func (fs *FS) editChild(op *alloc.Op, ino uint64) (layout.Inode, error) {
	if _, err := fs.child(ino); err != nil {
		return nil, err
	}
	return fs.inodes.Shadow(op, ino)
}

// vetMove checks permissions and types.
func (fs *FS) vetMove(x *places, m *moving) error {
	for _, d := range []layout.Inode{x.fromIn, x.toIn} {
		if err := fs.allow(m.c, d, AccessWrite|AccessExec); err != nil {
			return err
		}
	}
	if err := maySticky(m.c, x.fromIn, x.src); err != nil {
		return err
	}
	if err := fs.mayMove(x, m.c, x.src); err != nil {
		return err
	}
	switch {
	case x.dst == nil && m.flags&RenameExchange != 0:
		return ErrNotExist
	case x.dst == nil:
		if x.src.IsDir() && x.crossesParent && x.toIn.Nlink() >= layout.LinkMax {
			return ErrTooManyLinks
		}
		return nil
	case m.flags&RenameNoReplace != 0:
		return ErrExist
	}
	if err := maySticky(m.c, x.toIn, x.dst); err != nil {
		return err
	}
	switch {
	case m.flags&RenameExchange != 0:
		if x.crossesParent && (x.src.IsDir() != x.dst.IsDir()) && max(x.fromIn.Nlink(), x.toIn.Nlink()) >= layout.LinkMax {
			return ErrTooManyLinks
		}
		return fs.mayMove(x, m.c, x.dst)
	case x.src.IsDir() && !x.dst.IsDir():
		return ErrNotDir
	case !x.src.IsDir() && x.dst.IsDir():
		return ErrIsDir
	case x.dst.IsDir() && x.dst.Size() > 0:
		return ErrNotEmpty
	}
	return nil
}

// mayMove returns ErrAccess when in is a directory that would get another parent, which changes its "..", and c may not
// write to it.
func (fs *FS) mayMove(x *places, c *Cred, in layout.Inode) error {
	if !in.IsDir() || !x.crossesParent || c.owns(in) {
		return nil
	}
	return fs.allow(c, in, AccessWrite)
}

// move makes the new name mean the source and drops the old one; what the new name meant loses a name.
func (fs *FS) move(op *alloc.Op, m *moving, x *places, t int64) (later bool, err error) {
	typ := uint8(x.src.Mode() >> 12)
	if x.dst != nil {
		err = x.to.Replace(x.dstEnt, m.src, typ)
	} else {
		err = x.to.Insert(x.free, m.toName, m.src, typ)
	}
	if err != nil {
		return false, err
	}
	if err := x.from.Remove(x.srcEnt); err != nil {
		return false, err
	}
	if x.src.IsDir() && x.crossesParent {
		x.src.SetParent(m.to.Ino)
		x.fromIn.SetNlink(x.fromIn.Nlink() - 1)
		x.toIn.SetNlink(x.toIn.Nlink() + 1)
	}
	if x.dst == nil {
		return false, nil
	}
	if x.dst.IsDir() {
		x.toIn.SetNlink(x.toIn.Nlink() - 1)
	}
	return fs.dropLink(op, x.dst, t)
}

// exchange makes each name mean what the other did.
func (x *places) exchange() error {
	srcType, dstType := uint8(x.src.Mode()>>12), uint8(x.dst.Mode()>>12)
	if err := x.from.Replace(x.srcEnt, x.dst.Ino(), dstType); err != nil {
		return err
	}
	if err := x.to.Replace(x.dstEnt, x.src.Ino(), srcType); err != nil {
		return err
	}
	if x.crossesParent {
		if x.src.IsDir() {
			x.src.SetParent(x.toIn.Ino())
			x.fromIn.SetNlink(x.fromIn.Nlink() - 1)
			x.toIn.SetNlink(x.toIn.Nlink() + 1)
		}
		if x.dst.IsDir() {
			x.dst.SetParent(x.fromIn.Ino())
			x.toIn.SetNlink(x.toIn.Nlink() - 1)
			x.fromIn.SetNlink(x.fromIn.Nlink() + 1)
		}
	}
	return nil
}
