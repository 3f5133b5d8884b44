package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"pmemfs/archive/tarball"
	"pmemfs/pmemfs"
)

const writeSize = 1 << 20 // bytes that are written at once

// ImportRequest says where to copy a tree.
type ImportRequest struct {
	Path string `json:"path" doc:"where the entry \".\" of the archive comes to be, from the root; / for the root itself"`
}

// importer copies one tree.
type importer struct {
	ctx    context.Context
	fs     *pmemfs.FS
	fresh  bool
	path   string
	target place // of the entry ".", at path
	report *Report
	levels []level // directories from the target's on, down to where the last entry is
	chunk  []byte
	temp   string
	noted  pmemfs.Handle // directory of the draft, as the image remembers it
}

// Import copies a tree from a source into an image. A file that is there already is replaced when the new one is whole; so is a
// link or a device. A directory that is there gets the attributes of the new one and keeps what is in it. Nothing is followed: a
// name that leads out of the target, or through a symbolic link, is an error.
//
// fresh says that nothing is there: then what comes twice is an error, and files have their names at once.
//
// When it fails, the entries before the failed one stay. Durable on return. Errors: a *tarball.Error names the entry, an *EntryError the file in the
// image too; that of ctx.
func Import(ctx context.Context, fs *pmemfs.FS, req ImportRequest, fresh bool, source tarball.Source) (Report, error) {
	report := NewReport()
	p, err := locate(fs, fs.Root(), req.Path, false)
	if err != nil {
		return report, err
	}
	m := importer{ctx: ctx, fs: fs, fresh: fresh, path: req.Path, target: p, report: &report, chunk: make([]byte, writeSize), temp: tempName()}
	err = m.all(source)
	if err == nil {
		err = m.leave(0)
	}
	return report, errors.Join(err, m.forget())
}

func (m *importer) all(source tarball.Source) error {
	for {
		if err := m.ctx.Err(); err != nil {
			return err
		}
		e, err := source.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := m.entry(e, source); err != nil {
			var placed *tarball.Error
			if errors.As(err, &placed) || m.ctx.Err() != nil {
				return err
			}
			return m.about(e, err)
		}
		m.report.count(e)
	}
}

// EntryError says which file could not be written: as an entry of the archive, if it comes from one, and in the image.
type EntryError struct {
	Path  string // in the image
	entry *tarball.Error
}

// Error names the entry of an archive, or else the file in the image.
func (e *EntryError) Error() string {
	if e.entry.Offset < 0 {
		return e.InImage()
	}
	return e.entry.Error()
}

// InImage is Error for somebody who knows of no archive.
func (e *EntryError) InImage() string {
	return fmt.Sprintf("%q: %v", tarball.Short(e.Path), e.entry.Unwrap())
}

// Unwrap returns the error that names the entry.
func (e *EntryError) Unwrap() error { return e.entry }

// about says of an error which file it is about.
func (m *importer) about(e *tarball.Entry, err error) error {
	names, nerr := parts(e.Name)
	if nerr != nil { // such a file there is not
		return e.Wrap(err)
	}
	path := "/" + strings.Trim(strings.TrimRight(m.path, "/")+"/"+strings.Join(names, "/"), "/")
	return &EntryError{path, &tarball.Error{Name: e.Name, Offset: e.Offset, Cause: err}}
}

// parts splits a name of an archive.
func parts(name string) ([]string, error) {
	if strings.HasPrefix(name, "/") {
		return nil, fmt.Errorf("%w: the name begins with /, and would lead out of the tree", pmemfs.ErrInvalid)
	}
	var list []string
	for part := range strings.SplitSeq(name, "/") {
		switch part {
		case "", ".":
		case "..":
			return nil, fmt.Errorf("%w: the name has .., and would lead out of the tree", pmemfs.ErrInvalid)
		default:
			list = append(list, part)
		}
	}
	return list, nil
}

// entry makes one file.
func (m *importer) entry(e *tarball.Entry, source tarball.Source) error {
	names, err := parts(e.Name)
	if err != nil {
		return err
	}
	dir, name := m.target.dir, m.target.name
	if len(names) > 0 {
		if err := m.enter(names[:len(names)-1]); err != nil {
			return err
		}
		dir, name = m.levels[len(m.levels)-1].handle, names[len(names)-1]
	} else if err := m.leave(0); err != nil {
		return err
	}
	if e.Type == tarball.Dir {
		return m.dir(e, dir, name)
	}
	if name == "" {
		return fmt.Errorf("%w: the root of the image is a directory, and the archive's top is none", pmemfs.ErrInvalid)
	}
	old, err := m.fs.Lookup(&superuser, nil, dir, []byte(name))
	there := err == nil
	switch {
	case err != nil && !errors.Is(err, pmemfs.ErrNotExist):
		return err
	case there && m.fresh:
		return fmt.Errorf("%w: the archive has this name twice", pmemfs.ErrExist)
	case there && old.Type == pmemfs.TypeDir:
		return fmt.Errorf("%w: a directory is in its place", pmemfs.ErrIsDir)
	}
	if m.fresh {
		_, err := m.make(e, dir, name, source)
		return err
	}
	return m.replace(e, dir, name, old, source)
}

// replace makes a file under another name, and gives it its own when it is whole.
func (m *importer) replace(e *tarball.Entry, dir pmemfs.Handle, name string, old pmemfs.Attr, source tarball.Source) (err error) {
	if err := m.note(dir); err != nil {
		return err
	}
	h, err := m.make(e, dir, m.temp, source)
	if err == nil && h != old.Handle {
		err = m.fs.Rename(&superuser, nil, dir, []byte(m.temp), dir, []byte(name), 0)
		if err == nil {
			return nil
		}
	}
	// What is left has no use. A link to what is there already leaves its other name behind too.
	if rerr := m.fs.Unlink(&superuser, nil, dir, []byte(m.temp)); rerr != nil && !errors.Is(rerr, pmemfs.ErrNotExist) {
		err = errors.Join(err, rerr)
	}
	return err
}

// make makes a file that is not there.
func (m *importer) make(e *tarball.Entry, dir pmemfs.Handle, name string, source tarball.Source) (pmemfs.Handle, error) {
	made := pmemfs.SetAttr{Mask: pmemfs.SetMode | pmemfs.SetUID | pmemfs.SetGID, Mode: e.Mode, UID: e.UID, GID: e.GID}
	n := []byte(name)
	var a pmemfs.Attr
	var err error
	switch e.Type {
	case tarball.Link:
		return m.link(e, dir, n)
	case tarball.Symlink:
		a, err = m.fs.Symlink(&superuser, nil, dir, n, []byte(e.Target), &made)
	case tarball.Regular:
		a, err = m.fs.Create(&superuser, nil, dir, n, &pmemfs.CreateOptions{Mode: pmemfs.Guarded, Attr: made})
		if err == nil {
			err = m.content(e, a.Handle, source)
		}
	default:
		t, ok := ofType(e.Type)
		if !ok {
			return pmemfs.Handle{}, fmt.Errorf("%w: entries of type %q are not known here", pmemfs.ErrInvalid, e.Type)
		}
		a, err = m.fs.Mknod(&superuser, nil, dir, n, t, e.Major, e.Minor, &made)
	}
	if err == nil {
		err = m.dress(e, a.Handle, true)
	}
	return a.Handle, err
}

func ofType(t tarball.Type) (pmemfs.FileType, bool) {
	for _, x := range types {
		if x.tar == t {
			return x.ours, true
		}
	}
	return 0, false
}

// link gives another name to a file that is there.
func (m *importer) link(e *tarball.Entry, dir pmemfs.Handle, name []byte) (pmemfs.Handle, error) {
	names, err := parts(e.Target)
	if err != nil {
		return pmemfs.Handle{}, fmt.Errorf("a link to %q: %w", tarball.Short(e.Target), err)
	}
	at := m.target.attr
	for _, n := range names {
		if err == nil {
			at, err = m.fs.Lookup(&superuser, nil, at.Handle, []byte(n))
		}
	}
	if err != nil || len(names) == 0 {
		return pmemfs.Handle{}, fmt.Errorf("a link to %q, which is not there before it: %w", tarball.Short(e.Target), errors.Join(err, pmemfs.ErrInvalid))
	}
	_, err = m.fs.Link(&superuser, nil, at.Handle, dir, name)
	return at.Handle, err
}

// content writes a file's data.
func (m *importer) content(e *tarball.Entry, h pmemfs.Handle, source tarball.Source) error {
	for _, part := range e.Extents() {
		for off, end := part.Off, part.Off+part.Len; off < end; {
			if err := m.ctx.Err(); err != nil {
				return err
			}
			p := m.chunk[:min(end-off, writeSize-off%writeSize)]
			if _, err := io.ReadFull(source, p); err != nil {
				return err
			}
			if _, _, err := m.fs.Write(&superuser, nil, h, p, off); err != nil {
				return err
			}
			off += uint64(len(p))
			m.report.Bytes += uint64(len(p))
		}
	}
	return nil
}

// dress gives a file the attributes that come last: extended ones, mode, times, size.
func (m *importer) dress(e *tarball.Entry, h pmemfs.Handle, created bool) error {
	if err := m.xattrs(e, h, created); err != nil {
		return err
	}
	s := pmemfs.SetAttr{Mask: pmemfs.SetMtime, Mtime: e.Mtime}
	if e.HasAtime {
		s.Mask, s.Atime = s.Mask|pmemfs.SetAtime, e.Atime
	}
	if e.Type != tarball.Symlink {
		s.Mask, s.Mode = s.Mask|pmemfs.SetMode, e.Mode
	}
	if e.Type == tarball.Regular && e.Sparse {
		s.Mask, s.Size = s.Mask|pmemfs.SetSize, e.Size
	}
	if !created {
		s.Mask, s.UID, s.GID = s.Mask|pmemfs.SetUID|pmemfs.SetGID, e.UID, e.GID
	}
	_, err := m.fs.Setattr(&superuser, nil, h, &s)
	return err
}

// xattrs sets extended attributes, and takes away lists that a new file has from its directory.
func (m *importer) xattrs(e *tarball.Entry, h pmemfs.Handle, created bool) error {
	if n := len(m.levels); created && n > 0 && m.levels[n-1].inherits && e.Type != tarball.Symlink {
		kinds := pmemfs.ACLAccess
		if e.Type == tarball.Dir {
			kinds |= pmemfs.ACLDefault
		}
		if err := m.fs.SetACLs(&superuser, nil, h, pmemfs.ACLs{}, kinds); err != nil {
			return err
		}
	}
	for _, x := range e.Xattrs {
		if err := m.fs.SetXattr(&superuser, nil, h, []byte(x.Name), x.Value, 0); err != nil {
			return fmt.Errorf("extended attribute %q: %w", tarball.Short(x.Name), err)
		}
	}
	return nil
}
