package pmemfs

import (
	"cmp"

	"pmemfs/pmemfs/internal/dir"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/mutation"
)

// Rename moves a name, atomically: a crash leaves the old or the new state. An existing target is replaced unless flags
// say otherwise. One fence; durable on return.
//
// Errors: ErrNotExist, ErrNotDir, ErrIsDir, ErrNotEmpty, ErrNameTooLong; ErrExist by RenameNoReplace; ErrInvalid for a directory that would be
// below itself, and for flags; ErrAccess, ErrPerm below a sticky directory; ErrTooManyLinks; ErrCrossesQuota; change errors. ErrStale also
// says that the old name is not that of Call.Expected.
func (fs *FS) Rename(c *Cred, call *Call, from Handle, fromName []byte, to Handle, toName []byte, flags RenameFlags) error {
	if err := cmp.Or(fs.changeable(from), fs.changeable(to)); err != nil {
		return err
	}
	if call.leadsToSnapshots(from, fromName) || call.leadsToSnapshots(to, toName) {
		return ErrReadOnly
	}
	if err := vetName(fromName); err != nil {
		return err
	}
	if err := vetName(toName); err != nil {
		return err
	}
	if flags&^(RenameNoReplace|RenameExchange) != 0 || flags == RenameNoReplace|RenameExchange {
		return ErrInvalid
	}
	m := renaming{
		change: change{fs: fs, call: call, ino: from.Ino, trims: true},
		from:   side{dir: from}, to: side{dir: to}, flags: flags, crosses: from != to,
	}
	names := pair{fromName, toName}
	return m.run(func() error { return m.attempt(c, &names) })
}

// pair is the old name and the new one.
type pair struct{ from, to []byte }

// renaming is a Rename under way: what is asked, what has been found under the locks, and what the next attempt has to know.
//
// An attempt locks the directories and what it takes for the files, resolves the names again under the locks, checks, and
// changes. It ends with errRetry when a name has a file that it could not lock, and the next attempt locks that; or when it
// finds that a directory changes its parent, and the next attempt holds renameMu.
type renaming struct {
	change
	from, to side
	flags    RenameFlags
	crosses  bool   // from one directory to another
	free     uint64 // the key of the new name, when there is no target

	// ancestry says that renameMu is held: two moves of directories could each make the other's target its own descendant.
	ancestry bool
}

// side is one end of a rename.
type side struct {
	dir Handle
	ino uint64 // the inode that the name has, 0 for none; before the locks are held, that it had a moment ago

	// Found by resolve, and then, as shadows, by edit.
	parent layout.Inode
	names  dir.Dir
	at     dir.Position // of the name
	entry  dir.Entry
	child  layout.Inode // nil for none
}

// typ returns the type of the file, as an entry of a directory has it.
func (s *side) typ() uint8 { return uint8(s.child.Mode() >> 12) }

// isDir reports whether the name is a directory's.
func (s *side) isDir() bool { return s.child != nil && s.child.IsDir() }

func (m *renaming) attempt(c *Cred, names *pair) error {
	if m.ancestry {
		m.fs.renameMu.Lock()
		defer m.fs.renameMu.Unlock()
		if err := m.vetAncestry(names); err != nil {
			return err
		}
	}
	m.lock(m.from.dir.Ino, m.to.dir.Ino, cmp.Or(m.from.ino, m.from.dir.Ino), cmp.Or(m.to.ino, m.to.dir.Ino))
	return m.record(func() error { return m.body(c, names) })
}

// body renames under the locks of both directories and both files.
func (m *renaming) body(c *Cred, names *pair) error {
	if err := m.resolve(c, names); err != nil {
		return err
	}
	if err := m.call.vetExpected(m.from.child); err != nil {
		return err
	}
	if (m.from.isDir() || m.to.isDir()) && m.crosses && !m.ancestry {
		m.ancestry = true
		return errRetry
	}
	if m.from.ino == m.to.ino && m.flags&RenameNoReplace == 0 {
		return nil // two names of one file: nothing to do, says POSIX
	}
	if err := m.mayRename(c); err != nil {
		return err
	}
	m.fs.noteMoved(&m.from, &m.to)
	if err := m.edit(); err != nil {
		return err
	}
	t := now()
	var err error
	if m.flags&RenameExchange != 0 {
		err = m.exchange(t)
	} else {
		err = m.replace(names.to, t)
	}
	if err != nil {
		return err
	}
	m.from.child.SetCtime(t)
	m.from.child.BumpChange()
	stampModified(m.from.parent, t)
	if m.flags&RenameExchange == 0 || !mutation.ExchangeStamps.Off() {
		stampModified(m.to.parent, t)
	}
	m.call.setNext(0, m.from.parent)
	m.call.setNext(1, m.to.parent)
	m.call.note(m.op, Handle{})
	return nil
}

// target returns the names of the directory that the new name is in, which may be that of the old one.
func (m *renaming) target() *dir.Dir {
	if m.crosses {
		return &m.to.names
	}
	return &m.from.names
}

// replace makes the new name mean the source and drops the old one; what the new name meant loses a name.
func (m *renaming) replace(name []byte, t int64) (err error) {
	from, to := &m.from, &m.to
	if to.child != nil {
		err = m.target().Replace(to.entry, from.ino, from.typ())
	} else {
		err = m.target().Insert(&to.at, m.free, name, from.ino, from.typ())
	}
	if err != nil {
		return err
	}
	if err := from.names.Remove(&from.at, from.entry); err != nil {
		return err
	}
	m.reparent(from, to)
	if to.child == nil {
		return nil
	}
	if to.isDir() {
		to.parent.SetNlink(to.parent.Nlink() - 1)
	}
	return m.dropLink(to.child, t)
}

// exchange makes each name mean what the other did.
func (m *renaming) exchange(t int64) error {
	from, to := &m.from, &m.to
	if err := from.names.Replace(from.entry, to.ino, to.typ()); err != nil {
		return err
	}
	if err := m.target().Replace(to.entry, from.ino, from.typ()); err != nil {
		return err
	}
	m.reparent(from, to)
	m.reparent(to, from)
	to.child.SetCtime(t)
	to.child.BumpChange()
	return nil
}

// reparent gives what has one name, if it is a directory, the directory of the other name for a parent.
func (m *renaming) reparent(one, other *side) {
	if !one.isDir() {
		hintParent(m.op, one.child, other.dir.Ino)
	}
	if one.isDir() && m.crosses {
		one.child.SetParent(other.dir.Ino)
		one.parent.SetNlink(one.parent.Nlink() - 1)
		other.parent.SetNlink(other.parent.Nlink() + 1)
	}
}
