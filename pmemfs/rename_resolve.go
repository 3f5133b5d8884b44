package pmemfs

import (
	"fmt"

	"pmemfs/pmemfs/internal/dir"
	"pmemfs/pmemfs/internal/layout"
)

// resolve finds both directories, entries and files, under the locks. Nothing is changed, and no operation has begun.
func (m *renaming) resolve(c *Cred, names *pair) (err error) {
	fs, from, to := m.fs, &m.from, &m.to
	for i, s := range []*side{from, to} {
		if s.parent, err = fs.directory(m.call, i, s.dir); err != nil {
			return err
		}
		if err := fs.allow(c, s.parent, AccessExec); err != nil {
			return err
		}
		s.names = dir.Open(fs.j, nil, s.parent, fs.key)
	}
	old := [2]uint64{from.ino, to.ino}
	var found bool
	if from.entry, found, _, err = from.names.Lookup(names.from, &from.at); err != nil {
		return err
	}
	if !found {
		return ErrNotExist
	}
	if to.entry, found, m.free, err = to.names.Lookup(names.to, &to.at); err != nil {
		return err
	}
	from.ino, to.ino = from.entry.Ino, to.entry.Ino
	if old != [2]uint64{from.ino, to.ino} && (m.ancestry || !m.also(from.ino) || found && !m.also(to.ino)) {
		return errRetry // look at the ancestry, or lock, with what is there now
	}
	if to.parent.Nlink() == 0 {
		return ErrNotExist
	}
	m.flush(from.ino)
	if from.child, err = fs.child(from.ino); err != nil {
		return err
	}
	to.child = nil
	if found {
		m.flush(to.ino)
		to.child, err = fs.child(to.ino)
	}
	return err
}

// edit begins the operation and puts shadows in the place of what resolve has found.
func (m *renaming) edit() (err error) {
	fs, op := m.fs, m.begin()
	for _, s := range []*side{&m.from, &m.to} {
		if s.parent, err = fs.inodes.Shadow(op, s.dir.Ino); err != nil {
			return err
		}
		s.names = dir.Open(fs.j, op, s.parent, fs.key)
		if s.child != nil {
			if s.child, err = fs.inodes.Shadow(op, s.ino); err != nil {
				return err
			}
		}
	}
	return nil
}

// mayRename checks permissions and types.
func (m *renaming) mayRename(c *Cred) error {
	fs, from, to := m.fs, &m.from, &m.to
	for _, s := range []*side{from, to} {
		if err := fs.allow(c, s.parent, AccessWrite|AccessExec); err != nil {
			return err
		}
	}
	if err := m.mayMove(c, from); err != nil {
		return err
	}
	if from.parent.Project() != to.parent.Project() {
		return ErrCrossesQuota
	}
	exchange := m.flags&RenameExchange != 0
	switch {
	case to.child == nil && exchange:
		return ErrNotExist
	case to.child == nil:
		if from.isDir() && m.crosses && to.parent.Nlink() >= layout.LinkMax {
			return ErrTooManyLinks
		}
		return nil
	case m.flags&RenameNoReplace != 0:
		return ErrExist
	}
	if err := maySticky(c, to.parent, to.child); err != nil {
		return err
	}
	switch {
	case exchange && m.crosses && from.isDir() != to.isDir() && max(from.parent.Nlink(), to.parent.Nlink()) >= layout.LinkMax:
		return ErrTooManyLinks
	case exchange:
		return m.mayMove(c, to)
	case from.isDir() && !to.isDir():
		return ErrNotDir
	case !from.isDir() && to.isDir():
		return ErrIsDir
	case to.isDir() && to.child.Size() > 0:
		return ErrNotEmpty
	}
	return nil
}

// mayMove checks that a file may lose its name, and, if it is a directory that gets another parent, that its ".." may be
// written to.
func (m *renaming) mayMove(c *Cred, s *side) error {
	if err := maySticky(c, s.parent, s.child); err != nil {
		return err
	}
	if !s.isDir() || !m.crosses || c.owns(s.child) {
		return nil
	}
	return m.fs.allow(c, s.child, AccessWrite)
}

// vetAncestry finds the inodes that the names have, before they are locked. It returns ErrInvalid when the target directory is
// the moved directory or below it, and ErrNotEmpty when the replaced one holds the source. renameMu is held, so no directory
// changes its parent meanwhile.
func (m *renaming) vetAncestry(names *pair) (err error) {
	fs := m.fs
	defer fs.region.Unguard(fs.region.Guard(), &err)
	if m.from.ino, err = fs.guess(m.from.dir, names.from); err != nil {
		return err
	}
	if m.to.ino, err = fs.guess(m.to.dir, names.to); err != nil {
		return err
	}
	below, err := fs.isBelow(m.to.dir.Ino, m.from.ino)
	if err != nil {
		return err
	}
	if below {
		return ErrInvalid
	}
	if m.to.ino == 0 {
		return nil
	}
	if below, err = fs.isBelow(m.from.dir.Ino, m.to.ino); err != nil || !below {
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
