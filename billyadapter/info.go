package billyadapter

import (
	"io/fs"
	"time"

	"pmemfs/pmemfs"
)

// FileInfo describes one object. It implements fs.FileInfo and fs.DirEntry and never changes.
type FileInfo struct {
	name string
	attr pmemfs.Attr
}

var (
	_ fs.FileInfo = (*FileInfo)(nil)
	_ fs.DirEntry = (*FileInfo)(nil)
)

// NewFileInfo returns the description of an object under a name.
func NewFileInfo(name string, attr pmemfs.Attr) *FileInfo { return &FileInfo{name: name, attr: attr} }

// Name returns the last component of the path.
func (i *FileInfo) Name() string { return i.name }

// Size returns the length in bytes.
func (i *FileInfo) Size() int64 { return int64(min(i.attr.Size, maxOffset)) }

// Mode returns Go's mode bits: type, permissions, setuid, setgid and sticky.
func (i *FileInfo) Mode() fs.FileMode { return GoMode(i.attr.Type, i.attr.Mode) }

// Type returns the type bits of Mode.
func (i *FileInfo) Type() fs.FileMode { return i.Mode().Type() }

// Info returns i itself.
//
// Errors: none; io/fs.DirEntry asks for the result.
func (i *FileInfo) Info() (fs.FileInfo, error) { return i, nil }

// ModTime returns the time of the last change of content.
func (i *FileInfo) ModTime() time.Time { return time.Unix(0, i.attr.Mtime) }

// IsDir reports whether the object is a directory.
func (i *FileInfo) IsDir() bool { return i.attr.Type == pmemfs.TypeDir }

// Attr returns everything the engine knows of the object at the moment it was asked.
func (i *FileInfo) Attr() pmemfs.Attr { return i.attr }

// String is the form that fs.FormatFileInfo gives.
func (i *FileInfo) String() string { return fs.FormatFileInfo(i) }

var typeBits = map[pmemfs.FileType]fs.FileMode{
	pmemfs.TypeFIFO:    fs.ModeNamedPipe,
	pmemfs.TypeChar:    fs.ModeDevice | fs.ModeCharDevice,
	pmemfs.TypeDir:     fs.ModeDir,
	pmemfs.TypeBlock:   fs.ModeDevice,
	pmemfs.TypeSymlink: fs.ModeSymlink,
	pmemfs.TypeSocket:  fs.ModeSocket,
}

// GoMode turns a type and POSIX mode bits (07777) into Go's.
func GoMode(t pmemfs.FileType, mode uint32) fs.FileMode {
	m := fs.FileMode(mode&0o777) | typeBits[t]
	if mode&0o4000 != 0 {
		m |= fs.ModeSetuid
	}
	if mode&0o2000 != 0 {
		m |= fs.ModeSetgid
	}
	if mode&0o1000 != 0 {
		m |= fs.ModeSticky
	}
	return m
}

// PosixMode turns Go's mode bits into POSIX ones (07777); the type is dropped.
func PosixMode(m fs.FileMode) uint32 {
	p := uint32(m.Perm())
	if m&fs.ModeSetuid != 0 {
		p |= 0o4000
	}
	if m&fs.ModeSetgid != 0 {
		p |= 0o2000
	}
	if m&fs.ModeSticky != 0 {
		p |= 0o1000
	}
	return p
}
