package bench

import (
	"os"

	"golang.org/x/sys/unix"
)

// filesystemOf names the type of the filesystem that a folder is on.
func filesystemOf(folder string) (string, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(folder, &st); err != nil {
		return "", os.NewSyscallError("statfs", err)
	}
	return unix.ByteSliceToString(st.Fstypename[:]), nil
}

// processorModel is what the kernel calls the processor.
func processorModel() (string, error) {
	model, err := unix.Sysctl("machdep.cpu.brand_string")
	return model, os.NewSyscallError("sysctl", err)
}

// durableWays are those of macOS, where O_DSYNC stops at the drive's cache.
var durableWays = []durableWay{{name: "F_FULLFSYNC", sync: true}}

// syncData makes a file's data durable. os.File.Sync is F_FULLFSYNC here.
func syncData(f *os.File) error { return f.Sync() }
