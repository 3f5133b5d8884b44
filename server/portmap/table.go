package portmap

import (
	"net/netip"
	"strconv"
	"strings"

	"pmemfs/server/rpc"
)

// Service is a program at an address.
type Service struct {
	Prog, Vers uint32
	UDP        bool           // TCP if not
	Addr       netip.AddrPort // listened on; all of the machine's if it is unspecified
}

// ServicesOf lists the versions of programs that are served at addr over TCP and, those that can be, over UDP. Either may be the zero value.
func ServicesOf(programs []rpc.Program, tcp, udp netip.AddrPort) []Service {
	var list []Service
	for _, p := range programs {
		for v := p.Low; v <= p.High; v++ {
			if tcp.IsValid() {
				list = append(list, Service{p.Number, v, false, tcp})
			}
			if udp.IsValid() && p.Datagrams {
				list = append(list, Service{p.Number, v, true, udp})
			}
		}
	}
	return list
}

// netid is a transport as RFC 1833 names it (appendix A: and as netconfig(5) does).
type netid struct {
	name   string
	v6     bool
	udp    bool
	family string
	proto  string
	// semantics is that of netconfig: 1 for datagrams, 3 for a stream with an orderly end.
	semantics uint32
}

var netids = [...]netid{
	{"tcp", false, false, "inet", "tcp", 3},
	{"udp", false, true, "inet", "udp", 1},
	{"tcp6", true, false, "inet6", "tcp", 3},
	{"udp6", true, true, "inet6", "udp", 1},
}

// netidNamed returns the transport of a name, or nil.
func netidNamed(name string) *netid {
	for i := range netids {
		if netids[i].name == name {
			return &netids[i]
		}
	}
	return nil
}

// netidOf is the transport that a request came by.
func netidOf(r *rpc.Request) *netid {
	v6 := r.Local.Addr().Is6()
	for i := range netids {
		if n := &netids[i]; n.v6 == v6 && n.udp == r.Datagram {
			return n
		}
	}
	return &netids[0]
}

// on reports whether the service can be reached by a transport. A socket of all IPv6 addresses has the IPv4 ones too.
func (s *Service) on(n *netid) bool {
	a := s.Addr.Addr()
	return s.UDP == n.udp && (a.Is6() == n.v6 || a.Is6() && a.IsUnspecified())
}

// find returns the service of a program by a transport. Without exact one of another version will do: the client will hear
// from it which versions there are.
func find(services []Service, prog, vers uint32, n *netid, exact bool) *Service {
	var other *Service
	for i := range services {
		s := &services[i]
		if s.Prog != prog || !s.on(n) {
			continue
		}
		if s.Vers == vers {
			return s
		}
		other = s
	}
	if exact {
		return nil
	}
	return other
}

// uaddrFor is the universal address at which a client finds the service: where it listens, or if that is everywhere, where the client's
// request went, or what the client thinks that is.
func (s *Service) uaddrFor(n *netid, asked, thought netip.Addr) string {
	a := s.Addr.Addr()
	if a.IsUnspecified() {
		switch {
		case asked.IsValid() && asked.Is6() == n.v6:
			a = asked
		case thought.IsValid() && thought.Is6() == n.v6:
			a = thought
		case n.v6:
			a = netip.IPv6Unspecified()
		default:
			a = netip.IPv4Unspecified()
		}
	}
	return uaddr(netip.AddrPortFrom(a, s.Addr.Port()))
}

// uaddr writes a universal address (RFC 5665 section 5.2.3): the address, and the two bytes of the port in decimal.
func uaddr(ap netip.AddrPort) string {
	p := ap.Port()
	return ap.Addr().WithZone("").String() + "." + strconv.Itoa(int(p>>8)) + "." + strconv.Itoa(int(p&0xff))
}

// parseUaddr reads a universal address.
func parseUaddr(s string) (netip.AddrPort, bool) {
	rest, low, ok := cutLast(s)
	if !ok {
		return netip.AddrPort{}, false
	}
	host, high, ok := cutLast(rest)
	if !ok {
		return netip.AddrPort{}, false
	}
	a, err := netip.ParseAddr(host)
	if err != nil || a.Zone() != "" {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(a.Unmap(), uint16(high)<<8|uint16(low)), true
}

// cutLast cuts off a byte in decimal after the last dot.
func cutLast(s string) (rest string, b uint8, ok bool) {
	i := strings.LastIndexByte(s, '.')
	if i < 0 {
		return "", 0, false
	}
	n, err := strconv.ParseUint(s[i+1:], 10, 8)
	return s[:i], uint8(n), err == nil
}
