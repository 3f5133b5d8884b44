package bench

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Folder is a folder that the engine is compared with.
type Folder struct {
	Path       string `json:"path"`
	Filesystem string `json:"filesystem"`
}

// folderTarget works through system calls in a temporary folder, relative to open directories.
type folderTarget struct {
	path  string
	dirs  []int // descriptors, as files; -1 for what is closed
	files []int
}

// openFolder makes a temporary folder in one that must exist and be writable. what is the parent in an error.
func openFolder(parent, what string) (*folderTarget, Folder, error) {
	path, err := makeTemporary(parent, what)
	if err != nil {
		return nil, Folder{}, err
	}
	filesystem, err := filesystemOf(parent)
	if err != nil {
		return nil, Folder{}, errors.Join(fmt.Errorf("%s: which filesystem is it on: %w", parent, err), os.RemoveAll(path))
	}
	return &folderTarget{path: path}, Folder{parent, filesystem}, nil
}

func (t *folderTarget) close() error { return errors.Join(t.release(), t.remove()) }

func (t *folderTarget) remove() error { return os.RemoveAll(t.path) }

func (t *folderTarget) release() error {
	var errs []error
	for _, list := range [][]int{t.files, t.dirs} {
		for _, fd := range list {
			if fd >= 0 {
				errs = append(errs, unix.Close(fd))
			}
		}
	}
	t.files, t.dirs = nil, nil
	return errors.Join(errs...)
}

func (t *folderTarget) openDir(n *name) (int, error) {
	path := t.path + "/" + n.text
	if err := os.Mkdir(path, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return 0, err
	}
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, &os.PathError{Op: "open", Path: path, Err: err}
	}
	t.dirs = append(t.dirs, fd)
	return len(t.dirs) - 1, nil
}

func (t *folderTarget) openFile(dir int, n *name) (int, error) {
	fd, err := unix.Openat(t.dirs[dir], n.text, unix.O_CREAT|unix.O_RDWR|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return 0, &os.PathError{Op: "openat", Path: n.text, Err: err}
	}
	t.files = append(t.files, fd)
	return len(t.files) - 1, nil
}

func (t *folderTarget) closeFile(file int) error {
	fd := t.files[file]
	t.files[file] = -1
	return unix.Close(fd)
}

func (t *folderTarget) create(dir int, n *name) error {
	fd, err := unix.Openat(t.dirs[dir], n.text, unix.O_CREAT|unix.O_EXCL|unix.O_RDWR|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

func (t *folderTarget) unlink(dir int, n *name) error { return unix.Unlinkat(t.dirs[dir], n.text, 0) }

func (t *folderTarget) mkdir(dir int, n *name) error {
	return unix.Mkdirat(t.dirs[dir], n.text, 0o755)
}

func (t *folderTarget) rmdir(dir int, n *name) error {
	return unix.Unlinkat(t.dirs[dir], n.text, unix.AT_REMOVEDIR)
}

func (t *folderTarget) rename(dir int, from, to *name) error {
	return unix.Renameat(t.dirs[dir], from.text, t.dirs[dir], to.text)
}

func (t *folderTarget) link(dir, _ int, of, n *name) error {
	return unix.Linkat(t.dirs[dir], of.text, t.dirs[dir], n.text, 0)
}

func (t *folderTarget) symlink(dir int, content, n *name) error {
	return unix.Symlinkat(content.text, t.dirs[dir], n.text)
}

func (t *folderTarget) lookup(dir int, n *name) error {
	var st unix.Stat_t
	return unix.Fstatat(t.dirs[dir], n.text, &st, unix.AT_SYMLINK_NOFOLLOW)
}

func (t *folderTarget) chmod(file int, mode uint32) error { return unix.Fchmod(t.files[file], mode) }

func (t *folderTarget) truncate(file int, size int64) error {
	return unix.Ftruncate(t.files[file], size)
}

func (t *folderTarget) getattr(file int) error {
	var st unix.Stat_t
	return unix.Fstat(t.files[file], &st)
}

func (t *folderTarget) write(file int, p []byte, off int64) error {
	n, err := unix.Pwrite(t.files[file], p, off)
	if err == nil && n != len(p) {
		err = errShort
	}
	return err
}

func (t *folderTarget) read(file int, p []byte, off int64) error {
	n, err := unix.Pread(t.files[file], p, off)
	if err == nil && n != len(p) {
		err = errShort
	}
	return err
}
