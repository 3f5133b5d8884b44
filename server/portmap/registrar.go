package portmap

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"pmemfs/server/rpc"
)

// ErrTaken is returned for a service that another server, which is running, has registered.
var ErrTaken = errors.New("another server is registered")

// ErrNotRegistered is returned when rpcbind does not want a registration.
var ErrNotRegistered = errors.New("rpcbind refuses")

// Registrar has services registered with the machine's rpcbind.
type Registrar struct {
	book book
	done []entry
}

// askTimeout is how long whoever is registered has to answer, to count as running.
const askTimeout = 2 * time.Second

// Register registers services, all or none. What a server has left behind that was killed is replaced; a server that is running is left
// alone: ErrTaken. Without an rpcbind the error is that of connecting to it.
func Register(ctx context.Context, at Rpcbind, services []Service) (*Registrar, error) {
	r := &Registrar{book: at.open()}
	entries := slices.DeleteFunc(entriesOf(services), func(x entry) bool { return !r.book.holds(x) })
	if err := r.makeRoom(ctx, entries); err != nil {
		return nil, err
	}
	for _, x := range entries {
		ok, err := r.book.set(ctx, x)
		if err == nil && !ok {
			err = ErrNotRegistered
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("%v: %w", x, err), r.Withdraw(ctx))
		}
		r.done = append(r.done, x)
	}
	return r, nil
}

// entriesOf are the registrations of services: one for each transport.
func entriesOf(services []Service) []entry {
	var list []entry
	for i := range services {
		s := &services[i]
		for k := range netids {
			n := &netids[k]
			if !s.on(n) {
				continue
			}
			addr := s.Addr
			if addr.Addr().IsUnspecified() && !n.v6 {
				addr = netip.AddrPortFrom(netip.IPv4Unspecified(), addr.Port())
			}
			list = append(list, entry{s.Prog, s.Vers, n, addr})
		}
	}
	return list
}

// makeRoom removes what is registered in place of entries and does not answer. All of it first: a portmapper removes a program by
// all transports at once.
func (r *Registrar) makeRoom(ctx context.Context, entries []entry) error {
	list, err := r.book.dump(ctx)
	if err != nil {
		return err
	}
	for _, x := range entries {
		for _, old := range list {
			if old.prog != x.prog || old.vers != x.vers || old.n != x.n || r.book.same(old, x) {
				continue
			}
			if running(ctx, old) {
				return fmt.Errorf("%w: %v", ErrTaken, old)
			}
			if _, err := r.book.unset(ctx, old); err != nil {
				return err
			}
		}
	}
	return nil
}

// running reports whether the program of a registration answers.
func running(ctx context.Context, x entry) bool {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	to := x.addr
	if to.Addr().IsUnspecified() {
		host := netip.AddrFrom4([4]byte{127, 0, 0, 1})
		if x.n.v6 {
			host = netip.IPv6Loopback()
		}
		to = netip.AddrPortFrom(host, to.Port())
	}
	ask := rpc.CallTCP
	if x.n.udp {
		ask = rpc.CallUDP
	}
	_, err := ask(ctx, netip.Addr{}, to, &rpc.OutCall{Prog: x.prog, Vers: x.vers})
	return err == nil
}

// Withdraw takes the registrations back that are still there.
//
// Errors: those of reaching rpcbind, joined.
func (r *Registrar) Withdraw(ctx context.Context) error {
	if len(r.done) == 0 {
		return nil
	}
	list, err := r.book.dump(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, x := range r.done {
		for _, old := range list {
			if r.book.same(old, x) {
				_, err := r.book.unset(ctx, x)
				errs = append(errs, err)
				break
			}
		}
	}
	r.done = nil
	return errors.Join(errs...)
}
