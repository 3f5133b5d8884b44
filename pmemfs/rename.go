package pmemfs

import (
	"errors"
	"fmt"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/mutation"
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
	defer fs.finish(&err, from.Ino)
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
	if err := fs.renameLoop(&m); err != errAncestry {
		return err
	}
	fs.renameMu.Lock()
	defer fs.renameMu.Unlock()
	m.ancestry = true
	return fs.renameLoop(&m)
}

// errAncestry says that a directory changes its parent, which takes renameMu: two such moves could each make the other's
// target its own descendant.
var errAncestry = errors.New("rename needs to look at the ancestors")

func (fs *FS) peekBoth(m *moving) (err error) {
	if m.src, err = fs.peek(m.from, m.fromName); err != nil {
		return err
	}
	m.dst, err = fs.peek(m.to, m.toName)
	return err
}

func (fs *FS) renameLoop(m *moving) error {
	m.src, m.dst = 0, 0
	for r := (retry{}); ; {
		if m.ancestry {
			if err := fs.peekBoth(m); err != nil {
				return err
			}
			if err := fs.vetAncestry(m); err != nil {
				return err
			}
		}
		later, again, err := fs.rename(m)
		if again || err != nil && fs.again(err, &r) {
			continue
		}
		if later && err == nil {
			fs.reapLater(m.dst)
		}
		fs.trim(false)
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
	// No path is longer than there are inodes: a longer one is a circle, on a damaged image.
	for left := fs.j.Counts().Inodes; ino != top; left-- {
		if ino == layout.RootIno {
			return false, nil
		}
		if left < 0 {
			return false, fmt.Errorf("%w: the parents of directory %d go in a circle", layout.ErrDamaged, ino)
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
	defer fs.region.Unguard(fs.region.Guard(), &err)
	ls := fs.stripes.lock(m.from.Ino, m.to.Ino, m.src, m.dst)
	defer ls.unlock()
	op := fs.a.Begin()
	defer op.Done()
	x, again, err := fs.renamePlaces(op, m, &ls)
	if again || err != nil {
		return false, again, err
	}
	if err := m.c.call().about(x.src); err != nil {
		return false, false, err
	}
	if (x.src.IsDir() || x.dst != nil && x.dst.IsDir()) && m.from != m.to && !m.ancestry {
		return false, false, errAncestry
	}
	if m.src == m.dst && m.flags&RenameNoReplace == 0 {
		return false, false, nil // two names of one file: nothing to do, says POSIX
	}
	if err := fs.vetMove(x, m); err != nil {
		return false, false, err
	}
	t := now()
	if m.flags&RenameExchange != 0 {
		err = x.exchange()
	} else {
		later, err = fs.move(op, m, x, t)
	}
	if err != nil {
		return false, false, err
	}
	x.src.SetCtime(t)
	x.src.BumpChange()
	if m.flags&RenameExchange != 0 {
		x.dst.SetCtime(t)
		x.dst.BumpChange()
	}
	touch(x.fromIn, t)
	if m.flags&RenameExchange == 0 || !mutation.ExchangeStamps.Off() {
		touch(x.toIn, t)
	}
	call := m.c.call()
	call.expect(0, x.fromIn)
	call.expect(1, x.toIn)
	call.note(op, Handle{})
	return later, false, call.commit(op)
}
