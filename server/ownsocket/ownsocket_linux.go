package ownsocket

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// addressMax is how long a path may be in the address of a socket: sun_path of unix(7), without a NUL.
const addressMax = 107

// peerUser returns the user of a connection's other side (unix(7), SO_PEERCRED).
func peerUser(fd int) (int, error) {
	c, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return 0, os.NewSyscallError("getsockopt", err)
	}
	return int(c.Uid), nil
}

// openPath opens what is at a path without using it.
func openPath(path string) (*os.File, error) { return os.OpenFile(path, unix.O_PATH, 0) }

// throughDescriptor is a short path to an open file, if there is one (proc(5)).
func throughDescriptor(f *os.File) (path string, ok bool) {
	path = "/proc/self/fd/" + strconv.Itoa(int(f.Fd()))
	_, err := os.Lstat(path)
	return path, err == nil
}
