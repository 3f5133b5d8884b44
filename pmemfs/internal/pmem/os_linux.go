package pmem

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// mapFlags returns the flags of mmap(2) for a mapping as the options say, with MAP_SYNC where the kernel accepts it: on fsdax and devdax
// a page is then writable only once the filesystem's metadata for it is durable. It tries, since only that tells.
// Source: mmap(2), MAP_SYNC and MAP_SHARED_VALIDATE. Kernels before 4.15 answer EINVAL.
func mapFlags(f *os.File, size int64, o Options) (flags int, sync bool, err error) {
	if o.Private {
		return unix.MAP_PRIVATE | unix.MAP_NORESERVE, false, nil
	}
	flags = unix.MAP_SHARED_VALIDATE | unix.MAP_SYNC
	switch err := tryMap(f, 0, size, protection(o), flags); {
	case err == nil:
		return flags, true, nil
	case !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.EINVAL):
		return 0, false, err
	}
	return unix.MAP_SHARED, false, nil
}

// reserveFlags are those of address space that is only set aside.
const reserveFlags = unix.MAP_PRIVATE | unix.MAP_ANON | unix.MAP_NORESERVE

// deviceDir returns the sysfs folder of an open character device.
func deviceDir(st os.FileInfo, sysfs string) (string, error) {
	sys, ok := st.Sys().(*syscall.Stat_t)
	if !ok {
		return "", ErrFileType
	}
	// Rdev is 32 bits wide on some architectures, and its signedness differs.
	dev := uint64(sys.Rdev)
	return filepath.Join(sysfs, fmt.Sprintf("dev/char/%d:%d", unix.Major(dev), unix.Minor(dev))), nil
}

// filesystemOf returns the name of the filesystem if it lives in memory, otherwise nothing.
func filesystemOf(f *os.File) string {
	var st unix.Statfs_t
	if err := retry(func() error { return unix.Fstatfs(int(f.Fd()), &st) }); err != nil {
		return "" // only a warning depends on it
	}
	switch uint32(st.Type) {
	case unix.TMPFS_MAGIC:
		return "tmpfs"
	case unix.RAMFS_MAGIC:
		return "ramfs"
	}
	return ""
}

// syncPages writes back the dirty pages among these and waits until the device has them. For a shared mapping of a file
// msync is fdatasync of a range. Source: the kernel's mm/msync.c.
func syncPages(_ *os.File, pages []byte) error {
	return os.NewSyscallError("msync", retry(func() error { return unix.Msync(pages, unix.MS_SYNC) }))
}

// allocate makes the filesystem reserve blocks for n bytes at off and extends the file to hold them. It answers
// errNoAllocate where the filesystem cannot do that.
func allocate(f *os.File, off, n int64) error {
	err := retry(func() error { return unix.Fallocate(int(f.Fd()), 0, off, n) })
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) {
		return errNoAllocate
	}
	return os.NewSyscallError("fallocate", err)
}

// descriptors is where the process's open files are.
const descriptors = "/proc/self/fd/"

// descriptorPath is a path that leads to an open file, whether it has a name or not (proc(5)).
func descriptorPath(f *os.File) string { return descriptors + strconv.Itoa(int(f.Fd())) }

// openNameless opens a file in a folder that has no name, and is gone with the process unless it is given one (open(2), O_TMPFILE).
// errors.ErrUnsupported where that cannot be.
func openNameless(dir string) (*os.File, error) {
	f, err := os.OpenFile(dir, os.O_RDWR|unix.O_TMPFILE, 0o600)
	switch {
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EISDIR), errors.Is(err, unix.EINVAL): // EISDIR: kernels before 3.11
		return nil, errors.ErrUnsupported
	case err != nil:
		return nil, err
	}
	// Giving it a name goes by way of /proc.
	if _, err := os.Stat(descriptorPath(f)); err != nil {
		return nil, errors.Join(errors.ErrUnsupported, f.Close())
	}
	return f, nil
}

// linkNameless gives such a file a name that nothing has.
func linkNameless(f *os.File, name string) error {
	err := unix.Linkat(unix.AT_FDCWD, descriptorPath(f), unix.AT_FDCWD, name, unix.AT_SYMLINK_FOLLOW)
	return os.NewSyscallError("linkat", err)
}

// startWriting asks the kernel to begin to write dirty pages of a range to the disk (sync_file_range(2)). It is no promise and nothing
// depends on it, so an error means nothing.
func startWriting(f *os.File, off, n int64) {
	_ = unix.SyncFileRange(int(f.Fd()), off, n, unix.SYNC_FILE_RANGE_WRITE)
}
