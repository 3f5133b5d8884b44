// Package archive copies trees between an image and a tarball.Source or Sink, lists directories and removes files, by paths, as
// commands without a mount do it.
//
// Everything is done as user 0: no permission is looked at, quotas count, locks of clients do not. Paths are bytes and begin at the root
// of the image, or of a snapshot.
//
// # Concurrency and durability
//
// All functions may be called beside all other calls of the filesystem, and hold no lock of their own. What they have changed when they
// return is durable.
package archive

import (
	"errors"
	"fmt"
	pathpkg "path"
	"strings"

	"pmemfs/archive/tarball"
	"pmemfs/pmemfs"
)

// superuser is as whom everything is done.
var superuser = pmemfs.Cred{}

// followMax bounds how many symbolic links a path may lead through, as Linux does.
const followMax = 40

// errLoop is returned for a path through too many symbolic links.
var errLoop = fmt.Errorf("%w: too many symbolic links", pmemfs.ErrInvalid)

// place is a file, and where it is.
type place struct {
	attr   pmemfs.Attr
	dir    pmemfs.Handle // that has its name; the root has none
	name   string        // there; empty for the root
	exists bool          // false: dir is there, and has no such name
}

// PathError says which path an error is about.
type PathError struct {
	Path  string
	cause error
}

// Error names the path.
func (e *PathError) Error() string { return fmt.Sprintf("%q: %v", tarball.Short(e.Path), e.cause) }

// Unwrap returns the cause.
func (e *PathError) Unwrap() error { return e.cause }

// top returns the root directory, of a snapshot if one is named.
func top(fs *pmemfs.FS, snapshot string) (pmemfs.Handle, error) {
	if snapshot == "" {
		return fs.Root(), nil
	}
	s, err := fs.SnapshotNamed(snapshot)
	if errors.Is(err, pmemfs.ErrNotExist) {
		return pmemfs.Handle{}, missingSnapshot(snapshot)
	}
	if err != nil {
		return pmemfs.Handle{}, fmt.Errorf("snapshot %q: %w", tarball.Short(snapshot), err)
	}
	return fs.Root().In(s.Epoch), nil
}

// missingSnapshot is the name of a snapshot that is not there.
type missingSnapshot string

// Error names it.
func (m missingSnapshot) Error() string {
	return fmt.Sprintf("no snapshot has the name %q", tarball.Short(string(m)))
}

// Unwrap returns pmemfs.ErrNotExist.
func (m missingSnapshot) Unwrap() error { return pmemfs.ErrNotExist }

// locate finds a file by its path. A symbolic link at its end is followed if asked for; those before it are. What is missing at the end is
// no error.
//
// Errors: a *PathError of the path, or of the first part of it that is missing or no directory.
func locate(fs *pmemfs.FS, root pmemfs.Handle, path string, follow bool) (p place, err error) {
	at := "" // path of p, symbolic links resolved
	defer func() {
		var part *PathError
		if err != nil && !errors.As(err, &part) {
			err = &PathError{path, err}
		}
	}()
	if strings.ContainsRune(path, 0) {
		return p, pmemfs.ErrInvalid
	}
	if p.attr, err = fs.Getattr(nil, root); err != nil {
		return p, err
	}
	p.exists = true
	rest, directory := path, strings.HasSuffix(path, "/")
	for links := 0; ; {
		rest = strings.TrimLeft(rest, "/")
		if rest == "" {
			break
		}
		name, tail, _ := strings.Cut(rest, "/")
		rest = tail
		if !p.exists {
			return p, &PathError{at, pmemfs.ErrNotExist}
		}
		if p.attr.Type != pmemfs.TypeDir {
			return p, &PathError{at, pmemfs.ErrNotDir}
		}
		dir := p.attr.Handle
		if name == ".." && dir == root {
			continue
		}
		a, err := fs.Lookup(&superuser, nil, dir, []byte(name))
		if errors.Is(err, pmemfs.ErrNotExist) {
			p, at = place{dir: dir, name: name}, pathpkg.Join("/", at, name)
			continue
		}
		if err != nil {
			return p, err
		}
		last := strings.Trim(rest, "/") == ""
		if a.Type != pmemfs.TypeSymlink || last && !follow && !directory {
			p, at = place{a, dir, name, true}, pathpkg.Join("/", at, name)
			if name == "." || name == ".." {
				p.name = "" // it has another name where it is
			}
			continue
		}
		if links++; links > followMax {
			return p, errLoop
		}
		target, err := fs.Readlink(nil, a.Handle)
		if err != nil {
			return p, err
		}
		rest = string(target) + "/" + rest
		if target[0] == '/' {
			dir, at = root, ""
		}
		if p.attr, err = fs.Getattr(nil, dir); err != nil {
			return p, err
		}
		p = place{attr: p.attr, exists: true}
	}
	if directory && p.exists && p.attr.Type != pmemfs.TypeDir {
		return p, pmemfs.ErrNotDir
	}
	return p, nil
}

// existing is locate of what must be there.
func existing(fs *pmemfs.FS, snapshot, path string, follow bool) (place, error) {
	root, err := top(fs, snapshot)
	if err != nil {
		return place{}, err
	}
	p, err := locate(fs, root, path, follow)
	if err == nil && !p.exists {
		err = &PathError{path, pmemfs.ErrNotExist}
	}
	return p, err
}

// typeOf is what an archive calls a type.
func typeOf(t pmemfs.FileType) (tarball.Type, bool) {
	for _, x := range types {
		if x.ours == t {
			return x.tar, true
		}
	}
	return 0, false
}

var types = []struct {
	ours pmemfs.FileType
	tar  tarball.Type
}{
	{pmemfs.TypeRegular, tarball.Regular}, {pmemfs.TypeDir, tarball.Dir}, {pmemfs.TypeSymlink, tarball.Symlink}, {pmemfs.TypeChar, tarball.Char},
	{pmemfs.TypeBlock, tarball.Block}, {pmemfs.TypeFIFO, tarball.FIFO}, {pmemfs.TypeSocket, tarball.Socket},
}
