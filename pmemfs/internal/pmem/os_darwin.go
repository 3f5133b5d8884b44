package pmem

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// mapFlags returns the flags of mmap(2) for a mapping as the options say. There is no MAP_SYNC here.
func mapFlags(_ *os.File, _ int64, o Options) (flags int, sync bool, err error) {
	if o.Private {
		return unix.MAP_PRIVATE, false, nil
	}
	return unix.MAP_SHARED, false, nil
}

// reserveFlags are those of address space that is only set aside.
const reserveFlags = unix.MAP_PRIVATE | unix.MAP_ANON

// deviceDir refuses character devices: there is no devdax here.
func deviceDir(os.FileInfo, string) (string, error) { return "", ErrFileType }

// filesystemOf knows of no filesystem in memory.
func filesystemOf(*os.File) string { return "" }

// syncPages writes back pages of the mapping and waits until the device has them. msync stops at the drive's
// cache, so F_FULLFSYNC follows. Source: fcntl(2) of macOS.
func syncPages(f *os.File, pages []byte) error {
	if err := retry(func() error { return unix.Msync(pages, unix.MS_SYNC) }); err != nil {
		return os.NewSyscallError("msync", err)
	}
	if f == nil {
		return nil
	}
	return os.NewSyscallError("fcntl", retry(func() error {
		_, err := unix.FcntlInt(f.Fd(), unix.F_FULLFSYNC, 0)
		return err
	}))
}

// allocate is not offered: F_PREALLOCATE reserves space but leaves the file a hole.
func allocate(*os.File, int64, int64) error { return errNoAllocate }

// Files without a name are not offered here.
func descriptorPath(*os.File) string        { return "" }
func openNameless(string) (*os.File, error) { return nil, errors.ErrUnsupported }
func linkNameless(*os.File, string) error   { return errors.ErrUnsupported }

// startWriting does nothing: there is no such hint here.
func startWriting(*os.File, int64, int64) {}
