package billyadapter

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/go-git/go-billy/v5"

	"pmemfs/pmemfs"
)

const (
	accessMode   = os.O_RDONLY | os.O_WRONLY | os.O_RDWR // mask of the three
	tempDir      = ".tmp"                                // where TempFile("") goes, as billy's own helpers do
	tempAttempts = 100
)

// Create opens name for reading and writing, truncated, making it with mode 0666 less the umask.
//
// Errors: those of OpenFile.
func (f *FS) Create(name string) (billy.File, error) {
	return f.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o666)
}

// Open opens name for reading.
//
// Errors: those of OpenFile.
func (f *FS) Open(name string) (billy.File, error) { return f.OpenFile(name, os.O_RDONLY, 0) }

// OpenFile opens name as os.OpenFile does; O_SYNC is always in force. Creation and truncation are durable on return.
//
// Errors: path errors; EEXIST with O_EXCL; EISDIR for writing to a directory; EOPNOTSUPP for a
// FIFO, socket or device; EINVAL for another access mode; change errors when it creates or truncates.
func (f *FS) OpenFile(name string, flag int, perm fs.FileMode) (billy.File, error) {
	file, err := f.open(name, flag, perm)
	if err != nil {
		return nil, pathError("open", name, err)
	}
	return file, nil
}

func (f *FS) open(name string, flag int, perm fs.FileMode) (*File, error) {
	create, excl := flag&os.O_CREATE != 0, flag&os.O_EXCL != 0
	if f.ro && (create || flag&os.O_TRUNC != 0 || flag&accessMode != os.O_RDONLY) {
		return nil, pmemfs.ErrReadOnly
	}
	for {
		w := walk{fs: f, follow: !(create && excl), makeParents: create, perm: 0o777}
		loc, err := w.run(name)
		if err != nil {
			return nil, err
		}
		if loc.exists && create && excl {
			return nil, pmemfs.ErrExist
		}
		if loc.exists {
			return f.openAttr(name, loc.attr, flag)
		}
		if !create {
			return nil, pmemfs.ErrNotExist
		}
		attr, err := f.eng.Create(&f.cred, nil, loc.dir, loc.name, &pmemfs.CreateOptions{Mode: pmemfs.Guarded, Attr: *f.newAttr(perm)})
		if errors.Is(err, pmemfs.ErrExist) && !excl {
			continue // another made it first: open theirs
		}
		if err != nil {
			return nil, err
		}
		// Whoever creates a file may use it as asked, whatever its mode says (POSIX open).
		return f.hold(name, attr.Handle, flag)
	}
}

// openAttr opens an existing object after checking that the caller may.
func (f *FS) openAttr(name string, attr pmemfs.Attr, flag int) (*File, error) {
	var want uint32
	switch flag & accessMode {
	case os.O_RDONLY:
		want = pmemfs.AccessRead
	case os.O_WRONLY:
		want = pmemfs.AccessWrite
	case os.O_RDWR:
		want = pmemfs.AccessRead | pmemfs.AccessWrite
	default:
		return nil, pmemfs.ErrInvalid
	}
	if flag&os.O_TRUNC != 0 {
		want |= pmemfs.AccessWrite
	}
	switch attr.Type {
	case pmemfs.TypeRegular:
	case pmemfs.TypeDir:
		if want&pmemfs.AccessWrite != 0 {
			return nil, pmemfs.ErrIsDir
		}
	default:
		return nil, pmemfs.ErrNotSupported // a FIFO, device or socket has no meaning inside this process
	}
	granted, err := f.eng.Access(&f.cred, nil, attr.Handle, want)
	if err != nil {
		return nil, err
	}
	if granted&want != want {
		return nil, pmemfs.ErrAccess
	}
	file, err := f.hold(name, attr.Handle, flag)
	if err != nil {
		return nil, err
	}
	if flag&os.O_TRUNC != 0 {
		if _, err := f.eng.Setattr(&f.cred, nil, attr.Handle, &pmemfs.SetAttr{Mask: pmemfs.SetSize}); err != nil {
			f.eng.Release(attr.Handle)
			return nil, err
		}
	}
	return file, nil
}

// hold makes an open file of a handle.
func (f *FS) hold(name string, h pmemfs.Handle, flag int) (*File, error) {
	if err := f.eng.Hold(h); err != nil {
		return nil, err
	}
	clean, err := cleanPath(name)
	if err != nil {
		clean = name
	}
	return &File{fs: f, h: h, name: clean, flag: flag}, nil
}

// Stat describes name, following a final link.
//
// Errors: path errors.
func (f *FS) Stat(name string) (fs.FileInfo, error) { return f.stat("stat", name, true) }

// Lstat describes name itself, even if it is a link.
//
// Errors: path errors.
func (f *FS) Lstat(name string) (fs.FileInfo, error) { return f.stat("lstat", name, false) }

func (f *FS) stat(op, name string, follow bool) (fs.FileInfo, error) {
	loc, err := f.find(name, follow)
	if err != nil {
		return nil, pathError(op, name, err)
	}
	return NewFileInfo(path.Base("/"+name), loc.attr), nil
}

// Rename moves oldname to newname, replacing what is there as rename(2) does, in one atomic step.
//
// Errors: those of RenameFlags.
func (f *FS) Rename(oldname, newname string) error { return f.RenameFlags(oldname, newname, 0) }

// RenameFlags is Rename with the engine's flags: refuse to replace, or exchange the two.
//
// Errors, in an *os.LinkError: path errors; EEXIST for a target that must not exist; EISDIR, ENOTDIR and ENOTEMPTY for
// a target that cannot be replaced; EINVAL for a directory that would be below itself; EBUSY for the root; EPERM below
// a sticky directory; change errors.
func (f *FS) RenameFlags(oldname, newname string, flags pmemfs.RenameFlags) error {
	err := f.rename(oldname, newname, flags)
	if err == nil || err == billy.ErrCrossedBoundary {
		return err
	}
	return &os.LinkError{Op: "rename", Old: oldname, New: newname, Err: errno(err)}
}

func (f *FS) rename(oldname, newname string, flags pmemfs.RenameFlags) error {
	if f.ro {
		return pmemfs.ErrReadOnly
	}
	from, err := f.entry(oldname)
	if err != nil {
		return err
	}
	to, err := f.resolveNew(newname)
	if err != nil {
		return err
	}
	if to.name == nil {
		return pmemfs.ErrBusy
	}
	return f.eng.Rename(&f.cred, nil, from.dir, from.name, to.dir, to.name, flags)
}

// Remove removes a file, a link or an empty directory.
//
// Errors: path errors; ENOTEMPTY; EPERM below a sticky directory; change errors.
func (f *FS) Remove(name string) error {
	if f.ro {
		return pathError("remove", name, pmemfs.ErrReadOnly)
	}
	loc, err := f.entry(name)
	if err != nil {
		return pathError("remove", name, err)
	}
	if loc.attr.Type == pmemfs.TypeDir {
		return pathError("remove", name, f.eng.Rmdir(&f.cred, nil, loc.dir, loc.name))
	}
	return pathError("remove", name, f.eng.Unlink(&f.cred, nil, loc.dir, loc.name))
}

// TempFile makes and opens a file with a new name that begins with prefix, readable by its owner only.
//
// Errors: path errors; EEXIST if no new name was found; change errors.
func (f *FS) TempFile(dir, prefix string) (billy.File, error) {
	if dir == "" {
		dir = tempDir
	}
	if strings.Contains(prefix, "/") {
		return nil, pathError("tempfile", prefix, pmemfs.ErrInvalid)
	}
	var err error
	for range tempAttempts {
		var file billy.File
		file, err = f.OpenFile(path.Join(dir, prefix+rand.Text()[:12]), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if !errors.Is(err, fs.ErrExist) {
			return file, err
		}
	}
	return nil, err
}

// Symlink makes a link at link that holds target, word for word.
//
// Errors: path errors; EEXIST; EINVAL for an empty target or one with a NUL; change errors.
func (f *FS) Symlink(target, link string) error {
	if f.ro {
		return pathError("symlink", link, pmemfs.ErrReadOnly)
	}
	loc, err := f.resolveNew(link)
	if err != nil {
		return pathError("symlink", link, err)
	}
	if loc.exists {
		return pathError("symlink", link, pmemfs.ErrExist)
	}
	_, err = f.eng.Symlink(&f.cred, nil, loc.dir, loc.name, []byte(target), &pmemfs.SetAttr{})
	return pathError("symlink", link, err)
}

// Readlink returns the target of a link, word for word; EINVAL if name is not one.
//
// Errors: path errors.
func (f *FS) Readlink(name string) (string, error) {
	loc, err := f.find(name, false)
	if err != nil {
		return "", pathError("readlink", name, err)
	}
	target, err := f.eng.Readlink(nil, loc.attr.Handle)
	return string(target), pathError("readlink", name, err)
}
