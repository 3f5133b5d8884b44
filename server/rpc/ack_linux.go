package rpc

import "golang.org/x/sys/unix"

// ackNow acknowledges at once what has come of a record whose rest is missing. A client whose socket does not have TCP_NODELAY, as Linux's of
// 9P has not, keeps the last part of a record back until what is before it is acknowledged (RFC 896), and the system waits 40
// milliseconds with that for a reply to send it with (tcp(7), TCP_QUICKACK). That this fails only costs those.
func ackNow(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1) }
