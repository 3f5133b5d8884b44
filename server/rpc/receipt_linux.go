package rpc

import "golang.org/x/sys/unix"

// tcpEstablished is TCP_ESTABLISHED of the kernel's include/net/tcp_states.h.
const tcpEstablished = 1

// isOpen reports whether neither side has ended a TCP connection.
func isOpen(fd int) bool {
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	return err != nil || info.State == tcpEstablished
}

// unacknowledged is how many bytes the socket has taken that the other side has not acknowledged (tcp(7), SIOCOUTQ). After a reset it is
// what it was before.
func unacknowledged(fd int) (n int, ok bool) {
	n, err := unix.IoctlGetInt(fd, unix.SIOCOUTQ)
	return n, err == nil
}
