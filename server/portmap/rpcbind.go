package portmap

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"

	"pmemfs/server/rpc"
)

// Rpcbind says where the machine's own rpcbind is. The zero value is where it always is.
type Rpcbind struct {
	Sockets []string       // its local socket is the first of these that is there; /run/rpcbind.sock, /var/run/rpcbind.sock
	TCP     netip.AddrPort // where it is asked if there is none; 127.0.0.1:111
}

func (b Rpcbind) withDefaults() Rpcbind {
	if b.Sockets == nil {
		b.Sockets = []string{"/run/rpcbind.sock", "/var/run/rpcbind.sock"}
	}
	b.TCP = cmp.Or(b.TCP, netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), Port))
	return b
}

// entry is a registration.
type entry struct {
	prog, vers uint32
	n          *netid
	addr       netip.AddrPort
}

func (x entry) String() string {
	return fmt.Sprintf("program %d version %d over %s at %v", x.prog, x.vers, x.n.name, x.addr)
}

// book is a running rpcbind as a registrar sees it: over its local socket, in version 4, or over TCP as a portmapper, which knows no
// addresses.
type book interface {
	set(ctx context.Context, x entry) (bool, error)
	unset(ctx context.Context, x entry) (bool, error)
	dump(ctx context.Context) ([]entry, error)
	// same reports whether a registration that dump has returned may have been made by set of x.
	same(old, x entry) bool
	// holds reports whether set can express x.
	holds(x entry) bool
}

// open finds the machine's rpcbind.
func (b Rpcbind) open() book {
	b = b.withDefaults()
	for _, path := range b.Sockets {
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			return local{path}
		}
	}
	return classic{b.TCP}
}

// local is rpcbind by its socket, where it believes who is calling; so no privilege is needed.
type local struct{ path string }

func (l local) call(ctx context.Context, proc uint32, args []byte) (*rpc.Decoder, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", l.path)
	if err != nil {
		return nil, err
	}
	return call(ctx, conn, version4, proc, args)
}

// call makes one call over a connection, and closes it.
func call(ctx context.Context, conn net.Conn, vers, proc uint32, args []byte) (*rpc.Decoder, error) {
	results, err := rpc.CallStream(ctx, conn, &rpc.OutCall{Prog: Number, Vers: vers, Proc: proc, Args: args})
	if err := errors.Join(err, conn.Close()); err != nil {
		return nil, fmt.Errorf("rpcbind at %v: %w", conn.RemoteAddr(), err)
	}
	return rpc.NewDecoder(results), nil
}

// yes reads a bool, the only result.
func yes(d *rpc.Decoder, err error) (bool, error) {
	if err != nil {
		return false, err
	}
	ok := d.Bool()
	if !d.Done() {
		return false, errNoSense
	}
	return ok, nil
}

var errNoSense = errors.New("rpcbind's answer makes no sense")

// args is the rpcb of a registration.
func (l local) args(x entry) []byte {
	e := rpc.NewEncoder(nil)
	e.Uint32(x.prog)
	e.Uint32(x.vers)
	e.Opaque([]byte(x.n.name))
	e.Opaque([]byte(uaddr(x.addr)))
	e.Opaque([]byte(strconv.Itoa(os.Getuid()))) // rpcbind puts there what it knows
	return e.Bytes()
}

func (l local) set(ctx context.Context, x entry) (bool, error) {
	return yes(l.call(ctx, procSet, l.args(x)))
}

func (l local) unset(ctx context.Context, x entry) (bool, error) {
	return yes(l.call(ctx, procUnset, l.args(x)))
}

func (l local) dump(ctx context.Context) ([]entry, error) {
	d, err := l.call(ctx, procDump, nil)
	if err != nil {
		return nil, err
	}
	var list []entry
	for d.Bool() {
		b := decodeRpcb(d)
		addr, ok := parseUaddr(b.addr)
		if n := netidNamed(b.netid); ok && n != nil {
			list = append(list, entry{b.prog, b.vers, n, addr})
		}
	}
	if !d.Done() {
		return nil, errNoSense
	}
	return list, nil
}

func (l local) same(old, x entry) bool { return old == x }

func (l local) holds(entry) bool { return true }

// classic is any portmapper over TCP on this machine. Most take registrations only from a port below 1024.
type classic struct{ addr netip.AddrPort }

func (c classic) call(ctx context.Context, proc uint32, args []byte) (*rpc.Decoder, error) {
	conn, err := dialReserved(ctx, c.addr)
	if err != nil {
		return nil, err
	}
	return call(ctx, conn, version2, proc, args)
}

// reservedLow and reservedHigh are the ports below 1024 that are for such use.
const (
	reservedLow  = 600
	reservedHigh = 1023
)

// dialReserved connects from a reserved port if it may, and else from any.
func dialReserved(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	for port := uint16(reservedHigh); port >= reservedLow; port-- {
		from := net.TCPAddrFromAddrPort(netip.AddrPortFrom(to.Addr(), port))
		conn, err := (&net.Dialer{LocalAddr: from}).DialContext(ctx, "tcp", to.String())
		switch {
		case errors.Is(err, syscall.EADDRINUSE), errors.Is(err, syscall.EADDRNOTAVAIL):
			continue
		case !errors.Is(err, syscall.EACCES):
			return conn, err
		}
		break
	}
	return new(net.Dialer).DialContext(ctx, "tcp", to.String())
}

// args is the mapping of a registration.
func (c classic) args(x entry) []byte {
	e := rpc.NewEncoder(nil)
	for _, w := range [...]uint32{x.prog, x.vers, protoOf(x.n), uint32(x.addr.Port())} {
		e.Uint32(w)
	}
	return e.Bytes()
}

func protoOf(n *netid) uint32 {
	if n.udp {
		return protoUDP
	}
	return protoTCP
}

func (c classic) set(ctx context.Context, x entry) (bool, error) {
	return yes(c.call(ctx, procSet, c.args(x)))
}

func (c classic) unset(ctx context.Context, x entry) (bool, error) {
	return yes(c.call(ctx, procUnset, c.args(x)))
}

func (c classic) dump(ctx context.Context) ([]entry, error) {
	d, err := c.call(ctx, procDump, nil)
	if err != nil {
		return nil, err
	}
	var list []entry
	for d.Bool() {
		x := entry{prog: d.Uint32(), vers: d.Uint32(), n: netidNamed("tcp")}
		switch proto, port := d.Uint32(), d.Uint32(); proto {
		case protoUDP:
			x.n = netidNamed("udp")
			fallthrough
		case protoTCP:
			x.addr = netip.AddrPortFrom(netip.IPv4Unspecified(), uint16(port))
			list = append(list, x)
		}
	}
	if !d.Done() {
		return nil, errNoSense
	}
	return list, nil
}

func (c classic) same(old, x entry) bool {
	return old.prog == x.prog && old.vers == x.vers && old.n == x.n && old.addr.Port() == x.addr.Port()
}

func (c classic) holds(x entry) bool { return !x.n.v6 }
