package export

import (
	"fmt"
	"net/netip"
)

// ParseNetwork reads who may use an export: a network such as 10.0.0.0/8 or fd00::/8, or one address.
//
// Errors: one that says how a network is written.
func ParseNetwork(s string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(s); err == nil && addr.Zone() == "" {
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return p, fmt.Errorf("%q is no network: give one such as 10.0.0.0/8, or an address", s)
	}
	// An IPv4 network written as an IPv6 one is meant to hold IPv4 clients.
	const mapped = 96
	if p.Addr().Is4In6() {
		if p.Bits() < mapped {
			return netip.Prefix{}, fmt.Errorf("%q is no network: it holds more than IPv4 addresses", s)
		}
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-mapped)
	}
	if p != p.Masked() {
		return p, fmt.Errorf("%q is an address in the network %s: give one of the two", s, p.Masked())
	}
	return p, nil
}
