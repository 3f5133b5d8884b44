package archive

import (
	"crypto/rand"
	"errors"
	"fmt"

	"pmemfs/archive/tarball"
	"pmemfs/pmemfs"
)

// level is a directory that is being filled. What it is to have in the end it gets when that is over: filling changes its times, and
// what is made in it would have its default list.
type level struct {
	handle   pmemfs.Handle
	name     string
	entry    *tarball.Entry // what to give it; nil for nothing
	created  bool
	inherits bool        // has a default list
	old      pmemfs.Attr // of a fresh tree: times to give it back
}

// tempPrefix begins what a file is called until it is whole.
const tempPrefix = ".pmemfs-put-"

// tempName is such a name. Nobody else takes it.
func tempName() string { return tempPrefix + rand.Text() }

// enter makes the directory of some names the one that is filled. Those that are missing are made.
func (m *importer) enter(names []string) error {
	if len(m.levels) == 0 {
		if err := m.begin(); err != nil {
			return err
		}
	}
	same := 0
	for same < len(names) && same+1 < len(m.levels) && m.levels[same+1].name == names[same] {
		same++
	}
	if err := m.leave(same + 1); err != nil {
		return err
	}
	for _, name := range names[same:] {
		dir := m.levels[len(m.levels)-1].handle
		a, err := m.fs.Lookup(&superuser, nil, dir, []byte(name))
		if errors.Is(err, pmemfs.ErrNotExist) {
			a, err = m.fs.Mkdir(&superuser, nil, dir, []byte(name), &pmemfs.SetAttr{Mask: pmemfs.SetMode, Mode: 0o755})
			if err == nil {
				err = m.push(level{handle: a.Handle, name: name})
			}
			if err != nil {
				return err
			}
			continue
		}
		if err == nil && a.Type == pmemfs.TypeSymlink {
			err = fmt.Errorf("%w: the name leads through %q, which is a symbolic link", pmemfs.ErrNotDir, tarball.Short(name))
		} else if err == nil && a.Type != pmemfs.TypeDir {
			err = fmt.Errorf("%w: the name leads through %q, which is no directory", pmemfs.ErrNotDir, tarball.Short(name))
		}
		if err == nil {
			err = m.push(level{handle: a.Handle, name: name, old: a})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// begin makes the target the directory that is filled.
func (m *importer) begin() error {
	if !m.target.exists {
		return fmt.Errorf("%w: the archive's top is to be %q, which is not there", pmemfs.ErrNotExist, tarball.Short(m.target.name))
	}
	if m.target.attr.Type != pmemfs.TypeDir {
		return fmt.Errorf("%w: the archive's top is to be %q", pmemfs.ErrNotDir, tarball.Short(m.target.name))
	}
	return m.push(level{handle: m.target.attr.Handle})
}

func (m *importer) push(l level) error {
	acls, err := m.fs.GetACLs(nil, l.handle)
	if err != nil {
		return err
	}
	l.inherits = len(acls.Default) > 0
	m.levels = append(m.levels, l)
	return nil
}

// leave ends the filling of all but the first so many directories, the innermost first.
func (m *importer) leave(keep int) error {
	for len(m.levels) > keep {
		n := len(m.levels) - 1
		l := m.levels[n]
		m.levels = m.levels[:n]
		if l.entry != nil {
			if err := m.dress(l.entry, l.handle, l.created); err != nil {
				return m.about(l.entry, err)
			}
			continue
		}
		if m.fresh && l.old.Mtime != 0 {
			s := pmemfs.SetAttr{Mask: pmemfs.SetMtime, Mtime: l.old.Mtime}
			if _, err := m.fs.Setattr(&superuser, nil, l.handle, &s); err != nil {
				return err
			}
		}
	}
	return nil
}

// dir makes a directory, or takes the one that is there, and makes it the one that is filled.
func (m *importer) dir(e *tarball.Entry, dir pmemfs.Handle, name string) error {
	a, err := m.target.attr, error(nil)
	top := len(m.levels) == 0
	if name != "" {
		a, err = lookupDir(m.fs, dir, name)
	}
	created := errors.Is(err, pmemfs.ErrNotExist)
	if created {
		// Only root gets into it until it is whole.
		a, err = m.fs.Mkdir(&superuser, nil, dir, []byte(name), &pmemfs.SetAttr{Mask: pmemfs.SetMode | pmemfs.SetUID | pmemfs.SetGID, Mode: 0o700, UID: e.UID, GID: e.GID})
	}
	if err != nil {
		return err
	}
	if top {
		m.target = place{a, dir, name, true}
	}
	return m.push(level{handle: a.Handle, name: name, entry: e, created: created})
}

// lookupDir finds a directory.
func lookupDir(fs *pmemfs.FS, dir pmemfs.Handle, name string) (pmemfs.Attr, error) {
	a, err := fs.Lookup(&superuser, nil, dir, []byte(name))
	if err == nil && a.Type != pmemfs.TypeDir {
		return a, fmt.Errorf("%w: what is there is none", pmemfs.ErrNotDir)
	}
	return a, err
}
