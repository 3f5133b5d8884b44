package gonfs

import (
	"pmemfs/server/nfswire"

	"context"
	"encoding/hex"
	"io/fs"
	"net"
	"os"
	"strings"

	"github.com/go-git/go-billy/v5"
	nfs "github.com/willscott/go-nfs"

	"pmemfs/billyadapter"
	"pmemfs/pmemfs"
)

// view is how one worker's go-nfs sees the filesystem. go-nfs names a file by a filesystem and a path; here the path is
//
//	"H"          the parent of the directory with handle H, since go-nfs takes ".." by dropping the last element
//	"H", "."     the file with handle H itself
//	"H", ".", N  the entry N of directory H
//
// so that what a handle names never depends on where the file is now. A view serves one request at a time, set by its
// worker, and acts as that request's caller. Every method that go-nfs calls recovers from a panic.
type view struct {
	srv *Server
	fs  *billyadapter.FS // the engine as the superuser; withCred narrows it
	r   *request
}

var (
	_ nfs.Handler      = (*view)(nil)
	_ billy.Filesystem = (*view)(nil)
	_ billy.Capable    = (*view)(nil)
)

// rescue turns a panic into errPanic. It is deferred first by every method that go-nfs calls.
func (v *view) rescue(errp *error) {
	if p := recover(); p != nil {
		v.srv.panicked(v.r, p)
		*errp = errPanic
		v.r.err = errPanic
	}
}

// failed remembers the first error of the request, which go-nfs would flatten into one of four.
func (v *view) failed(err error) error {
	if err != nil && v.r.err == nil {
		v.r.err = err
	}
	return err
}

// FromHandle turns a handle, which has been checked, into a path.
func (v *view) FromHandle(b []byte) (billy.Filesystem, []string, error) {
	return v, []string{hex.EncodeToString(b), "."}, nil
}

// ToHandle turns a path into a handle; nil if there is no such file.
func (v *view) ToHandle(_ billy.Filesystem, elems []string) []byte {
	var err error
	defer v.rescue(&err)
	attr, err := v.resolve(v.Join(elems...))
	if err != nil {
		return nil
	}
	return v.srv.handles.Append(nil, v.r.exp.ID(), attr.Handle)
}

// split takes a path apart: the handle it starts with, and the name below that, "" for the file itself.
func (v *view) split(p string) (dir pmemfs.Handle, name string, err error) {
	elems := strings.Split(p, "/")
	raw, err := hex.DecodeString(elems[0])
	if err != nil {
		return dir, "", pmemfs.ErrInvalid
	}
	_, dir, err = v.srv.handles.Decode(raw)
	switch {
	case err != nil:
		return dir, "", statusOf(err)
	case len(elems) == 1:
		return dir, "..", nil
	case len(elems) == 2:
		return dir, "", nil
	case len(elems) == 3:
		return dir, elems[2], nil
	}
	return dir, "", pmemfs.ErrInvalid
}

// resolve returns the attributes of what a path names.
func (v *view) resolve(p string) (pmemfs.Attr, error) {
	dir, name, err := v.split(p)
	switch {
	case err != nil:
		return pmemfs.Attr{}, err
	case name == "":
		return v.srv.eng.Getattr(nil, dir)
	}
	// One LOOKUP asks three times; all must speak of the same file even if the name changes hands meanwhile.
	if n := &v.r.named; v.r.call.Proc == nfswire.ProcLookup && n.dir == dir && n.name == name {
		return n.attr, nil
	}
	attr, err := v.srv.eng.Lookup(&v.r.cred, &v.r.within, dir, []byte(name))
	if err == nil {
		v.r.named.dir, v.r.named.name, v.r.named.attr = dir, name, attr
	}
	return attr, err
}

// Lstat describes what a path names, and keeps it for mending the reply.
func (v *view) Lstat(p string) (info fs.FileInfo, err error) {
	defer v.rescue(&err)
	attr, err := v.resolve(p)
	if err != nil {
		return nil, v.failed(err)
	}
	v.r.note(attr)
	return fileInfo{billyadapter.NewFileInfo("", attr)}, nil
}

// Stat is Lstat: over NFS links are followed by the client.
func (v *view) Stat(p string) (fs.FileInfo, error) { return v.Lstat(p) }

// Readlink returns the target of a link.
func (v *view) Readlink(p string) (target string, err error) {
	defer v.rescue(&err)
	attr, err := v.resolve(p)
	if err != nil {
		return "", v.failed(err)
	}
	b, err := v.srv.eng.Readlink(nil, attr.Handle)
	return string(b), v.failed(err)
}

// Open opens a file for READ.
func (v *view) Open(p string) (billy.File, error) { return v.OpenFile(p, os.O_RDONLY, 0) }

// OpenFile opens a file for READ or WRITE. The engine checks permissions with every transfer by the rules of NFS, where
// the owner may always read and write: the file was opened on the client once.
func (v *view) OpenFile(p string, flag int, _ fs.FileMode) (f billy.File, err error) {
	defer v.rescue(&err)
	attr, err := v.resolve(p)
	if err != nil {
		return nil, v.failed(err)
	}
	file, err := v.fs.WithCred(v.r.cred).OpenStateless(attr.Handle, flag&^(os.O_CREATE|os.O_TRUNC|os.O_EXCL))
	if err != nil {
		return nil, v.failed(err)
	}
	return &viewFile{File: file, v: v}, nil
}

// Remove does REMOVE or RMDIR, whichever was asked; go-nfs does not distinguish them.
func (v *view) Remove(p string) (err error) {
	defer v.rescue(&err)
	dir, name, err := v.split(p)
	if err != nil {
		return v.failed(err)
	}
	if v.r.call.Proc == nfswire.ProcRmdir {
		return v.failed(v.srv.eng.Rmdir(&v.r.cred, &v.r.within, dir, []byte(name)))
	}
	return v.failed(v.srv.eng.Unlink(&v.r.cred, &v.r.within, dir, []byte(name)))
}

// Rename does RENAME.
func (v *view) Rename(from, to string) (err error) {
	defer v.rescue(&err)
	fromDir, fromName, err := v.split(from)
	if err != nil {
		return v.failed(err)
	}
	toDir, toName, err := v.split(to)
	if err != nil {
		return v.failed(err)
	}
	return v.failed(v.srv.eng.Rename(&v.r.cred, &v.r.within, fromDir, []byte(fromName), toDir, []byte(toName), 0))
}

// Join makes a path of elements. It must not clean: the elements are no ordinary path.
func (v *view) Join(elems ...string) string { return strings.Join(elems, "/") }

// Capabilities reports that everything can be done; read-only exports are refused before go-nfs.
func (v *view) Capabilities() billy.Capability { return billy.AllCapabilities }

// HandleLimit is how many entries go-nfs would list at once, twice.
func (v *view) HandleLimit() int { return 1 << 20 }

// The rest of what the interfaces ask belongs to procedures that never reach go-nfs.

// Mount is answered without go-nfs.
func (v *view) Mount(context.Context, net.Conn, nfs.MountRequest) (nfs.MountStatus, billy.Filesystem, []nfs.AuthFlavor) {
	return nfs.MountStatusErrNotSupp, v, nil
}

// InvalidateHandle does nothing: a handle is good for as long as its file exists.
func (v *view) InvalidateHandle(billy.Filesystem, []byte) error { return nil }

// Change returns nil: attributes are changed without go-nfs.
func (v *view) Change(billy.Filesystem) billy.Change { return nil }

// FSStat is answered without go-nfs.
func (v *view) FSStat(context.Context, billy.Filesystem, *nfs.FSStat) error {
	return billy.ErrNotSupported
}

// Create is answered without go-nfs.
func (v *view) Create(string) (billy.File, error) { return nil, billy.ErrNotSupported }

// TempFile is not an NFS procedure.
func (v *view) TempFile(string, string) (billy.File, error) { return nil, billy.ErrNotSupported }

// ReadDir is answered without go-nfs.
func (v *view) ReadDir(string) ([]fs.FileInfo, error) { return nil, billy.ErrNotSupported }

// MkdirAll is answered without go-nfs.
func (v *view) MkdirAll(string, fs.FileMode) error { return billy.ErrNotSupported }

// Symlink is answered without go-nfs.
func (v *view) Symlink(string, string) error { return billy.ErrNotSupported }

// Chroot is not an NFS procedure.
func (v *view) Chroot(string) (billy.Filesystem, error) { return nil, billy.ErrNotSupported }

// Root is the name of every view.
func (v *view) Root() string { return "/" }
