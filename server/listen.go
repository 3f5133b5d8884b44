package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"syscall"
	"time"

	"pmemfs/pmemfs/safego"
	"pmemfs/server/portmap"
	"pmemfs/server/rpc"
	"pmemfs/server/systemd"
)

// Finding says how clients that have not been told the ports find them. The zero value: not at all.
type Finding struct {
	Portmap  string          // address to answer as a portmapper on, host:port; without a host, that of NFS
	Register bool            // with the machine's rpcbind, in place of that
	Rpcbind  portmap.Rpcbind // where that is; the zero value for where it always is
}

// on reports whether clients find the ports. Then programs are served over UDP too, as clients use that as well.
func (f Finding) on() bool { return f.Portmap != "" || f.Register }

// vet refuses what could not work.
func (f Finding) vet() error {
	if f.Portmap != "" && f.Register {
		return errors.New("a portmapper of its own and a registration with rpcbind: choose one")
	}
	if f.Portmap == "" {
		return nil
	}
	if err := vetAddress(f.Portmap, ":111"); err != nil {
		return fmt.Errorf("cannot answer as a portmapper on %q: %w", f.Portmap, err)
	}
	return nil
}

// address is where the portmapper is to listen.
func (f Finding) address(nfs string) (string, error) {
	host, port, err := net.SplitHostPort(f.Portmap)
	if err != nil || host != "" {
		return f.Portmap, err
	}
	host, _, err = net.SplitHostPort(nfs)
	return net.JoinHostPort(host, port), err
}

// endpoint is an address that is listened on: by TCP, and perhaps by UDP.
type endpoint struct {
	tcp net.Listener
	uc  *net.UDPConn // nil, or what udp will be made of
	udp *rpc.Datagrams
	srv *rpc.Server
}

// family is the network of an address. Without the digit Go listens on IPv6 as well where 0.0.0.0 is asked for.
func family(network, address string) string {
	if ap, err := netip.ParseAddrPort(address); err == nil && ap.Addr().Is4() {
		return network + "4"
	}
	return network
}

// vetAddress refuses an address that nothing can listen on, or that names none. example is one that is right.
func vetAddress(address, example string) error {
	if _, _, err := net.SplitHostPort(address); err != nil {
		return fmt.Errorf("%w: write host:port, such as %s", err, example)
	}
	_, err := net.ResolveTCPAddr("tcp", address)
	return err
}

// wayOut adds to an error of listening what can be done about it, where that is known. option is how another address is chosen.
func wayOut(err error, option string) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%w: another program has it; stop that, or choose another address with %s", err, option)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%w: this machine does not have it; choose another one with %s, 0.0.0.0 for all that it has", err, option)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%w: ports below 1024 take CAP_NET_BIND_SERVICE; have that, or choose another port with %s", err, option)
	}
	return err
}

// listenAt listens at an address, by UDP on the port that TCP got.
func listenAt(address string, udp bool) (*endpoint, error) {
	l, err := net.Listen(family("tcp", address), address)
	if err != nil {
		return nil, err
	}
	p := &endpoint{tcp: l}
	if !udp {
		return p, nil
	}
	return p, p.listenUDP(address)
}

// listenUDP listens by UDP on the port that TCP has. After an error nothing is listened on.
func (p *endpoint) listenUDP(address string) error {
	host, _, err := net.SplitHostPort(address)
	if err == nil {
		var pc net.PacketConn
		if pc, err = net.ListenPacket(family("udp", address), net.JoinHostPort(host, strconv.Itoa(int(p.addr().Port())))); err == nil {
			p.uc = pc.(*net.UDPConn) // as the network asked for has no other
			return nil
		}
	}
	return errors.Join(err, p.tcp.Close())
}

// answer makes the endpoint answer calls of a server's programs.
func (p *endpoint) answer(c rpc.Config) error {
	p.srv = rpc.NewServer(c)
	if p.uc == nil {
		return nil
	}
	var err error
	p.udp, err = p.srv.NewDatagrams(p.uc)
	return err
}

func (p *endpoint) addr() netip.AddrPort { return addrOf(p.tcp.Addr()) }

// udpAddr is the address that is listened on by UDP, or the zero value.
func (p *endpoint) udpAddr() netip.AddrPort {
	if p.uc == nil {
		return netip.AddrPort{}
	}
	return addrOf(p.uc.LocalAddr())
}

func addrOf(a net.Addr) netip.AddrPort {
	ap, err := netip.ParseAddrPort(a.String())
	if _, named := a.(*net.UnixAddr); named || err != nil {
		return netip.AddrPort{} // a socket without one
	}
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

// serve answers calls until ctx ends, and returns nil then; if one of its sockets fails, all end.
func (p *endpoint) serve(ctx context.Context) error {
	return together(ctx, func(ctx context.Context) error { return p.srv.Serve(ctx, p.tcp) }, func(ctx context.Context) error {
		if p.udp == nil {
			<-ctx.Done()
			return nil
		}
		return p.udp.Serve(ctx)
	})
}

func (p *endpoint) close() error {
	err := p.tcp.Close()
	if p.uc != nil {
		err = errors.Join(err, p.uc.Close())
	}
	return err
}

// errPanicked is why a server stops of which a part has ended by a panic.
var errPanicked = errors.New("a part of the server has panicked; the log says where")

// together runs functions until ctx ends, or the first of them returns, and waits for all.
func together(ctx context.Context, each ...func(context.Context) error) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	errs := make([]error, len(each))
	var wg safego.Group
	for i, f := range each {
		errs[i] = errPanicked // unless it returns
		wg.Go("a part of the server", func() {
			defer stop()
			errs[i] = f(ctx)
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// listenPortmap listens where the configuration wants a portmapper; nil without an error where it wants none.
func (c *Config) listenPortmap() (*endpoint, error) {
	if c.Finding.Portmap == "" {
		return nil, nil
	}
	address, err := c.Finding.address(c.NFS)
	if err != nil {
		return nil, err
	}
	p, err := c.endpointAt(systemd.Portmap, address, true)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		err = fmt.Errorf("cannot answer as a portmapper: %w: if rpcbind has it, use --register in place of --portmap", err)
	case err != nil:
		err = fmt.Errorf("cannot answer as a portmapper: %w", wayOut(err, "--portmap"))
	}
	return p, err
}

// Bounds of the portmapper's connections, which are short, and of calls to rpcbind.
const (
	portmapConnections = 256
	portmapIdle        = 30 * time.Second
	rpcbindTimeout     = 10 * time.Second
)

// register registers services with the machine's rpcbind.
func (s *Server) register(at portmap.Rpcbind, services []portmap.Service) error {
	ctx, cancel := context.WithTimeout(context.Background(), rpcbindTimeout)
	defer cancel()
	var err error
	if s.registrar, err = portmap.Register(ctx, at, services); errors.Is(err, portmap.ErrTaken) {
		err = fmt.Errorf("%w (this machine's rpc.statd or NFS server, maybe: stop it, or leave locks out)", err)
	}
	if err != nil {
		return fmt.Errorf("cannot register with rpcbind: %w", err)
	}
	return nil
}

// withdraw takes the registrations back.
func (s *Server) withdraw() {
	if s.registrar == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), rpcbindTimeout)
	defer cancel()
	if err := s.registrar.Withdraw(ctx); err != nil {
		s.log.Warn("rpcbind still lists this server", "error", err)
	}
}
