//go:build linux || darwin

package pmem

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// lockFile takes an flock without waiting. It belongs to the open file, so that it also excludes another
// open of the same process, and ends when the file is closed, however the process dies.
func lockFile(f *os.File, exclusive bool) error {
	how := unix.LOCK_SH
	if exclusive {
		how = unix.LOCK_EX
	}
	err := retry(func() error { return unix.Flock(int(f.Fd()), how|unix.LOCK_NB) })
	if errors.Is(err, unix.EWOULDBLOCK) {
		return ErrLocked
	}
	return err
}

// unlockFile gives a lock back. To close the file is not enough: a process that another goroutine is starting has it open too, until it runs
// its program.
func unlockFile(f *os.File) error {
	return retry(func() error { return unix.Flock(int(f.Fd()), unix.LOCK_UN) })
}

// protection returns the mapping's access.
func protection(o Options) int {
	if o.ReadOnly {
		return unix.PROT_READ
	}
	return unix.PROT_READ | unix.PROT_WRITE
}

// nameless reports whether a file is known to have no name left.
func nameless(f *os.File) bool {
	var st unix.Stat_t
	return retry(func() error { return unix.Fstat(int(f.Fd()), &st) }) == nil && st.Nlink == 0
}

// sizeOf returns the size of a file. It does not allocate.
func sizeOf(f *os.File) (int64, error) {
	var st unix.Stat_t
	err := retry(func() error { return unix.Fstat(int(f.Fd()), &st) })
	return st.Size, os.NewSyscallError("fstat", err)
}

// retry repeats a system call that a signal interrupted before it did anything.
func retry(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
