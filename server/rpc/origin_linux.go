package rpc

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// originSpace is room for what the system says of where a datagram was sent to.
const originSpace = 128

// askOrigins makes a socket say which address each datagram was sent to. It reports whether it is a socket of IPv6.
func askOrigins(uc *net.UDPConn) (v6 bool, err error) {
	raw, err := uc.SyscallConn()
	if err != nil {
		return false, err
	}
	err = errors.Join(raw.Control(func(fd uintptr) {
		domain, derr := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_DOMAIN)
		if v6 = domain == unix.AF_INET6; v6 {
			derr = errors.Join(derr, unix.SetsockoptInt(int(fd), unix.SOL_IPV6, unix.IPV6_RECVPKTINFO, 1))
		} else {
			derr = errors.Join(derr, unix.SetsockoptInt(int(fd), unix.SOL_IP, unix.IP_PKTINFO, 1))
		}
		err = os.NewSyscallError("setsockopt", derr)
	}), err)
	return v6, err
}

// parseOrigin reads control messages of a datagram.
func parseOrigin(oob []byte) origin {
	for len(oob) > 0 {
		h, data, rest, err := unix.ParseOneSocketControlMessage(oob)
		if err != nil {
			return origin{}
		}
		switch {
		case h.Level == unix.SOL_IP && h.Type == unix.IP_PKTINFO && len(data) >= unix.SizeofInet4Pktinfo:
			// struct in_pktinfo: interface, local address, address in the header.
			return origin{addr: netip.AddrFrom4([4]byte(data[4:8]))}
		case h.Level == unix.SOL_IPV6 && h.Type == unix.IPV6_PKTINFO && len(data) >= unix.SizeofInet6Pktinfo:
			// struct in6_pktinfo: address in the header, interface.
			o := origin{addr: netip.AddrFrom16([16]byte(data[:16])).Unmap()}
			if o.addr.IsMulticast() {
				return origin{}
			}
			if o.addr.IsLinkLocalUnicast() && o.addr.Is6() {
				o.iface = binary.NativeEndian.Uint32(data[16:])
			}
			return o
		}
		oob = rest
	}
	return origin{}
}

// encode makes the control message that sends a datagram from o.
func (o origin) encode(v6 bool) []byte {
	switch {
	case !o.addr.IsValid() || o.addr.IsUnspecified():
		return nil
	case v6:
		return unix.PktInfo6(&unix.Inet6Pktinfo{Addr: o.addr.As16(), Ifindex: o.iface})
	case o.addr.Is4():
		return unix.PktInfo4(&unix.Inet4Pktinfo{Spec_dst: o.addr.As4()})
	}
	return nil
}

func truncated(flags int) bool { return flags&unix.MSG_TRUNC != 0 }

// passing reports whether a failed read says something about another datagram: an ICMP message.
func passing(err error) bool {
	return errors.Is(err, unix.ECONNREFUSED) || errors.Is(err, unix.EHOSTUNREACH) || errors.Is(err, unix.ENETUNREACH)
}
