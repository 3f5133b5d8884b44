package gonfs

import (
	"errors"
	"io"
	"io/fs"

	"pmemfs/billyadapter"
	"pmemfs/pmemfs"
)

// viewFile is an open file that remembers errors for the reply's status and recovers from panics.
type viewFile struct {
	*billyadapter.File
	v *view
}

// ReadAt reads for READ.
func (f *viewFile) ReadAt(p []byte, off int64) (n int, err error) {
	defer f.v.rescue(&err)
	if len(p) == 0 { // at or after the end, where go-nfs asks for nothing: the permission still counts
		_, _, err = f.v.srv.eng.Read(&f.v.r.cred, nil, f.Handle(), nil, 0)
		return 0, f.v.failed(err)
	}
	n, err = f.File.ReadAt(p, off)
	if errors.Is(err, io.EOF) {
		return n, err
	}
	return n, f.v.failed(err)
}

// Write writes for WRITE, at the offset that Seek has set.
func (f *viewFile) Write(p []byte) (n int, err error) {
	defer f.v.rescue(&err)
	n, err = f.File.Write(p)
	return n, f.v.failed(err)
}

// Seek sets the offset for WRITE.
func (f *viewFile) Seek(off int64, whence int) (at int64, err error) {
	defer f.v.rescue(&err)
	at, err = f.File.Seek(off, whence)
	return at, f.v.failed(err)
}

// Close gives the file up.
func (f *viewFile) Close() (err error) {
	defer f.v.rescue(&err)
	return f.v.failed(f.File.Close())
}

// fileInfo gives go-nfs POSIX mode bits where Go's are usual, because it sends them as they are.
type fileInfo struct{ *billyadapter.FileInfo }

// Mode returns the POSIX permission, setuid, setgid and sticky bits, and Go's type bits for all but plain files and
// directories, which go-nfs tells apart by IsDir.
func (i fileInfo) Mode() fs.FileMode {
	m := fs.FileMode(i.Attr().Mode & 0o7777)
	if t := i.Attr().Type; t != pmemfs.TypeRegular && t != pmemfs.TypeDir {
		m |= i.FileInfo.Mode().Type()
	}
	return m
}
