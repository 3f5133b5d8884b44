// Package server opens images and serves them: configuration, first run, life cycle. The protocols are in the packages
// below it.
//
// # Life cycle
//
// Open does everything that can fail, in an order that leaves nothing behind: it checks the configuration, listens, makes the images that
// are missing, opens them, and finds the exports. Serve answers clients until its context ends, then stops in order
// (no new connections, no new requests, replies to those in progress), and closes the images, which leaves nothing to replay.
//
// # Concurrency and durability
//
// A Server is used by one goroutine, Reload apart; what it starts is safe by itself. Every reply is durable in the sense of the image's
// persistence domain, so a server that is killed instead of stopped loses nothing but the time of a replay.
package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"pmemfs/pmemfs/safego"
	"pmemfs/server/events"
	"pmemfs/server/export"
	"pmemfs/server/jobs"
	"pmemfs/server/mount3"
	"pmemfs/server/nfs3"
	"pmemfs/server/nlm"
	"pmemfs/server/peer"
	"pmemfs/server/portmap"
	"pmemfs/server/rpc"
	"pmemfs/server/rquota"
	"pmemfs/server/systemd"
	"pmemfs/server/traffic"
)

// Server is open images with listeners.
type Server struct {
	images    []*Image
	tables    export.Tables // of images
	peers     *peer.Caller  // of the locks of all
	nfs       *endpoint     // all programs
	portmap   *endpoint     // the portmapper alone; nil if it is not wanted
	nine      []nineListener
	registrar *portmap.Registrar // nil unless the programs are registered
	started   time.Time
	log       *slog.Logger
	admin     *adminPort
	jobs      jobs.List
	budget    *rpc.Budget // of all listeners
	traffic   *traffic.Table
	events    *events.Log
	watchers  watchers
	at        atomic.Int32 // a stage

	reloading sync.Mutex // orders Reloads, and what they log
	config    Config     // what is in force; of reloading
}

// Open gets everything ready to serve. Until Serve is called clients wait. It listens, and is registered, before it touches an image, so
// one that fails for that has changed nothing.
//
// Errors: a configuration that could not work, before anything is made; those of listening, with what can be done about them; those of
// pmemfs.Format and pmemfs.Open.
func Open(c Config) (*Server, error) {
	c.Logger = cmp.Or(c.Logger, slog.New(slog.DiscardHandler))
	past := new(events.Log)
	c.Logger = slog.New(past.Handler(c.Logger.Handler()))
	if err := c.adopt(c.Sockets); err != nil {
		return nil, err
	}
	sets, err := c.vet()
	if err != nil {
		return nil, err
	}
	if err := vetApart(c.Images); err != nil {
		return nil, err
	}
	s := &Server{log: c.Logger, started: time.Now(), config: c, traffic: traffic.New(), events: past}
	for n := range c.Images {
		i, err := s.newImage(&c.Images[n], sets[n])
		if err != nil {
			return nil, err
		}
		s.images = append(s.images, i)
	}
	if err := s.listen(&c); err != nil {
		return nil, err
	}
	if err := s.open(&c, sets); err != nil {
		s.watchers.close()
		return nil, errors.Join(err, s.undo(), s.unlisten(), s.closeAdmin())
	}
	s.answerAdmin()
	s.warnFar()
	return s, nil
}

// open opens the images, gives the listeners what they answer, and last of all changes what the configuration says of images.
func (s *Server) open(c *Config, sets []*export.Set) error {
	s.enter(recovering)
	if err := s.openImages(c, sets); err != nil {
		return err
	}
	for n, i := range s.images {
		if err := i.listenControl(s, &c.Images[n]); err != nil {
			return err
		}
	}
	s.budget = c.budget()
	for n, i := range s.images {
		if l := c.Images[n].Limits; i.many || l.Waiters > 0 {
			i.room = s.budget.NewRoom(l.Waiters, i.crowded)
		}
	}
	if err := s.watch(&c.Watching); err != nil {
		return err
	}
	if err := s.answer(c); err != nil {
		return err
	}
	for n, i := range s.images {
		i.reschedule(c.Images[n].Snapshots)
		i.limit(c.Images[n].Quotas)
	}
	return nil
}

// listen listens wherever it is to be, and has rpcbind tell clients if that is wanted. After an error nothing is listened on.
func (s *Server) listen(c *Config) (err error) {
	if err = s.listenNineP(c); err == nil {
		if s.nfs, err = c.endpointAt(systemd.NFS, c.NFS, c.Finding.on()); err != nil {
			err = fmt.Errorf("cannot serve NFS: %w", wayOut(err, "--nfs"))
		}
	}
	if err != nil {
		return errors.Join(err, s.closeNineP())
	}
	if s.portmap, err = c.listenPortmap(); err == nil && c.Finding.Register {
		err = s.register(c.Finding.Rpcbind, s.services(c))
	}
	if err == nil {
		err = s.listenAdmin(&c.Admin)
	}
	if err != nil {
		return errors.Join(err, s.unlisten())
	}
	return nil
}

// services are what clients look for, as it is known before there is an image.
func (s *Server) services(c *Config) []portmap.Service {
	programs := []rpc.Program{new(mount3.Server).Program(), new(rquota.Server).Program(), new(nfs3.Server).Program()}
	if c.NFSStack != StackGoNFS {
		programs = append(programs, new(nfs3.Server).ACLProgram())
	}
	if s.locking(&c.Locking) {
		programs = append(programs, new(nlm.Server).Programs()...)
	}
	return portmap.ServicesOf(programs, s.nfs.addr(), s.nfs.udpAddr())
}

// warnFar warns of addresses that other machines reach.
func (s *Server) warnFar() {
	var all []netip.AddrPort
	for _, p := range []*endpoint{s.nfs, s.portmap} {
		if p != nil {
			all = append(all, p.addr())
		}
	}
	for _, n := range s.nine {
		if at := addrOf(n.l.Addr()); at.IsValid() && at.Addr().IsValid() {
			all = append(all, at)
		}
	}
	if at := s.AdminAddr(); at.IsValid() && !at.Addr().IsLoopback() {
		s.log.Warn("the admin port is reachable beyond this machine: anyone who can connect sees metrics, clients and locks", "addr", at.String())
	}
	for _, at := range all {
		if !at.Addr().IsLoopback() {
			s.log.Warn("listening beyond this machine: anyone who can connect is believed to be the user they say they are", "addr", at.String())
		}
	}
}

// answer gives the listeners their programs, and clients a way to find them.
func (s *Server) answer(c *Config) error {
	for _, i := range s.images {
		s.tables = append(s.tables, i.exports)
	}
	if err := s.answerNineP(c); err != nil {
		return err
	}
	programs := s.programs(c)
	services := portmap.ServicesOf(programs, s.nfs.addr(), s.nfs.udpAddr())
	maps := portmap.New(portmap.Config{Services: s.withPortmap(services), Admit: s.tables.Admits})
	programs = append(programs, maps.Program())
	if err := s.nfs.answer(rpc.Config{Programs: programs, Logger: c.Logger, Limits: c.Limits, Budget: s.budget, Admit: s.tables.Admits, Traffic: s.traffic,
		Observer: s.watchers.observer()}); err != nil {
		return err
	}
	if s.nfs.udp != nil {
		s.peers.Attach(s.nfs.udp)
	}
	if s.portmap == nil {
		return nil
	}
	return s.portmap.answer(rpc.Config{Programs: []rpc.Program{maps.Program()}, Logger: c.Logger, Budget: s.budget, Admit: s.tables.Admits, Traffic: s.traffic, Observer: s.watchers.observer(),
		Limits: rpc.Limits{Connections: portmapConnections, Idle: portmapIdle, Record: rpc.DatagramBytes}})
}

// withPortmap adds the portmapper itself to services, where it listens: at the address of NFS it is only a help.
func (s *Server) withPortmap(services []portmap.Service) []portmap.Service {
	p := s.portmap
	if p == nil {
		p = s.nfs
	}
	return append(portmap.ServicesOf([]rpc.Program{new(portmap.Server).Program()}, p.addr(), p.udpAddr()), services...)
}

// unlisten closes the listeners of a server that does not serve.
func (s *Server) unlisten() error {
	s.withdraw()
	err := errors.Join(s.nfs.close(), s.closeNineP())
	if s.portmap != nil {
		err = errors.Join(err, s.portmap.close())
	}
	return err
}

// Addr is the address listened on for NFS and MOUNT.
func (s *Server) Addr() netip.AddrPort { return s.nfs.addr() }

// Portmap is the address of the portmapper; the zero value if there is none.
func (s *Server) Portmap() netip.AddrPort {
	if s.portmap == nil {
		return netip.AddrPort{}
	}
	return s.portmap.addr()
}

// Registered reports whether the machine's rpcbind tells clients where the server is.
func (s *Server) Registered() bool { return s.registrar != nil }

// Found reports whether clients that are told nothing but the server's name find it.
func (s *Server) Found() bool { return s.Registered() || s.Portmap().Port() == portmap.Port }

// Memory is what requests of all clients may take at most, in bytes.
func (s *Server) Memory() int64 { return s.budget.Bytes() }

// Images are what is served, in the order of the configuration.
func (s *Server) Images() []*Image { return s.images }

// Serve answers clients until ctx ends, does in the background what images need, and closes them. It is called once. nil means that
// ctx ended it and that everything was closed in order. rpc.ErrUnfinished means that calls were still in progress at the end of
// Limits.Drain; the images are then not closed, and the process had better end.
func (s *Server) Serve(ctx context.Context) error {
	background, stop := context.WithCancel(ctx)
	defer stop()
	var wg safego.Group
	each := []func(context.Context) error{s.nfs.serve, s.servePortmap, s.serveNineP, func(ctx context.Context) error {
		<-ctx.Done()
		s.enter(stopping)
		s.withdraw() // before the last calls have been answered: no client is to come any more
		return nil
	}}
	for _, i := range s.images {
		i.background(background, &wg)
		each = append(each, i.apart("locks", i.runLocks), i.apart("commands", i.serveControl))
	}
	s.enter(serving)
	if s.config.Supervise != nil {
		wg.Go("supervision", func() { s.config.Supervise(background) })
	}
	err := together(ctx, each...)
	s.enter(stopping)
	stop()
	if errors.Is(err, rpc.ErrUnfinished) {
		// Closing would take the memory away from under calls that are at work. The next start replays the journal, as after a crash.
		return fmt.Errorf("%w: what was served is left without being closed", errors.Join(err, s.closeAdmin()))
	}
	for _, i := range s.images {
		i.closePrograms()
	}
	wg.Wait() // it notes how far it is
	s.jobs.Close()
	err = errors.Join(err, s.closeAdmin())
	s.watchers.close()
	return errors.Join(err, s.endImages())
}

// servePortmap answers at the address of the portmapper, if there is one.
func (s *Server) servePortmap(ctx context.Context) error {
	if s.portmap == nil {
		<-ctx.Done()
		return nil
	}
	return s.portmap.serve(ctx)
}

// Close gives up a server that was opened but will not serve.
//
// Errors: those of the sockets and of pmemfs.FS.Close, joined.
func (s *Server) Close() error {
	s.jobs.Close()
	err := errors.Join(s.unlisten(), s.closeAdmin(), s.closeImages())
	s.watchers.close()
	return err
}
