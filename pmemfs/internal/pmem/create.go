package pmem

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// CreateOptions says how NewDraft goes about it.
type CreateOptions struct {
	Force    bool                    // an existing file is to be replaced
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

// Draft is a file that is being made. Nobody sees it until it is whole: where the system can do that it has no name, and is gone with
// the process; elsewhere it has a random one beside its path. A file that it replaces is locked meanwhile, and keeps its content until
// Publish, so whatever fails has changed nothing.
//
// A Draft belongs to one goroutine.
type Draft struct {
	f    *os.File
	path string   // where it is to be
	name string   // that it has meanwhile; "" for none
	old  *os.File // what it replaces; nil for nothing
}

// NewDraft makes a file of size zero bytes whose blocks are really allocated, so that no store to it can
// fail for want of space. Nothing is mapped. A symbolic link that leads to a file stands for that.
//
// An existing file is refused with ErrExists, or with Force is to be replaced, unless it is in use (ErrLocked)
// or no regular file (ErrFileType): whether its content may go is the caller's question.
//
// Errors: ErrExists, ErrLocked, ErrFileType, ErrSize, or what the system said; all of them name the path.
func NewDraft(path string, size int64, o CreateOptions) (*Draft, error) {
	d, err := newDraft(path, size, o)
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", path, pathless(err))
	}
	return d, nil
}

func newDraft(path string, size int64, o CreateOptions) (*Draft, error) {
	if size <= 0 {
		return nil, fmt.Errorf("%d bytes: %w", size, ErrSize)
	}
	d := &Draft{path: path}
	if err := d.lockOld(o.Force); err != nil {
		return nil, errors.Join(err, d.Discard())
	}
	err := d.open()
	if err == nil {
		err = vetRoom(d.f, size)
	}
	if err == nil {
		err = fill(d.f, size, o.Progress)
	}
	if err == nil && d.old != nil {
		err = d.inherit()
	}
	if err != nil {
		if d.old != nil && (errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)) {
			err = fmt.Errorf("%w: the old file stays until the new one is whole, and there is no room for both; remove it first", err)
		}
		return nil, errors.Join(err, d.Discard())
	}
	return d, nil
}

// lockOld locks the file that is there already, if it may be replaced, and follows links to it.
func (d *Draft) lockOld(force bool) error {
	switch _, err := os.Lstat(d.path); {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case !force:
		return ErrExists
	}
	real, err := filepath.EvalSymlinks(d.path)
	if err != nil {
		return err
	}
	st, err := os.Stat(real)
	if err != nil {
		return err
	}
	if !st.Mode().IsRegular() {
		return ErrFileType
	}
	d.path = real
	if d.old, err = os.OpenFile(real, os.O_RDWR, 0); err != nil {
		return err
	}
	return lockFile(d.old, true)
}

// open opens the draft, in the folder of its path.
func (d *Draft) open() (err error) {
	if d.f, err = openNameless(filepath.Dir(d.path)); !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	d.name = d.randomName()
	if d.f, err = os.OpenFile(d.name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
		d.name = "" // whatever is there is not ours
	}
	return err
}

func (d *Draft) randomName() string {
	var b [8]byte
	rand.Read(b[:]) // never fails, says its documentation
	return filepath.Join(filepath.Dir(d.path), "."+filepath.Base(d.path)+"."+hex.EncodeToString(b[:])+".draft")
}

// inherit gives the draft the permissions and the owner of what it replaces.
func (d *Draft) inherit() error {
	st, err := d.old.Stat()
	if err != nil {
		return err
	}
	own, err := d.f.Stat()
	if err != nil {
		return err
	}
	a, b := st.Sys().(*syscall.Stat_t), own.Sys().(*syscall.Stat_t)
	if a.Uid != b.Uid || a.Gid != b.Gid {
		if err := d.f.Chown(int(a.Uid), int(a.Gid)); err != nil {
			return err
		}
	}
	return d.f.Chmod(st.Mode().Perm())
}

// Path is a path by which this process can open the draft.
func (d *Draft) Path() string {
	if d.name != "" {
		return d.name
	}
	return descriptorPath(d.f)
}

// Publish gives the draft its path. When it returns nil, file and directory entry are durable. Where nothing was to be replaced and something
// has appeared meanwhile it fails with ErrExists. In any case the draft is done with.
func (d *Draft) Publish() error {
	err := d.f.Sync()
	if err == nil {
		err = d.publish()
	}
	if err == nil {
		err = syncDir(filepath.Dir(d.path))
	}
	if err = errors.Join(err, d.Discard()); err != nil {
		return fmt.Errorf("create %s: %w", d.path, pathless(err))
	}
	return nil
}

func (d *Draft) publish() error {
	if d.name == "" {
		if d.old == nil {
			return existsError(linkNameless(d.f, d.path))
		}
		d.name = d.randomName()
		if err := linkNameless(d.f, d.name); err != nil {
			d.name = ""
			return err
		}
	}
	if d.old == nil {
		err := os.Link(d.name, d.path)
		if err == nil || errors.Is(err, fs.ErrExist) {
			return existsError(err)
		}
		// A filesystem without hard links.
		if _, err := os.Lstat(d.path); !errors.Is(err, fs.ErrNotExist) {
			return errors.Join(err, ErrExists)
		}
	}
	if err := os.Rename(d.name, d.path); err != nil {
		return err
	}
	d.name = ""
	return nil
}

// existsError makes the system's error for a name that is taken ours.
func existsError(err error) error {
	if errors.Is(err, fs.ErrExist) {
		return ErrExists
	}
	return err
}

// Discard gives up the draft and the space that it takes. What it would have replaced stays as it is.
func (d *Draft) Discard() (err error) {
	if d.name != "" {
		err = os.Remove(d.name)
		d.name = ""
	}
	if d.old != nil {
		err = errors.Join(err, unlockFile(d.old))
	}
	for _, f := range []*os.File{d.f, d.old} {
		if f != nil {
			err = errors.Join(err, f.Close())
		}
	}
	d.f, d.old = nil, nil
	return err
}

// vetRoom refuses what the filesystem has no room for before it is filled, which others would notice.
func vetRoom(f *os.File, size int64) error {
	free, err := room(f)
	if err != nil || size <= free {
		return nil // or it will turn out
	}
	return fmt.Errorf("%s are wanted, and the disk has %s left: %w", sizeText(size), sizeText(free), syscall.ENOSPC)
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
