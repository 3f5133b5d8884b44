package rpc

import "golang.org/x/sys/unix"

// wideBytes is how much a client that sends one long call after the other may have on its way.
const wideBytes = 2 << 20

// widen lets a client send wideBytes before it has to wait for the server to have read. The system begins with 64 KiB and gives more to whom sends
// more; but who sends the next call when the last is answered never sends more than that, and each call costs a window update and a wake-up.
// To ask for so many bytes at once makes the system find room for them (tcp(7), SO_RCVLOWAT; net/ipv4/tcp.c, tcp_set_rcvlowat), within
// net.ipv4.tcp_rmem; SO_RCVBUF would end its own tuning. That the first call fails only costs the wider window, and the second, which
// takes the wish back, can only fail if it did.
func widen(fd uintptr) {
	if unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVLOWAT, wideBytes) == nil {
		_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVLOWAT, 1)
	}
}
