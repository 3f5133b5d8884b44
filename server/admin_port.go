package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync"

	"pmemfs/pmemfs/safego"
	"pmemfs/server/admin"
	"pmemfs/server/control"
	"pmemfs/server/export"
	"pmemfs/server/handle"
	"pmemfs/server/metrics"
	"pmemfs/server/page"
	"pmemfs/server/probe"
	"pmemfs/server/systemd"
)

// Admin says where and for whom the admin port is. The zero value: there is none.
type Admin struct {
	Address  string   // host:port; empty for no port
	Optional bool     // if the address cannot be had, the server does without
	Hosts    []string // names by which it may be called, besides addresses and localhost
	Token    string   // for the control interface; empty for what can be looked at alone
	// TokenFile is where the token comes from; empty if that is no file.
	TokenFile string
	// Cert and Key are files in PEM; empty for HTTP without TLS. They are read again when they have changed.
	Cert, Key string
	Pprof     bool // Go's profiles
}

// vet refuses what could not work, or would give more away than was meant.
func (a *Admin) vet() error {
	if a.Address == "" {
		return nil
	}
	if err := vetAddress(a.Address, "127.0.0.1:9049"); err != nil {
		return fmt.Errorf("cannot have the admin port on %q: %w", a.Address, err)
	}
	if (a.Cert == "") != (a.Key == "") {
		return errors.New("the admin port has a certificate without a key, or a key without a certificate: give both")
	}
	if a.Cert != "" {
		if _, err := tls.LoadX509KeyPair(a.Cert, a.Key); err != nil {
			return fmt.Errorf("certificate of the admin port: %w", err)
		}
		return nil
	}
	if a.Token != "" && !loopback(a.Address) {
		return fmt.Errorf("the admin port on %s would take its token in the clear: give it a certificate, or a loopback address", a.Address)
	}
	return nil
}

// loopback reports whether an address is of this machine alone.
func loopback(address string) bool {
	at, err := net.ResolveTCPAddr("tcp", address)
	return err == nil && at.IP.IsLoopback()
}

// certificates are those that the port shows.
func (s *Server) certificates() []metrics.Certificate {
	if s.admin == nil || s.admin.cert == nil {
		return nil
	}
	return []metrics.Certificate{{Of: "admin", Until: s.admin.cert.current().Leaf.NotAfter}}
}

// adminPort is the admin port of a server; nil for none.
type adminPort struct {
	at   net.Addr
	cert *certificate // nil for HTTP
	srv  *admin.Server
	stop context.CancelFunc
	wg   safego.Group
	mu   sync.Mutex // guards err
	err  error      // why it has ended
}

// listenAdmin begins to answer at the admin port: from here on it can be asked how far the server is.
func (s *Server) listenAdmin(a *Admin) error {
	if a.Address == "" {
		return nil
	}
	l, err := listenOn(s.config.Sockets.Named(systemd.Admin), a.Address)
	if err != nil && a.Optional {
		s.log.Warn("there is no admin port: metrics and health cannot be asked for; --admin names another address", "addr", a.Address, "error", err)
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot have the admin port: %w", wayOut(err, "--admin"))
	}
	c := admin.Config{Hosts: a.Hosts, Token: a.Token, Pprof: a.Pprof, Logger: s.log, Health: s.health, Ready: s.ready}
	p := &adminPort{at: l.Addr()}
	if a.Cert != "" {
		if p.cert, err = newCertificate(a, s.log); err != nil {
			return errors.Join(err, l.Close())
		}
		c.TLS = p.cert.tls()
	}
	p.srv = admin.New(c)
	a.warnToken(s.log)
	ctx, stop := context.WithCancel(context.Background())
	p.stop = stop
	p.wg.Go("admin", func() {
		err := p.srv.Serve(ctx, l)
		if err != nil {
			s.log.Error("the admin port has failed; files are served all the same", "error", err)
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.err = err
	})
	s.admin = p
	return nil
}

// warnToken warns of a token that others can read or write. It is not refused: containers are given their secrets so, and have no others.
func (a *Admin) warnToken(log *slog.Logger) {
	if a.TokenFile == "" {
		return
	}
	if st, err := os.Stat(a.TokenFile); err == nil && st.Mode().Perm()&0o007 != 0 {
		log.Warn("other users of this machine have access to the token of the admin port: chmod o= takes it from them", "path", a.TokenFile)
	}
}

// answerAdmin makes the admin port answer everything else, when there are images.
func (s *Server) answerAdmin() {
	if s.admin == nil {
		return
	}
	var servers []*control.Server
	for _, i := range s.images {
		servers = append(servers, i.control.srv)
	}
	s.admin.srv.Answer(admin.Routes{API: control.Together(servers), Public: control.Public, Metrics: s.metrics(), Page: page.Handler()})
}

// closeAdmin ends the admin port, which answers until everything else has ended.
func (s *Server) closeAdmin() error {
	if s.admin == nil {
		return nil
	}
	s.admin.stop()
	s.admin.wg.Wait()
	s.admin.mu.Lock()
	defer s.admin.mu.Unlock()
	return s.admin.err
}

// AdminAddr is the address of the admin port; the zero value if there is none.
func (s *Server) AdminAddr() netip.AddrPort {
	if s.admin == nil {
		return netip.AddrPort{}
	}
	return addrOf(s.admin.at)
}

// AdminScheme is how the admin port is spoken to: http or https.
func (s *Server) AdminScheme() string {
	if s.config.Admin.Cert != "" {
		return "https"
	}
	return "http"
}

// ready says whether clients are served.
func (s *Server) ready() admin.Report {
	at := s.stage()
	r := admin.Report{OK: at == serving, State: at.String()}
	if at != serving {
		return r
	}
	for _, i := range s.images {
		r.Grace = r.Grace || i.inGrace()
		c := probe.Check{Name: "image " + i.path, OK: true}
		if err := i.eng.Failure(); err != nil {
			c.OK, c.Message = false, err.Error()
		}
		r.OK = r.OK && c.OK
		r.Checks = append(r.Checks, c)
	}
	return r
}

// Health asks the server as a client does. Before there is an image, and when the server is stopping, it is alive without that.
func (s *Server) Health(ctx context.Context) admin.Report {
	ctx, cancel := context.WithTimeout(ctx, admin.HealthTime)
	defer cancel()
	return s.health(ctx)
}

// health asks the server as a client does. Before there is an image, and when the server is stopping, it is alive without that.
func (s *Server) health(ctx context.Context) admin.Report {
	at := s.stage()
	if at != serving {
		return admin.Report{OK: true, State: at.String()}
	}
	t := probe.Target{NFS: reachable(s.nfs.addr()), Own: s.own}
	for _, n := range s.nine {
		if at := addrOf(n.l.Addr()); at.Addr().IsValid() {
			t.NineP = append(t.NineP, reachable(at).String())
		} else {
			t.NineP = append(t.NineP, n.l.Addr().String())
		}
	}
	r := admin.Report{OK: true, State: at.String()}
	looks := make([]func() ([]probe.Root, error), len(s.images))
	looking, cancel := context.WithTimeout(ctx, admin.HealthTime/4) // the rest is for the others
	defer cancel()
	for n, i := range s.images {
		r.Grace = r.Grace || i.inGrace()
		looks[n] = i.lookForRoots(looking)
	}
	for n, i := range s.images {
		roots, err := looks[n]()
		if err != nil {
			r.Checks = append(r.Checks, probe.Check{Name: "image " + i.path, Message: err.Error()})
		}
		t.Roots = append(t.Roots, roots...)
	}
	r.Checks = append(r.Checks, probe.Run(ctx, t)...)
	for _, c := range r.Checks {
		r.OK = r.OK && c.OK
	}
	return r
}

// own lets a connection of the server itself in.
func (s *Server) own(from, to netip.AddrPort) (done func()) {
	var all []func()
	for _, i := range s.images {
		all = append(all, i.exports.Own(from, to))
	}
	return func() {
		for _, f := range all {
			f()
		}
	}
}

// reachable is an address at which this process reaches what listens at another one, which may be all that the machine has.
func reachable(at netip.AddrPort) netip.AddrPort {
	switch a := at.Addr(); {
	case !a.IsUnspecified():
		return at
	case a.Is4():
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), at.Port())
	}
	return netip.AddrPortFrom(netip.IPv6Loopback(), at.Port())
}

// errNoRoots is why an image is not well.
var errNoRoots = errors.New("the directories of its exports cannot be looked up in time: its medium is slow, or has stopped")

// lookForRoots begins to look for the roots of an image whose medium may have stopped, and returns what waits for them until ctx ends. A look that does not
// end is not begun again.
func (i *Image) lookForRoots(ctx context.Context) (wait func() ([]probe.Root, error)) {
	found := make(chan []probe.Root, 1)
	if i.looking.CompareAndSwap(false, true) {
		safego.Go("roots", func() {
			var list []probe.Root
			defer func() {
				i.looking.Store(false)
				found <- list // which has room
			}()
			list = i.roots()
		})
	}
	return func() ([]probe.Root, error) {
		select {
		case list := <-found:
			return list, nil
		case <-ctx.Done():
		}
		select {
		case list := <-found: // while others were waited for
			return list, nil
		default:
			return nil, errNoRoots
		}
	}
}

// roots are the directories that the image's exports show, and their handles.
func (i *Image) roots() (list []probe.Root) {
	codec := handle.New(i.eng)
	set := i.exports.Load().All()
	for n := range set {
		e := &set[n]
		attr, err := export.Walk(i.eng, e.Subtree)
		list = append(list, probe.Root{Export: e.Name, Handle: codec.Append(nil, e.ID(), attr.Handle), Err: err})
	}
	return list
}
