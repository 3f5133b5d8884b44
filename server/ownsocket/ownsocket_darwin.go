package ownsocket

import (
	"os"

	"golang.org/x/sys/unix"
)

// addressMax is how long a path may be in the address of a socket: sun_path of unix(4), without a NUL.
const addressMax = 103

// peerUser returns the user of a connection's other side (unix(4), LOCAL_PEERCRED).
func peerUser(fd int) (int, error) {
	c, err := unix.GetsockoptXucred(fd, unix.SOL_LOCAL, unix.LOCAL_PEERCRED)
	if err != nil {
		return 0, os.NewSyscallError("getsockopt", err)
	}
	return int(c.Uid), nil
}

// openPath opens what is at a path.
func openPath(path string) (*os.File, error) { return os.Open(path) }

// throughDescriptor has nothing to offer: there is no /proc.
func throughDescriptor(*os.File) (path string, ok bool) { return "", false }
