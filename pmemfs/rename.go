package pmemfs

import (
	"pmemfs/pmemfs/internal/alloc"
	"pmemfs/pmemfs/internal/dir"
	"pmemfs/pmemfs/internal/layout"
)

// moving is one attempt at a rename: the places and the inode numbers that were there a moment ago.
type moving struct {
	c                *Cred
	from, to         Handle
	fromName, toName []byte
	flags            RenameFlags
	src, dst         uint64 // inode numbers; 0 for none, or not looked at
	ancestry         bool   // renameMu is held
}

// Rename moves a name, atomically: a crash leaves the old or the new state. An existing target is replaced unless flags
// say otherwise. One fence; durable on return.
func (fs *FS) Rename(c *Cred, from Handle, fromName []byte, to Handle, toName []byte, flags RenameFlags) (err error) {
	defer finish(&err)
	defer fs.region.Unguard(fs.region.Guard(), &err)
	if err := vetName(fromName); err != nil {
		return err
	}
	if err := vetName(toName); err != nil {
		return err
	}
	if flags&^(RenameNoReplace|RenameExchange) != 0 || flags == RenameNoReplace|RenameExchange {
		return ErrInvalid
	}
	g, err := fs.enter(from.Ino)
	if err != nil {
		return err
	}
	defer g.RUnlock()
	m := moving{c: c, from: from, to: to, fromName: fromName, toName: toName, flags: flags}
	if from != to {
		// Two moves of directories could each make the other's target its own descendant.
		isDir, err := fs.movesDir(&m)
		if err != nil {
			return err
		}
		if isDir {
			fs.renameMu.Lock()
			defer fs.renameMu.Unlock()
			m.ancestry = true
		}
	}
	return fs.renameLoop(&m)
}

// movesDir reports whether a directory may change its parent.
func (fs *FS) movesDir(m *moving) (bool, error) {
	if err := fs.peekBoth(m); err != nil {
		return false, err
	}
	for _, ino := range []uint64{m.src, m.dst} {
		if ino == 0 {
			continue
		}
		isDir, err := fs.isDir(ino)
		if err != nil || isDir {
			return isDir, err
		}
	}
	return false, nil
}

// isDir reports whether an inode that was named a moment ago is a directory; one that is gone is none.
func (fs *FS) isDir(ino uint64) (bool, error) {
	s := fs.stripes.of(ino)
	s.RLock()
	defer s.RUnlock()
	in, err := fs.inodes.View(nil, ino)
	if mapErr(err) == ErrStale {
		return false, nil
	}
	return err == nil && in.IsDir(), err
}

func (fs *FS) peekBoth(m *moving) (err error) {
	if m.src, err = fs.peek(m.from, m.fromName); err != nil {
		return err
	}
	m.dst, err = fs.peek(m.to, m.toName)
	return err
}

func (fs *FS) renameLoop(m *moving) error {
	m.src, m.dst = 0, 0
	for {
		if m.ancestry {
			if err := fs.peekBoth(m); err != nil {
				return err
			}
			if err := fs.vetAncestry(m); err != nil {
				return err
			}
		}
		later, again, err := fs.rename(m)
		if again {
			continue
		}
		if later && err == nil {
			return fs.reap(m.dst)
		}
		return err
	}
}

// vetAncestry returns ErrInvalid when the target directory is the moved directory or below it, and ErrNotEmpty when the
// replaced one holds the source. renameMu is held, so no directory changes its parent meanwhile.
func (fs *FS) vetAncestry(m *moving) error {
	below, err := fs.isBelow(m.to.Ino, m.src)
	if err != nil {
		return err
	}
	if below {
		return ErrInvalid
	}
	if m.dst == 0 {
		return nil
	}
	if below, err = fs.isBelow(m.from.Ino, m.dst); err != nil || !below {
		return err
	}
	if m.flags&RenameExchange != 0 {
		return ErrInvalid
	}
	return ErrNotEmpty
}

// isBelow reports whether directory ino is top or has it among its ancestors.
func (fs *FS) isBelow(ino, top uint64) (bool, error) {
	for ino != top {
		if ino == layout.RootIno {
			return false, nil
		}
		parent, err := fs.parentOf(ino)
		if err != nil {
			return false, err
		}
		ino = parent
	}
	return true, nil
}

func (fs *FS) parentOf(ino uint64) (uint64, error) {
	s := fs.stripes.of(ino)
	s.RLock()
	defer s.RUnlock()
	in, err := fs.inodes.View(nil, ino)
	if err != nil {
		return 0, err
	}
	return in.Parent(), nil
}

// rename does it under the stripes of both directories and both inodes. again is true when the names have other inodes
// by now, which m then has.
func (fs *FS) rename(m *moving) (later, again bool, err error) {
	ls := fs.stripes.lock(m.from.Ino, m.to.Ino, m.src, m.dst)
	defer ls.unlock()
	op := fs.a.Begin()
	defer op.Done()
	x, again, err := fs.renamePlaces(op, m, &ls)
	if again || err != nil {
		return false, again, err
	}
	if m.src == m.dst {
		return false, false, nil // two names of one file: nothing to do, says POSIX
	}
	if err := x.vet(m); err != nil {
		return false, false, err
	}
	if (x.src.IsDir() || x.dst != nil && x.dst.IsDir()) && m.from != m.to && !m.ancestry {
		return false, false, ErrBusy // became a directory since movesDir looked: the client may retry
	}
	t := now()
	unlock := func() {}
	if m.flags&RenameExchange != 0 {
		err = x.exchange()
	} else {
		later, unlock, err = fs.move(op, m, x, t)
	}
	defer unlock()
	if err != nil {
		return false, false, err
	}
	x.src.SetCtime(t)
	x.src.BumpChange()
	touch(x.fromIn, t)
	touch(x.toIn, t)
	return later, false, op.Commit()
}

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
	for _, h := range []Handle{m.from, m.to} {
		d, err := fs.directory(h)
		if err != nil {
			return nil, false, err
		}
		if granted(m.c, d, AccessExec) == 0 {
			return nil, false, ErrAccess
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
		vetted := m.src
		m.src, m.dst = x.srcEnt.Ino, x.dstEnt.Ino
		if m.ancestry && vetted != 0 || !ls.try(m.src) || found && !ls.try(m.dst) {
			return nil, true, nil // look at the ancestry, or lock, with what is there now
		}
	}
	if x.toIn.Nlink() == 0 {
		return nil, false, ErrNotExist
	}
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

// vet checks permissions and types.
func (x *places) vet(m *moving) error {
	for _, d := range []layout.Inode{x.fromIn, x.toIn} {
		if err := allow(m.c, d, AccessWrite|AccessExec); err != nil {
			return err
		}
	}
	if err := maySticky(m.c, x.fromIn, x.src); err != nil {
		return err
	}
	if x.src.IsDir() && x.crossesParent && !m.c.owns(x.src) {
		if err := allow(m.c, x.src, AccessWrite); err != nil { // its ".." changes
			return err
		}
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
		return nil
	case x.src.IsDir() && !x.dst.IsDir():
		return ErrNotDir
	case !x.src.IsDir() && x.dst.IsDir():
		return ErrIsDir
	case x.dst.IsDir() && x.dst.Size() > 0:
		return ErrNotEmpty
	}
	return nil
}

// move makes the new name mean the source and drops the old one; what the new name meant loses a name.
func (fs *FS) move(op *alloc.Op, m *moving, x *places, t int64) (later bool, unlock func(), err error) {
	typ := uint8(x.src.Mode() >> 12)
	unlock = func() {}
	if x.dst != nil {
		err = x.to.Replace(x.dstEnt, m.src, typ)
	} else {
		err = x.to.Insert(x.free, m.toName, m.src, typ)
	}
	if err != nil {
		return false, unlock, err
	}
	if err := x.from.Remove(x.srcEnt); err != nil {
		return false, unlock, err
	}
	if x.src.IsDir() && x.crossesParent {
		x.src.SetParent(m.to.Ino)
		x.fromIn.SetNlink(x.fromIn.Nlink() - 1)
		x.toIn.SetNlink(x.toIn.Nlink() + 1)
	}
	if x.dst == nil {
		return false, unlock, nil
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
	x.dst.SetCtime(x.src.Ctime())
	x.dst.BumpChange()
	return nil
}
