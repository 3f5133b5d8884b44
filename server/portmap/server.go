package portmap

import (
	"net/netip"
	"sync/atomic"

	"pmemfs/server/rpc"
	"pmemfs/server/traffic"
)

// Config is what a Server needs.
type Config struct {
	Services []Service             // what there is to tell
	Admit    func(netip.Addr) bool // who is told; nil for everybody
}

// Server answers questions about services.
type Server struct {
	services []Service
	admit    func(netip.Addr) bool
	counts   [version4 + 1][procsOf4]atomic.Uint32
}

// New returns a server.
func New(c Config) *Server {
	if c.Admit == nil {
		c.Admit = func(netip.Addr) bool { return true }
	}
	return &Server{services: c.Services, admit: c.Admit}
}

// Program is the server as the transport knows it.
func (s *Server) Program() rpc.Program {
	return rpc.Program{Number: Number, Low: version2, High: version4, Datagrams: true, Counted: traffic.Portmap, Serve: s.serve}
}

// serve answers one call.
func (s *Server) serve(r *rpc.Request, e *rpc.Encoder) rpc.Result {
	if r.Proc < procsOf4 {
		s.counts[r.Vers][r.Proc].Add(1)
	}
	d := rpc.NewDecoder(r.Args)
	if r.Vers == version2 {
		return s.serve2(r, d, e)
	}
	return s.serve34(r, d, e)
}

// visible are the services that whoever asks may know of.
func (s *Server) visible(r *rpc.Request) []Service {
	if !s.admit(r.Remote.Addr()) {
		return nil
	}
	return s.services
}

// answer is the end of a procedure: it turns arguments that made no sense into an error.
func answer(d *rpc.Decoder, write func()) rpc.Result {
	if !d.Done() {
		return rpc.GarbageArgs
	}
	write()
	return rpc.Success
}

// IP protocol numbers, by which version 2 names transports.
const (
	protoTCP = 6
	protoUDP = 17
)

// serve2 answers version 2 (RFC 1833 section 3), which knows IPv4 alone.
func (s *Server) serve2(r *rpc.Request, d *rpc.Decoder, e *rpc.Encoder) rpc.Result {
	switch r.Proc {
	case procNull:
		return answer(d, func() {})
	case procSet, procUnset:
		s.mapping(d)
		return answer(d, func() { e.Bool(false) })
	case procGet:
		r.Counted.Procedure = traffic.GetPort()
		prog, vers, proto := s.mapping(d)
		return answer(d, func() { e.Uint32(s.port(r, prog, vers, proto)) })
	case procDump:
		return answer(d, func() { s.dump2(r, e) })
	}
	return rpc.ProcUnavail
}

// mapping reads a mapping, without its port.
func (s *Server) mapping(d *rpc.Decoder) (prog, vers, proto uint32) {
	prog, vers, proto = d.Uint32(), d.Uint32(), d.Uint32()
	d.Uint32()
	return prog, vers, proto
}

// port is the answer to GETPORT: 0 for none.
func (s *Server) port(r *rpc.Request, prog, vers, proto uint32) uint32 {
	n := netidNamed("tcp")
	switch proto {
	case protoTCP:
	case protoUDP:
		n = netidNamed("udp")
	default:
		return 0
	}
	found := find(s.visible(r), prog, vers, n, false)
	if found == nil {
		return 0
	}
	return uint32(found.Addr.Port())
}

// dump2 writes pmaplist.
func (s *Server) dump2(r *rpc.Request, e *rpc.Encoder) {
	for _, v := range s.visible(r) {
		proto := uint32(protoTCP)
		n := netidNamed("tcp")
		if v.UDP {
			proto, n = protoUDP, netidNamed("udp")
		}
		if !v.on(n) {
			continue
		}
		e.Bool(true)
		for _, w := range [...]uint32{v.Prog, v.Vers, proto, uint32(v.Addr.Port())} {
			e.Uint32(w)
		}
	}
	e.Bool(false)
}
