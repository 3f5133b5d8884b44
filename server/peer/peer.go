// Package peer calls programs of clients: it asks the client's portmapper where they are, and calls them over the transport that
// the client itself has used, from the address of this machine that the client knows.
//
// # Concurrency and durability
//
// A Caller is for any number of goroutines. It remembers where programs were, boundedly, and forgets what did not answer.
// Nothing is on the medium.
package peer

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"pmemfs/server/rpc"
)

// Portmapper is the port of every host's portmapper.
const Portmapper = 111

// portmapper's program, and what is asked of it (RFC 1833 sections 3.2 and 2.2.1).
const (
	progPortmap = 100000
	procGet     = 3 // PMAPPROC_GETPORT of version 2, RPCBPROC_GETADDR of version 3
	protoTCP    = 6
	protoUDP    = 17
)

// ErrAbsent is returned when the client's portmapper knows no such program.
var ErrAbsent = errors.New("peer: the client has no such program")

const (
	endpointsMax = 4096            // endpoints that are remembered
	keepFor      = 5 * time.Minute // how long
	uaddrMax     = 256             // bytes of a universal address
)

// Route is the way to a client.
type Route struct {
	Host  netip.Addr // the client
	Local netip.Addr // the address of this machine that it knows; the zero value for any
	Zone  string     // the interface by which it is reached, if its address means nothing without
	UDP   bool       // the transport to try first
}

// RouteOf is the way back to whoever made a call.
func RouteOf(r *rpc.Request) Route {
	return Route{Host: r.Remote.Addr(), Local: r.Local.Addr(), Zone: r.Zone, UDP: r.Datagram}
}

// ends are the addresses of a call from here to at, with the interface where they need one.
func (r Route) ends(at netip.AddrPort) (netip.Addr, netip.AddrPort) {
	local := r.Local
	if local.IsLinkLocalUnicast() {
		local = local.WithZone(r.Zone)
	}
	if at.Addr().IsLinkLocalUnicast() {
		at = netip.AddrPortFrom(at.Addr().WithZone(r.Zone), at.Port())
	}
	return local, at
}

// Caller calls programs of clients.
type Caller struct {
	port   uint16 // of portmappers
	socket atomic.Pointer[rpc.Datagrams]

	mu        sync.Mutex // a leaf
	endpoints map[wanted]endpoint
}

// wanted is a program of a client.
type wanted struct {
	host       netip.Addr
	prog, vers uint32
	udp        bool
}

type endpoint struct {
	at    netip.AddrPort
	until time.Time
}

// New returns a caller that finds portmappers at a port, at Portmapper if it is 0.
func New(port uint16) *Caller {
	if port == 0 {
		port = Portmapper
	}
	return &Caller{port: port, endpoints: map[wanted]endpoint{}}
}

// Attach gives a caller the socket to make calls over UDP from. Without one it uses sockets of its own.
func (c *Caller) Attach(d *rpc.Datagrams) { c.socket.Store(d) }

// Call calls a program of a client and returns the results. It tries the route's transport, and then the other one, until ctx
// ends; so the call may be carried out several times.
//
// Errors: ErrAbsent, rpc.ErrRefused as an rpc.Refusal, those of ctx and of the sockets; those of both transports, joined.
func (c *Caller) Call(ctx context.Context, r Route, out *rpc.OutCall) ([]byte, error) {
	var errs []error
	for _, udp := range []bool{r.UDP, !r.UDP} {
		// Half of the time for each: a firewall may swallow one of them.
		each, cancel := context.WithTimeout(ctx, shareOf(ctx))
		results, err := c.over(each, r, udp, out)
		cancel()
		if err == nil || errors.Is(err, rpc.ErrRefused) {
			return results, err
		}
		errs = append(errs, err)
		if ctx.Err() != nil {
			break
		}
	}
	return nil, errors.Join(errs...)
}

// shareOf is half of the time that a context has.
func shareOf(ctx context.Context) time.Duration {
	if end, ok := ctx.Deadline(); ok {
		return time.Until(end) / 2
	}
	return time.Minute
}

func (c *Caller) over(ctx context.Context, r Route, udp bool, out *rpc.OutCall) ([]byte, error) {
	w := wanted{r.Host, out.Prog, out.Vers, udp}
	at, known := c.remembered(w)
	if !known {
		var err error
		if at, err = c.locate(ctx, r, w); err != nil {
			return nil, err
		}
	}
	results, err := c.call(ctx, r, at, udp, out)
	if err == nil {
		c.remember(w, at)
		return results, nil
	}
	c.forget(w)
	return nil, err
}

// Send is Call for a call whose results nobody wants. Over UDP it is sent once.
//
// Errors: those of Call.
func (c *Caller) Send(ctx context.Context, r Route, out *rpc.OutCall) error {
	if !r.UDP {
		_, err := c.Call(ctx, r, out)
		return err
	}
	w := wanted{r.Host, out.Prog, out.Vers, true}
	at, known := c.remembered(w)
	if !known {
		var err error
		if at, err = c.locate(ctx, r, w); err != nil {
			return err
		}
		c.remember(w, at)
	}
	local, at := r.ends(at)
	if d := c.socket.Load(); d != nil {
		return d.Send(local, at, out)
	}
	_, err := rpc.CallUDP(ctx, local, at, out)
	return err
}

// call makes one call at an address that is known.
func (c *Caller) call(ctx context.Context, r Route, at netip.AddrPort, udp bool, out *rpc.OutCall) ([]byte, error) {
	local, at := r.ends(at)
	switch d := c.socket.Load(); {
	case !udp:
		return rpc.CallTCP(ctx, local, at, out)
	case d != nil:
		return d.Call(ctx, local, at, out)
	}
	return rpc.CallUDP(ctx, local, at, out)
}

// locate asks a client's portmapper: version 2 over IPv4, version 3 over IPv6, of which version 2 knows nothing.
func (c *Caller) locate(ctx context.Context, r Route, w wanted) (netip.AddrPort, error) {
	e := rpc.NewEncoder(nil)
	ask := &rpc.OutCall{Prog: progPortmap, Vers: 2, Proc: procGet}
	e.Uint32(w.prog)
	e.Uint32(w.vers)
	if w.host.Is4() {
		proto := uint32(protoTCP)
		if w.udp {
			proto = protoUDP
		}
		e.Uint32(proto)
		e.Uint32(0)
	} else {
		ask.Vers = 3
		netid := "tcp6"
		if w.udp {
			netid = "udp6"
		}
		for _, s := range []string{netid, "", ""} { // no address, no owner
			e.Opaque([]byte(s))
		}
	}
	ask.Args = e.Bytes()
	results, err := c.call(ctx, r, netip.AddrPortFrom(w.host, c.port), w.udp, ask)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("portmapper of %v: %w", w.host, err)
	}
	port, ok := portIn(results, ask.Vers)
	if !ok {
		return netip.AddrPort{}, fmt.Errorf("portmapper of %v: %w", w.host, rpc.ErrNotReply)
	}
	if port == 0 {
		return netip.AddrPort{}, fmt.Errorf("%w: %d, version %d, at %v", ErrAbsent, w.prog, w.vers, w.host)
	}
	// Only the port counts: whoever answers is not to send us to somebody else.
	return netip.AddrPortFrom(w.host, port), nil
}

// portIn reads a portmapper's answer; port 0 says that there is no such program.
func portIn(results []byte, vers uint32) (port uint16, ok bool) {
	d := rpc.NewDecoder(results)
	if vers == 2 {
		n := d.Uint32()
		return uint16(n), d.OK() && n <= 0xffff
	}
	text := string(d.Opaque(uaddrMax))
	if !d.OK() || text == "" {
		return 0, d.OK()
	}
	words := strings.Split(text, ".") // h.o.s.t.hi.lo (RFC 5665 section 5.2.3.3)
	if len(words) < 3 {
		return 0, false
	}
	hi, err := strconv.ParseUint(words[len(words)-2], 10, 8)
	lo, err2 := strconv.ParseUint(words[len(words)-1], 10, 8)
	return uint16(hi<<8 | lo), err == nil && err2 == nil
}

func (c *Caller) remembered(w wanted) (netip.AddrPort, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, ok := c.endpoints[w]
	return p.at, ok && time.Now().Before(p.until)
}

func (c *Caller) remember(w wanted, at netip.AddrPort) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.endpoints) >= endpointsMax {
		clear(c.endpoints)
	}
	c.endpoints[w] = endpoint{at, time.Now().Add(keepFor)}
}

func (c *Caller) forget(w wanted) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.endpoints, w)
}

// Forget forgets where a client's programs were, as after its restart.
func (c *Caller) Forget(host netip.Addr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for w := range c.endpoints {
		if w.host == host {
			delete(c.endpoints, w)
		}
	}
}
