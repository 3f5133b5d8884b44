package billyadapter

import (
	"io/fs"
	"os"
	"path"
	"syscall"

	"github.com/go-git/go-billy/v5"

	"pmemfs/pmemfs"
)

// errBadFile is what the system says of a read from a write-only file and the reverse.
const errBadFile = syscall.EBADF

// The interfaces below are what an FS, or a File where said, offers beyond billy v5. All are safe for any number of
// goroutines, and every change is durable on return.
type (
	// Mkdirer makes one directory without its parents.
	Mkdirer interface {
		Mkdir(name string, perm fs.FileMode) error
	}
	// Linker makes hard links; a final link in oldname is not followed.
	Linker interface {
		Link(oldname, newname string) error
	}
	// NodeMaker makes FIFOs, sockets and devices; mode carries the type.
	NodeMaker interface {
		Mknod(name string, mode fs.FileMode, major, minor uint32) error
	}
	// Renamer renames without replacing, or exchanges two names.
	Renamer interface {
		RenameFlags(oldname, newname string, flags pmemfs.RenameFlags) error
	}
	// Syncer makes everything (FS) or one file (File) durable.
	Syncer interface{ Sync() error }
	// Statfser tells the space and the limits of the filesystem.
	Statfser interface{ Statfs() (pmemfs.Statfs, error) }
	// DirStreamer reads directories of any size, resumable.
	DirStreamer interface {
		ReadDirFunc(name string, cookie uint64, fn func(*pmemfs.DirEntry) bool) error
	}
	// Identifier tells the identity of a path, following a final link, and opens by it.
	Identifier interface {
		Handle(name string) (pmemfs.Handle, error)
		OpenHandle(h pmemfs.Handle, flag int) (*File, error)
		StatHandle(h pmemfs.Handle) (*FileInfo, error)
	}
	// Xattrer reads and changes extended attributes, following a final link.
	Xattrer interface {
		GetXattr(name, attr string) ([]byte, error)
		SetXattr(name, attr string, value []byte, flags pmemfs.XattrFlags) error
		ListXattr(name string) ([]string, error)
		RemoveXattr(name, attr string) error
	}
	// Allocator is offered by File: space ahead of writes, holes, and where data is. Units are bytes.
	Allocator interface {
		Allocate(off, n int64, keepSize bool) error
		PunchHole(off, n int64) error
		SeekData(off int64) (int64, error)
		SeekHole(off int64) (int64, error)
	}
)

var (
	_ interface {
		Mkdirer
		Linker
		NodeMaker
		Renamer
		Syncer
		Statfser
		DirStreamer
		Identifier
		Xattrer
	} = (*FS)(nil)
	_ interface {
		Syncer
		Allocator
	} = (*File)(nil)
)

func baseName(name string) string { return path.Base("/" + name) }

// Link gives the file oldname a second name.
//
// Errors, in an *os.LinkError: path errors; EEXIST; EPERM for a directory; EMLINK; change errors.
func (f *FS) Link(oldname, newname string) error {
	err := f.link(oldname, newname)
	if err == nil || err == billy.ErrCrossedBoundary {
		return err
	}
	return &os.LinkError{Op: "link", Old: oldname, New: newname, Err: errno(err)}
}

func (f *FS) link(oldname, newname string) error {
	if f.ro {
		return pmemfs.ErrReadOnly
	}
	from, err := f.find(oldname, false)
	if err != nil {
		return err
	}
	to, err := f.resolveNew(newname)
	if err != nil {
		return err
	}
	if to.exists {
		return pmemfs.ErrExist
	}
	_, err = f.eng.Link(&f.cred, nil, from.attr.Handle, to.dir, to.name)
	return err
}

// Mknod makes a FIFO, a socket or a device of the type in mode.
//
// Errors: path errors; EEXIST; EPERM for devices unless the caller is root; EINVAL for another type; change errors.
func (f *FS) Mknod(name string, mode fs.FileMode, major, minor uint32) error {
	var typ pmemfs.FileType
	for t, bits := range typeBits {
		if t != pmemfs.TypeDir && t != pmemfs.TypeSymlink && mode.Type() == bits {
			typ = t
		}
	}
	if typ == 0 {
		return pathError("mknod", name, pmemfs.ErrInvalid)
	}
	if f.ro {
		return pathError("mknod", name, pmemfs.ErrReadOnly)
	}
	loc, err := f.resolveNew(name)
	if err == nil && loc.exists {
		err = pmemfs.ErrExist
	}
	if err == nil {
		_, err = f.eng.Mknod(&f.cred, nil, loc.dir, loc.name, typ, major, minor, f.newAttr(mode))
	}
	return pathError("mknod", name, err)
}

// Sync makes everything written so far durable.
//
// Errors: EIO if the medium has failed.
func (f *FS) Sync() error { return pathError("sync", f.root.name, f.eng.SyncAll()) }

// Statfs tells the space and the limits of the whole engine.
//
// Errors: EBADF after the engine's Close.
func (f *FS) Statfs() (pmemfs.Statfs, error) {
	s, err := f.eng.Statfs()
	return s, pathError("statfs", f.root.name, err)
}

// Handle returns the identity of what name leads to, good across renames and restarts.
//
// Errors: path errors.
func (f *FS) Handle(name string) (pmemfs.Handle, error) {
	loc, err := f.find(name, true)
	return loc.attr.Handle, pathError("handle", name, err)
}

// OpenHandle opens a file by identity. A handle is a capability: it is not checked to lie below f's root.
//
// Errors: ESTALE if the file is gone; EACCES; EISDIR for writing to a directory; EOPNOTSUPP for a FIFO, socket or
// device; change errors when it truncates.
func (f *FS) OpenHandle(h pmemfs.Handle, flag int) (*File, error) {
	if f.ro && (flag&os.O_TRUNC != 0 || flag&accessMode != os.O_RDONLY) {
		return nil, pathError("open", "", pmemfs.ErrReadOnly)
	}
	attr, err := f.eng.Getattr(nil, h)
	if err != nil {
		return nil, pathError("open", "", err)
	}
	file, err := f.openAttr("", attr, flag)
	return file, pathError("open", "", err)
}

// OpenStateless opens a file by identity without asking whether the caller may: the engine then checks every transfer
// for itself, by the rules of stateless protocols, which let the owner read and write whatever the mode says.
//
// Errors: ESTALE if the file is gone.
func (f *FS) OpenStateless(h pmemfs.Handle, flag int) (*File, error) {
	file, err := f.hold("", h, flag)
	if err != nil {
		return nil, pathError("open", "", err)
	}
	file.stateless = true
	return file, nil
}

// StatHandle describes a file by identity, under an empty name; ESTALE if it is gone.
//
// Errors: ESTALE if the file is gone.
func (f *FS) StatHandle(h pmemfs.Handle) (*FileInfo, error) {
	attr, err := f.eng.Getattr(nil, h)
	if err != nil {
		return nil, pathError("stat", "", err)
	}
	return NewFileInfo("", attr), nil
}

// GetXattr returns the value of one extended attribute.
//
// Errors: path errors; ENODATA if there is no such attribute; EOPNOTSUPP for its namespace.
func (f *FS) GetXattr(name, attr string) ([]byte, error) {
	loc, err := f.find(name, true)
	if err != nil {
		return nil, pathError("getxattr", name, err)
	}
	v, err := f.eng.GetXattr(&f.cred, nil, loc.attr.Handle, []byte(attr))
	return v, pathError("getxattr", name, err)
}

// SetXattr sets the value of one extended attribute.
//
// Errors: path errors; EEXIST or ENODATA as the flags ask; ERANGE if it is too long; EPERM or EOPNOTSUPP for its
// namespace; change errors.
func (f *FS) SetXattr(name, attr string, value []byte, flags pmemfs.XattrFlags) error {
	if f.ro {
		return pathError("setxattr", name, pmemfs.ErrReadOnly)
	}
	loc, err := f.find(name, true)
	if err == nil {
		err = f.eng.SetXattr(&f.cred, nil, loc.attr.Handle, []byte(attr), value, flags)
	}
	return pathError("setxattr", name, err)
}

// ListXattr returns the names of all extended attributes that the caller may see.
//
// Errors: path errors.
func (f *FS) ListXattr(name string) ([]string, error) {
	loc, err := f.find(name, true)
	if err != nil {
		return nil, pathError("listxattr", name, err)
	}
	list, err := f.eng.ListXattr(&f.cred, nil, loc.attr.Handle)
	names := make([]string, len(list))
	for i, n := range list {
		names[i] = string(n)
	}
	return names, pathError("listxattr", name, err)
}

// RemoveXattr removes one extended attribute.
//
// Errors: path errors; ENODATA if there is no such attribute; EPERM or EOPNOTSUPP for its namespace; change errors.
func (f *FS) RemoveXattr(name, attr string) error {
	if f.ro {
		return pathError("removexattr", name, pmemfs.ErrReadOnly)
	}
	loc, err := f.find(name, true)
	if err == nil {
		err = f.eng.RemoveXattr(&f.cred, nil, loc.attr.Handle, []byte(attr))
	}
	return pathError("removexattr", name, err)
}
