// Package hostdir makes a folder of the host a tarball.Source, and fills one as a tarball.Sink.
//
// A Sink never leaves its folder: each directory is opened in the one above, and no symbolic link is followed, whatever the names of a
// hostile image are.
//
// # Concurrency and durability
//
// A Packer or an Unpacker belongs to one goroutine. Nothing is made durable.
package hostdir

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"pmemfs/archive/tarball"
)

// inode identifies a file of the host.
type inode struct{ dev, ino uint64 }

// frame is a directory that is being read.
type frame struct {
	path, name string // on the host, and in the tree
	left       []string
}

// Packer reads a folder of the host, or a single file, as a tree. It is a Source.
type Packer struct {
	todo   []frame
	links  map[inode]string
	except inode  // is left out: the image that is being made
	path   string // of the present file
	file   *os.File
	parts  []tarball.Extent // of its data that are still to be read
}

// NewPacker reads what is at path, a symbolic link in place of what it leads to excepted; the tree's top is ".". except, if it is there, is left out: an
// image that lies in the folder.
//
// Errors: what the system said.
func NewPacker(path, except string) (*Packer, error) {
	p := &Packer{links: make(map[inode]string)}
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return nil, &os.PathError{Op: "lstat", Path: path, Err: err}
	}
	if err := unix.Stat(except, &st); except != "" && err == nil {
		p.except = inode{uint64(st.Dev), st.Ino}
	}
	// Its parent is read only as if it had this one name.
	p.todo = []frame{{filepath.Dir(path), "", []string{filepath.Base(path)}}}
	if b := filepath.Base(path); b == "." || b == ".." || b == "/" {
		p.todo[0] = frame{path, "", []string{"."}}
	}
	return p, nil
}

// Next returns the next file, each directory before what is in it.
//
// Errors: io.EOF; what the system said.
func (p *Packer) Next() (*tarball.Entry, error) {
	if err := p.Close(); err != nil {
		return nil, err
	}
	for len(p.todo) > 0 {
		top := &p.todo[len(p.todo)-1]
		if len(top.left) == 0 {
			p.todo = p.todo[:len(p.todo)-1]
			continue
		}
		base := top.left[0]
		top.left = top.left[1:]
		path, name := filepath.Join(top.path, base), top.name+"/"+base
		if top.name == "" {
			name = "."
		}
		e, err := p.entry(path, name)
		if errors.Is(err, os.ErrNotExist) && name != "." {
			continue // removed meanwhile
		}
		if err != nil {
			return nil, err
		}
		if e != nil {
			return e, nil
		}
	}
	return nil, io.EOF
}

// entry describes a file; nil if it is left out.
func (p *Packer) entry(path, name string) (*tarball.Entry, error) {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return nil, &os.PathError{Op: "lstat", Path: path, Err: err}
	}
	id := inode{uint64(st.Dev), st.Ino}
	if id == p.except {
		return nil, nil
	}
	e := &tarball.Entry{Name: name, Mode: uint32(st.Mode) & 0o7777, UID: st.Uid, GID: st.Gid, Mtime: unix.TimespecToNsec(st.Mtim), Atime: unix.TimespecToNsec(st.Atim), HasAtime: true, Offset: -1}
	if st.Nlink > 1 && st.Mode&unix.S_IFMT != unix.S_IFDIR {
		if first, ok := p.links[id]; ok {
			e.Type, e.Target = tarball.Link, first
			return e, nil
		}
		p.links[id] = name
	}
	var err error
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		e.Type = tarball.Dir
		err = p.push(path, name)
	case unix.S_IFREG:
		e.Type = tarball.Regular
		err = p.regular(path, e, &st)
	case unix.S_IFLNK:
		e.Type = tarball.Symlink
		e.Target, err = os.Readlink(path)
	case unix.S_IFCHR, unix.S_IFBLK:
		e.Type = tarball.Char
		if st.Mode&unix.S_IFMT == unix.S_IFBLK {
			e.Type = tarball.Block
		}
		e.Major, e.Minor = unix.Major(uint64(st.Rdev)), unix.Minor(uint64(st.Rdev))
	case unix.S_IFIFO:
		e.Type = tarball.FIFO
	case unix.S_IFSOCK:
		e.Type = tarball.Socket
	default:
		err = fmt.Errorf("%s: a file of an unknown type", path)
	}
	if err == nil {
		e.Xattrs, err = readXattrs(path)
	}
	return e, err
}

// push has the names of a directory come next, in order, so that the same folder is the same tree.
func (p *Packer) push(path, name string) error {
	list, err := os.ReadDir(path)
	if err != nil {
		return err
	}
	names := make([]string, len(list))
	for i, d := range list {
		names[i] = d.Name()
	}
	p.todo = append(p.todo, frame{path, name, names})
	return nil
}

// regular finds out where a file has data. One without holes is opened when it is read: who only counts opens few.
func (p *Packer) regular(path string, e *tarball.Entry, st *unix.Stat_t) error {
	p.path, e.Size = path, uint64(st.Size)
	if st.Blocks*512 < st.Size {
		if err := p.open(); err != nil {
			return err
		}
		if list, ok := holes(p.file, e.Size); ok {
			e.Sparse, e.Data = true, list
		}
	}
	p.parts = append(p.parts[:0], e.Extents()...)
	return nil
}

// open opens the present file, unless it is open.
func (p *Packer) open() (err error) {
	if p.file == nil {
		p.file, err = os.OpenFile(p.path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	}
	return err
}

// Read reads data of the file. One that has become shorter meanwhile ends in zeros, as tar does it.
func (p *Packer) Read(b []byte) (int, error) {
	if len(p.parts) == 0 {
		return 0, io.EOF
	}
	if err := p.open(); err != nil {
		return 0, err
	}
	x := &p.parts[0]
	b = b[:min(uint64(len(b)), x.Len)]
	n, err := p.file.ReadAt(b, int64(x.Off))
	if errors.Is(err, io.EOF) {
		clear(b[n:])
		n, err = len(b), nil
	}
	x.Off, x.Len = x.Off+uint64(n), x.Len-uint64(n)
	if x.Len == 0 {
		p.parts = p.parts[1:]
	}
	return n, err
}

// Close closes the file that is being read.
func (p *Packer) Close() error {
	f := p.file
	p.file, p.parts = nil, nil
	if f == nil {
		return nil
	}
	return f.Close()
}
