package portmap

import (
	"encoding/binary"
	"net/netip"
	"time"

	"pmemfs/server/rpc"
)

// owner is whom the services are said to belong to.
const owner = "pmemfs"

// rpcb is the argument of most procedures of versions 3 and 4 (RFC 1833 section 2.1). The owner means nothing here.
type rpcb struct {
	prog, vers uint32
	netid      string
	addr       string
}

func decodeRpcb(d *rpc.Decoder) (b rpcb) {
	b.prog, b.vers = d.Uint32(), d.Uint32()
	b.netid, b.addr = string(d.Opaque(netidMax)), string(d.Opaque(addrMax))
	d.Opaque(ownerMax)
	return b
}

// serve34 answers versions 3 and 4 (RFC 1833 section 2).
func (s *Server) serve34(r *rpc.Request, d *rpc.Decoder, e *rpc.Encoder) rpc.Result {
	switch r.Proc {
	case procNull:
		return answer(d, func() {})
	case procSet, procUnset:
		decodeRpcb(d)
		return answer(d, func() { e.Bool(false) })
	case procGet:
		b := decodeRpcb(d)
		return answer(d, func() { e.Opaque([]byte(s.addr(r, &b, false))) })
	case procDump:
		return answer(d, func() { s.dump34(r, e) })
	case procGetTime:
		return answer(d, func() { e.Uint32(uint32(time.Now().Unix())) })
	case procUaddr2Taddr:
		text := string(d.Opaque(addrMax))
		return answer(d, func() { encodeTaddr(text, e) })
	case procTaddr2Uaddr:
		d.Uint32() // how much room the caller has
		taddr := d.Opaque(addrMax)
		return answer(d, func() { e.Opaque([]byte(taddrText(taddr))) })
	}
	if r.Vers == version4 {
		return s.serve4(r, d, e)
	}
	return rpc.ProcUnavail
}

// serve4 answers what version 4 alone has.
func (s *Server) serve4(r *rpc.Request, d *rpc.Decoder, e *rpc.Encoder) rpc.Result {
	switch r.Proc {
	case proc4GetVers:
		b := decodeRpcb(d)
		return answer(d, func() { e.Opaque([]byte(s.addr(r, &b, true))) })
	case proc4GetList:
		b := decodeRpcb(d)
		return answer(d, func() { s.list(r, &b, e) })
	case proc4GetStat:
		return answer(d, func() { s.stat(e) })
	}
	return rpc.ProcUnavail
}

// addr is the answer to GETADDR and GETVERSADDR: an empty string for none. RFC 1833 section 2.2.1 would have the transport be the
// request's, whatever the argument says; but who names another one, as macOS may, means it.
func (s *Server) addr(r *rpc.Request, b *rpcb, exact bool) string {
	n := netidOf(r)
	if b.netid != "" {
		if n = netidNamed(b.netid); n == nil {
			return ""
		}
	}
	found := find(s.visible(r), b.prog, b.vers, n, exact)
	if found == nil {
		return ""
	}
	return found.uaddrFor(n, r.Local.Addr(), hint(b.addr))
}

// hint is the address of this machine that a client puts into its question, if it does.
func hint(text string) netip.Addr {
	ap, ok := parseUaddr(text)
	if !ok || ap.Addr().IsUnspecified() || ap.Addr().IsMulticast() {
		return netip.Addr{}
	}
	return ap.Addr()
}

// dump34 writes rpcblist_ptr.
func (s *Server) dump34(r *rpc.Request, e *rpc.Encoder) {
	for _, v := range s.visible(r) {
		for i := range netids {
			n := &netids[i]
			if !v.on(n) {
				continue
			}
			e.Bool(true)
			e.Uint32(v.Prog)
			e.Uint32(v.Vers)
			e.Opaque([]byte(n.name))
			e.Opaque([]byte(v.uaddrFor(n, netip.Addr{}, netip.Addr{})))
			e.Opaque([]byte(owner))
		}
	}
	e.Bool(false)
}

// list writes rpcb_entry_list_ptr: where one version of a program is, by all transports of the request's family.
func (s *Server) list(r *rpc.Request, b *rpcb, e *rpc.Encoder) {
	v6 := r.Local.Addr().Is6()
	for i := range netids {
		n := &netids[i]
		if n.v6 != v6 {
			continue
		}
		found := find(s.visible(r), b.prog, b.vers, n, true)
		if found == nil {
			continue
		}
		e.Bool(true)
		e.Opaque([]byte(found.uaddrFor(n, r.Local.Addr(), hint(b.addr))))
		e.Opaque([]byte(n.name))
		e.Uint32(n.semantics)
		e.Opaque([]byte(n.family))
		e.Opaque([]byte(n.proto))
	}
	e.Bool(false)
}

// stat writes rpcb_stat_byvers: how often each procedure of each version was called. Which addresses were asked for is not
// counted, so the lists of them are empty.
func (s *Server) stat(e *rpc.Encoder) {
	for v := version2; v <= version4; v++ {
		for p := range s.counts[v] {
			e.Uint32(s.counts[v][p].Load())
		}
		for range 4 { // of SET and UNSET none was granted; no addresses, no calls made for others
			e.Uint32(0)
		}
	}
}

// Transport addresses are this system's own (struct sockaddr_in, sockaddr_in6): they mean something to programs beside the
// server, which alone ask for them.
const (
	family4, family6 = 2, 10
	taddr4, taddr6   = 16, 28
)

// encodeTaddr writes the netbuf of a universal address, an empty one if it is none.
func encodeTaddr(text string, e *rpc.Encoder) {
	ap, ok := parseUaddr(text)
	var b []byte
	switch {
	case !ok:
	case ap.Addr().Is4():
		b = make([]byte, taddr4)
		binary.NativeEndian.PutUint16(b, family4)
		copy(b[4:], ap.Addr().AsSlice())
	default:
		b = make([]byte, taddr6)
		binary.NativeEndian.PutUint16(b, family6)
		copy(b[8:], ap.Addr().AsSlice())
	}
	if ok {
		binary.BigEndian.PutUint16(b[2:], ap.Port())
	}
	e.Uint32(uint32(len(b)))
	e.Opaque(b)
}

// taddrText is the universal address of a netbuf, or nothing.
func taddrText(b []byte) string {
	if len(b) < taddr4 {
		return ""
	}
	port := binary.BigEndian.Uint16(b[2:])
	switch family := binary.NativeEndian.Uint16(b); {
	case family == family4:
		return uaddr(netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[4:8])), port))
	case family == family6 && len(b) >= taddr6:
		return uaddr(netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[8:24])), port))
	}
	return ""
}
