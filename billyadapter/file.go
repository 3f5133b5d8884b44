package billyadapter

import (
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"sync"

	"github.com/go-git/go-billy/v5"

	"pmemfs/pmemfs"
)

const maxOffset = math.MaxInt64

// superuser is used for what an open file's permission check already allowed.
var superuser = pmemfs.Cred{}

// File is an open file. It keeps its inode alive after the last name is gone, until Close.
type File struct {
	fs   *FS
	h    pmemfs.Handle
	name string
	flag int

	stateless bool // permissions were not checked when it was opened

	gate   sync.RWMutex // shared by every operation, alone by Close
	closed bool

	pos sync.Mutex // guards off; held over the transfer so that sequential calls do not interleave
	off int64

	lockMu sync.Mutex // guards locked
	locked bool
}

var (
	_ billy.File  = (*File)(nil)
	_ io.WriterAt = (*File)(nil)
)

// Name returns the path that the file was opened by, cleaned and relative to the root.
func (f *File) Name() string { return f.name }

// Handle returns the file's identity, good across renames and restarts.
func (f *File) Handle() pmemfs.Handle { return f.h }

// enter begins an operation; exit must follow if it returns nil.
func (f *File) enter(op string) error {
	f.gate.RLock()
	if f.closed {
		f.gate.RUnlock()
		return &fs.PathError{Op: op, Path: f.name, Err: os.ErrClosed}
	}
	return nil
}

func (f *File) exit() { f.gate.RUnlock() }

func (f *File) readable() bool { return f.flag&accessMode != os.O_WRONLY }
func (f *File) writable() bool { return f.flag&accessMode != os.O_RDONLY }

// allowed reports whether err is a permission that has gone since the file was opened with it, which counts for nothing.
func (f *File) allowed(err error) bool { return !f.stateless && errors.Is(err, pmemfs.ErrAccess) }

// Read reads from the offset and moves it; io.EOF at the end.
//
// Errors: io.EOF at the end; EBADF if it was opened for writing alone; EISDIR; EIO for a damaged block; os.ErrClosed.
func (f *File) Read(p []byte) (int, error) {
	if err := f.enter("read"); err != nil {
		return 0, err
	}
	defer f.exit()
	f.pos.Lock()
	defer f.pos.Unlock()
	n, _, err := f.read(p, f.off)
	f.off += int64(n)
	if err == nil && n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, pathError("read", f.name, err)
}

// ReadAt reads at off without the offset; any number at once. io.EOF comes with a short read.
//
// Errors: those of Read; EINVAL for a negative offset.
func (f *File) ReadAt(p []byte, off int64) (int, error) {
	if err := f.enter("readat"); err != nil {
		return 0, err
	}
	defer f.exit()
	total := 0
	for total < len(p) {
		n, eof, err := f.read(p[total:], off+int64(total))
		total += n
		if err != nil {
			return total, pathError("readat", f.name, err)
		}
		if total < len(p) && (eof || n == 0) {
			return total, io.EOF
		}
	}
	return total, nil
}

func (f *File) read(p []byte, off int64) (int, bool, error) {
	if !f.readable() {
		return 0, false, errBadFile
	}
	if off < 0 {
		return 0, false, pmemfs.ErrInvalid
	}
	n, eof, err := f.fs.eng.Read(&f.fs.cred, nil, f.h, p, uint64(off))
	if f.allowed(err) {
		n, eof, err = f.fs.eng.Read(&superuser, nil, f.h, p, uint64(off))
	}
	return n, eof, err
}

// Write writes at the offset, or at the end of a file opened with O_APPEND, and moves the offset. Durable on return.
//
// Errors: EBADF if it was opened for reading alone; EFBIG; change errors; os.ErrClosed.
func (f *File) Write(p []byte) (int, error) {
	if err := f.enter("write"); err != nil {
		return 0, err
	}
	defer f.exit()
	f.pos.Lock()
	defer f.pos.Unlock()
	if f.flag&os.O_APPEND != 0 {
		n, err := f.append(p)
		return n, pathError("write", f.name, err)
	}
	n, err := f.write(p, f.off)
	f.off += int64(n)
	return n, pathError("write", f.name, err)
}

// append writes at the end, wherever others have put it, and moves the offset behind that.
func (f *File) append(p []byte) (int, error) {
	if !f.writable() {
		return 0, errBadFile
	}
	n, attr, err := f.fs.eng.Append(&f.fs.cred, nil, f.h, p)
	if f.allowed(err) {
		n, attr, err = f.fs.eng.Append(&superuser, nil, f.h, p)
	}
	if n > 0 || err == nil {
		f.off = int64(attr.Size)
	}
	return n, err
}

// WriteAt writes at off without the offset; any number at once. Durable on return. Refused for O_APPEND, as in os.
//
// Errors: those of Write; EINVAL for a negative offset or with O_APPEND.
func (f *File) WriteAt(p []byte, off int64) (int, error) {
	if err := f.enter("writeat"); err != nil {
		return 0, err
	}
	defer f.exit()
	if f.flag&os.O_APPEND != 0 {
		return 0, pathError("writeat", f.name, pmemfs.ErrInvalid)
	}
	n, err := f.write(p, off)
	return n, pathError("writeat", f.name, err)
}

func (f *File) write(p []byte, off int64) (int, error) {
	if !f.writable() {
		return 0, errBadFile
	}
	if off < 0 {
		return 0, pmemfs.ErrInvalid
	}
	if off > maxOffset-int64(len(p)) {
		return 0, pmemfs.ErrFileTooBig
	}
	total := 0
	for total < len(p) {
		at := uint64(off) + uint64(total)
		n, _, err := f.fs.eng.Write(&f.fs.cred, nil, f.h, p[total:], at)
		if f.allowed(err) {
			n, _, err = f.fs.eng.Write(&superuser, nil, f.h, p[total:], at)
		}
		total += n
		if err != nil {
			return total, err
		}
		if n == 0 {
			return total, io.ErrShortWrite
		}
	}
	return total, nil
}

// Seek moves the offset; beyond the end is allowed, before the start is EINVAL.
//
// Errors: EINVAL before the start or for another whence; os.ErrClosed.
func (f *File) Seek(offset int64, whence int) (int64, error) {
	if err := f.enter("seek"); err != nil {
		return 0, err
	}
	defer f.exit()
	f.pos.Lock()
	defer f.pos.Unlock()
	base := int64(0)
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		base = f.off
	case io.SeekEnd:
		attr, err := f.fs.eng.Getattr(nil, f.h)
		if err != nil {
			return 0, pathError("seek", f.name, err)
		}
		base = int64(min(attr.Size, maxOffset))
	default:
		return 0, pathError("seek", f.name, pmemfs.ErrInvalid)
	}
	if offset < -base || offset > maxOffset-base {
		return 0, pathError("seek", f.name, pmemfs.ErrInvalid)
	}
	f.off = base + offset
	return f.off, nil
}

// Truncate sets the length in bytes; what is added reads as zeros. Atomic and durable on return.
//
// Errors: EBADF if it was opened for reading alone; EINVAL for a negative size; EFBIG; change errors; os.ErrClosed.
func (f *File) Truncate(size int64) error {
	if err := f.enter("truncate"); err != nil {
		return err
	}
	defer f.exit()
	if size < 0 || !f.writable() {
		return pathError("truncate", f.name, pmemfs.ErrInvalid)
	}
	s := &pmemfs.SetAttr{Mask: pmemfs.SetSize, Size: uint64(size)}
	_, err := f.fs.eng.Setattr(&f.fs.cred, nil, f.h, s)
	if f.allowed(err) {
		_, err = f.fs.eng.Setattr(&superuser, nil, f.h, s)
	}
	return pathError("truncate", f.name, err)
}

// Stat describes the open file.
//
// Errors: ESTALE if the file is gone; os.ErrClosed.
func (f *File) Stat() (fs.FileInfo, error) {
	if err := f.enter("stat"); err != nil {
		return nil, err
	}
	defer f.exit()
	attr, err := f.fs.eng.Getattr(nil, f.h)
	if err != nil {
		return nil, pathError("stat", f.name, err)
	}
	return NewFileInfo(baseName(f.name), attr), nil
}

// Lock takes the file's advisory lock, waiting for it. Locking a file that this File has locked does nothing.
//
// Errors: os.ErrClosed.
func (f *File) Lock() error {
	f.lockMu.Lock()
	defer f.lockMu.Unlock()
	if err := f.enter("lock"); err != nil {
		return err
	}
	f.exit() // waiting with gate held would stop nobody but Close, which already waits for lockMu
	if !f.locked {
		f.fs.shared.locks.lock(f.h)
		f.locked = true
	}
	return nil
}

// Unlock gives the lock back; without one it does nothing.
//
// Errors: os.ErrClosed.
func (f *File) Unlock() error {
	f.lockMu.Lock()
	defer f.lockMu.Unlock()
	if err := f.enter("unlock"); err != nil {
		return err
	}
	defer f.exit()
	f.unlock()
	return nil
}

func (f *File) unlock() {
	if f.locked {
		f.locked = false
		f.fs.shared.locks.unlock(f.h)
	}
}

// Close gives up the file and its lock; a second Close is os.ErrClosed.
func (f *File) Close() error {
	f.lockMu.Lock()
	defer f.lockMu.Unlock()
	f.gate.Lock()
	defer f.gate.Unlock()
	if f.closed {
		return &fs.PathError{Op: "close", Path: f.name, Err: os.ErrClosed}
	}
	f.closed = true
	f.unlock()
	f.fs.eng.Release(f.h)
	return nil
}
