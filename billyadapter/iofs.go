package billyadapter

import (
	"io"
	"io/fs"
	"sync"

	"pmemfs/pmemfs"
)

// dirBatch is how many entries a ReadDir(n) makes room for beforehand, however large n is.
const dirBatch = 256

// ioFS is the io/fs view of an FS.
type ioFS struct{ fs *FS }

var (
	_ fs.StatFS     = ioFS{}
	_ fs.ReadDirFS  = ioFS{}
	_ fs.ReadLinkFS = ioFS{}
)

// IOFS returns f as an io/fs filesystem. It reads only; paths obey fs.ValidPath, and links are followed as f does.
func (f *FS) IOFS() fs.FS { return ioFS{f} }

func valid(op, name string) error {
	if !fs.ValidPath(name) {
		return &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	return nil
}

// Open opens a file or a directory for reading.
func (v ioFS) Open(name string) (fs.File, error) {
	if err := valid("open", name); err != nil {
		return nil, err
	}
	file, err := v.fs.open(name, 0, 0)
	if err != nil {
		return nil, pathError("open", name, err)
	}
	info, err := file.Stat()
	if err != nil {
		return nil, closeAfter(file, err)
	}
	if info.IsDir() {
		return &openDir{File: file, top: name == "."}, nil
	}
	return file, nil
}

func closeAfter(c io.Closer, err error) error {
	if cerr := c.Close(); cerr != nil && err == nil {
		return cerr
	}
	return err
}

// Stat describes name, following a final link.
func (v ioFS) Stat(name string) (fs.FileInfo, error) { return v.stat("stat", name, true) }

// Lstat describes name itself.
func (v ioFS) Lstat(name string) (fs.FileInfo, error) { return v.stat("lstat", name, false) }

func (v ioFS) stat(op, name string, follow bool) (fs.FileInfo, error) {
	if err := valid(op, name); err != nil {
		return nil, err
	}
	loc, err := v.fs.find(name, follow)
	if err != nil {
		return nil, pathError(op, name, err)
	}
	return NewFileInfo(ioBase(name), loc.attr), nil
}

// ioBase is the base name as io/fs wants it: "." for the root.
func ioBase(name string) string {
	if name == "." {
		return "."
	}
	return baseName(name)
}

// ReadLink returns the target of a link.
func (v ioFS) ReadLink(name string) (string, error) {
	if err := valid("readlink", name); err != nil {
		return "", err
	}
	return v.fs.Readlink(name)
}

// ReadDir lists a directory sorted by name.
func (v ioFS) ReadDir(name string) ([]fs.DirEntry, error) {
	if err := valid("readdir", name); err != nil {
		return nil, err
	}
	infos, err := v.fs.list(name)
	if err != nil {
		return nil, pathError("readdir", name, err)
	}
	out := make([]fs.DirEntry, len(infos))
	for i, info := range infos {
		out[i] = info
	}
	return out, nil
}

// openDir is an open directory of the io/fs view.
type openDir struct {
	*File
	top bool

	mu     sync.Mutex // guards cookie
	cookie uint64
}

// Stat describes the directory.
func (d *openDir) Stat() (fs.FileInfo, error) {
	info, err := d.File.Stat()
	if err == nil && d.top {
		info.(*FileInfo).name = "."
	}
	return info, err
}

// ReadDir returns the next n entries in the directory's own order, or all that are left if n <= 0.
func (d *openDir) ReadDir(n int) ([]fs.DirEntry, error) {
	if err := d.enter("readdir"); err != nil {
		return nil, err
	}
	defer d.exit()
	d.mu.Lock()
	defer d.mu.Unlock()
	out := make([]fs.DirEntry, 0, min(max(n, 0), dirBatch))
	err := d.fs.stream(d.h, d.cookie, func(e *pmemfs.DirEntry) bool {
		if n > 0 && len(out) == n {
			return false
		}
		out = append(out, NewFileInfo(string(e.Name), e.Attr))
		d.cookie = e.Cookie
		return true
	})
	if err != nil {
		return out, pathError("readdir", d.name, err)
	}
	if n > 0 && len(out) == 0 {
		return nil, io.EOF
	}
	return out, nil
}
