package pmem

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// CreateOptions says how CreateFile goes about it.
type CreateOptions struct {
	Force    bool                    // replace what an existing file holds
	Progress func(done, total int64) // told how many bytes are allocated, at least at the end; may be nil
}

// allocateStep is how many bytes are allocated between two reports of progress, and zeroStep how many are
// written at once where nothing can be allocated.
const (
	allocateStep = 256 << 20
	zeroStep     = 1 << 20
)

// errNoAllocate says that blocks can only be had by writing to them.
var errNoAllocate = errors.New("filesystem cannot allocate")

// CreateFile makes a file of size zero bytes whose blocks are really allocated, so that no store to it can
// fail for want of space. When it returns nil, file and directory entry are durable. The file is locked
// exclusively meanwhile. Nothing is mapped.
//
// An existing file is refused with ErrExists, or with Force emptied first, unless it is in use (ErrLocked)
// or no regular file (ErrFileType): whether its content may go is the caller's question. When
// allocation fails (no space, a quota), a new file is removed and a replaced one left empty.
//
// Errors: ErrExists, ErrLocked, ErrFileType, ErrSize, or what the system said; all of them name the path. Two
// concurrent calls for one path exclude each other.
func CreateFile(path string, size int64, o CreateOptions) error {
	if err := createFile(path, size, o); err != nil {
		return fmt.Errorf("create %s: %w", path, pathless(err))
	}
	return nil
}

func createFile(path string, size int64, o CreateOptions) error {
	if size <= 0 {
		return fmt.Errorf("%d bytes: %w", size, ErrSize)
	}
	f, fresh, err := openNew(path, o.Force)
	if err != nil {
		return err
	}
	if err := fill(f, size, o.Progress); err != nil {
		return errors.Join(err, undo(f, path, fresh), f.Close())
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// openNew opens an empty, locked file and says whether it made it.
func openNew(path string, force bool) (f *os.File, fresh bool, err error) {
	f, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	switch {
	case err == nil:
		fresh = true
	case !errors.Is(err, fs.ErrExist):
		return nil, false, err
	case !force:
		return nil, false, ErrExists
	default:
		if st, err := os.Stat(path); err != nil {
			return nil, false, err
		} else if !st.Mode().IsRegular() {
			return nil, false, ErrFileType
		}
		if f, err = os.OpenFile(path, os.O_RDWR, 0); err != nil {
			return nil, false, err
		}
	}
	if err := lockFile(f, true); err != nil {
		return nil, false, errors.Join(err, f.Close())
	}
	if fresh {
		return f, true, nil
	}
	if err := f.Truncate(0); err != nil {
		return nil, false, errors.Join(err, f.Close())
	}
	return f, false, nil
}

// undo gives back the space that a failed fill took.
func undo(f *os.File, path string, fresh bool) error {
	if fresh {
		return os.Remove(path)
	}
	return f.Truncate(0)
}

// fill allocates the file's blocks.
func fill(f *os.File, size int64, progress func(done, total int64)) error {
	for done := int64(0); done < size; {
		n := min(allocateStep, size-done)
		err := allocate(f, done, n)
		if errors.Is(err, errNoAllocate) {
			err = writeZeros(f, done, n)
		}
		if err != nil {
			return err
		}
		done += n
		if progress != nil {
			progress(done, size)
		}
	}
	return nil
}

// writeZeros writes n zero bytes at off.
func writeZeros(f *os.File, off, n int64) error {
	zeros := make([]byte, min(zeroStep, n))
	for end := off + n; off < end; {
		m, err := f.WriteAt(zeros[:min(int64(len(zeros)), end-off)], off)
		if err != nil {
			return err
		}
		off += int64(m)
	}
	return nil
}

// syncDir makes the directory's entries durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
