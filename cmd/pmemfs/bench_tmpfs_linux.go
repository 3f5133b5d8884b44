package main

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// tmpfsTarget runs the operations through system calls in one directory of a tmpfs, relative to an open directory, so that
// each does as little as the engine's call of the same name.
type tmpfsTarget struct {
	path  string
	dir   int // open directory
	file  int // of benchFile bytes
	tail  int
	buf   []byte
	names benchNames
}

func newTmpfsTarget(parent string) (*tmpfsTarget, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(parent, &st); err != nil {
		return nil, fmt.Errorf("%s: %w", parent, err)
	}
	if st.Type != unix.TMPFS_MAGIC {
		return nil, fmt.Errorf("%s is not on a tmpfs: name one with --tmpfs-dir", parent)
	}
	path, err := os.MkdirTemp(parent, "pmemfs-bench-")
	if err != nil {
		return nil, err
	}
	t := &tmpfsTarget{path: path, dir: -1, file: -1, tail: -1, buf: make([]byte, 64<<10), names: newBenchNames(benchCountMax)}
	if err := t.fill(); err != nil {
		return nil, errors.Join(err, t.close())
	}
	return t, nil
}

func (t *tmpfsTarget) fill() (err error) {
	if t.dir, err = unix.Open(t.path, unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err != nil {
		return err
	}
	for i := range benchOldFiles {
		if err := t.create(t.names.old, i); err != nil {
			return err
		}
	}
	if t.file, err = t.open("file"); err != nil {
		return err
	}
	_, err = unix.Pwrite(t.file, make([]byte, benchFile), 0)
	return err
}

func (t *tmpfsTarget) close() error {
	var errs []error
	for _, fd := range []int{t.file, t.tail, t.dir} {
		if fd >= 0 {
			errs = append(errs, unix.Close(fd))
		}
	}
	return errors.Join(append(errs, os.RemoveAll(t.path))...)
}

func (t *tmpfsTarget) open(name string) (int, error) {
	return unix.Openat(t.dir, name, unix.O_CREAT|unix.O_EXCL|unix.O_RDWR|unix.O_CLOEXEC, 0o644)
}

func (t *tmpfsTarget) create(names []string, i int) error {
	fd, err := t.open(names[i])
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

func (t *tmpfsTarget) unlink(names []string) func(int) error {
	return func(i int) error { return unix.Unlinkat(t.dir, names[i], 0) }
}

func (t *tmpfsTarget) cases() []benchCase {
	n := t.names
	create := func(i int) error { return t.create(n.a, i) }
	mkdir := func(i int) error { return unix.Mkdirat(t.dir, n.a[i], 0o755) }
	rmdir := func(i int) error { return unix.Unlinkat(t.dir, n.a[i], unix.AT_REMOVEDIR) }
	return append([]benchCase{
		{name: "create", calls: "openat, close", run: create, tidy: all(t.unlink(n.a))},
		{name: "unlink", calls: "unlinkat", prepare: all(create), run: t.unlink(n.a)},
		{name: "mkdir", calls: "mkdirat", run: mkdir, tidy: all(rmdir)},
		{name: "rmdir", calls: "unlinkat", prepare: all(mkdir), run: rmdir},
		{name: "rename", calls: "renameat", prepare: all(create), tidy: all(t.unlink(n.b)), run: func(i int) error {
			return unix.Renameat(t.dir, n.a[i], t.dir, n.b[i])
		}},
		{name: "link", calls: "linkat", tidy: all(t.unlink(n.a)), run: func(i int) error {
			return unix.Linkat(t.dir, "file", t.dir, n.a[i], 0)
		}},
		{name: "symlink", calls: "symlinkat", tidy: all(t.unlink(n.a)), run: func(i int) error {
			return unix.Symlinkat(n.old[0], t.dir, n.a[i])
		}},
		{name: "setattr", calls: "fchmod", run: func(i int) error { return unix.Fchmod(t.file, 0o600+uint32(i&1)) }},
	}, t.dataCases()...)
}

func (t *tmpfsTarget) dataCases() []benchCase {
	write := func(size, span int) func(int) error {
		return func(i int) error {
			_, err := unix.Pwrite(t.file, t.buf[:size], int64(i%span*size))
			return err
		}
	}
	var st unix.Stat_t
	return []benchCase{
		{name: "write 512 B", calls: "pwrite", run: write(512, benchFile/512)},
		{name: "write 4 KiB", calls: "pwrite", run: write(4<<10, benchFile/(4<<10))},
		{name: "write 64 KiB", calls: "pwrite", run: write(64<<10, benchFile/(64<<10))},
		{name: "append 4 KiB", calls: "pwrite", prepare: t.newTail, tidy: t.dropTail, run: func(i int) error {
			_, err := unix.Pwrite(t.tail, t.buf[:4<<10], int64(i)*(4<<10))
			return err
		}},
		{name: "truncate", calls: "ftruncate", prepare: t.newTail, tidy: t.dropTail, run: func(i int) error {
			return unix.Ftruncate(t.tail, int64(i&1)<<20)
		}},
		{name: "lookup", calls: "fstatat", run: func(i int) error {
			return unix.Fstatat(t.dir, t.names.old[i%benchOldFiles], &st, unix.AT_SYMLINK_NOFOLLOW)
		}},
		{name: "getattr", calls: "fstat", run: func(int) error { return unix.Fstat(t.file, &st) }},
		{name: "read 4 KiB", calls: "pread", run: func(i int) error {
			n, err := unix.Pread(t.file, t.buf[:4<<10], int64(i%(benchFile/(4<<10))*(4<<10)))
			if err == nil && n != 4<<10 {
				err = errShort
			}
			return err
		}},
	}
}

func (t *tmpfsTarget) newTail(int) (err error) {
	t.tail, err = t.open("tail")
	return err
}

func (t *tmpfsTarget) dropTail(int) error {
	fd := t.tail
	t.tail = -1
	return errors.Join(unix.Close(fd), unix.Unlinkat(t.dir, "tail", 0))
}
