package rpc

import "golang.org/x/sys/unix"

// isOpen does not know: that the other side has ended a connection shows when it is read.
func isOpen(int) bool { return true }

// unacknowledged is how many bytes the socket has taken that the other side has not acknowledged (SO_NWRITE).
func unacknowledged(fd int) (n int, ok bool) {
	n, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_NWRITE)
	return n, err == nil
}
