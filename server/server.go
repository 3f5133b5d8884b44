// Package server opens an image and serves it: configuration, first run, life cycle. The protocols are in the packages
// below it.
//
// # Life cycle
//
// Open does everything that can fail, in an order that leaves nothing behind: it checks the configuration, makes the image if it
// is missing, opens it, finds the exports, and listens. Serve answers clients until its context ends, then stops in order
// (no new connections, no new requests, replies to those in progress), and closes the image, which leaves nothing to replay.
//
// # Concurrency and durability
//
// A Server is used by one goroutine, Reload and Reschedule apart; what it starts is safe by itself. Every reply is durable in the sense of the image's
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
	"time"

	"pmemfs/pmemfs"
	"pmemfs/pmemfs/safego"
	"pmemfs/server/export"
	"pmemfs/server/gonfs"
	"pmemfs/server/handle"
	"pmemfs/server/mount3"
	"pmemfs/server/nfs3"
	"pmemfs/server/nlm"
	"pmemfs/server/peer"
	"pmemfs/server/portmap"
	"pmemfs/server/rpc"
	"pmemfs/server/rquota"
	"pmemfs/server/schedule"
)

// The NFS stacks.
const (
	StackNative = "native" // package nfs3
	StackGoNFS  = "go-nfs" // go-nfs behind the wrapper of package gonfs
)

// Config is what a Server does.
type Config struct {
	Image string   // path of a file or device
	New   NewImage // used if Image does not exist

	NFS      string // address to listen on, host:port; port 0 for any
	NFSStack string // StackNative, which "" means too, or StackGoNFS
	// NinePUsers is a folder with the files passwd and group of the users of 9P; empty for the machine's own.
	NinePUsers string
	NineP      []string // addresses to serve 9P on: host:port, :port for the host of NFS, or unix:PATH; none for no 9P
	// Control is the path of the socket for commands, ControlOff for none, and empty for beside the image (control.Place).
	Control string
	Exports []export.Export

	Durability pmemfs.Durability
	Volatile   bool // nothing survives a power cut, by choice
	Sparse     bool // an image that has not all of its blocks, or shares some, is served as it is

	Finding Finding   // how clients find NFS, MOUNT and the rest
	Locking Locking   // whether and how clients lock files
	Scrub   Scrubbing // the zero value for none
	// Snapshots says when to make snapshots, and which to keep. An image that cannot be written gets none.
	Snapshots []schedule.Schedule

	Logger *slog.Logger // nil for none
	Limits rpc.Limits
	// Memory is how much requests of all clients may take, in bytes, and at least rpc.BudgetMin; 0 for DefaultMemory. It is the worst case:
	// beyond it clients wait.
	Memory int64
}

// Server is an open image with listeners.
type Server struct {
	eng       *pmemfs.FS
	goNFS     *gonfs.Server // nil unless that is the stack
	locks     *nlm.Server   // nil if clients cannot lock files
	peers     *peer.Caller  // of locks
	nfs       *endpoint     // all programs
	portmap   *endpoint     // the portmapper alone; nil if it is not wanted
	nine      []nineListener
	registrar *portmap.Registrar // nil unless the programs are registered
	control   controlSocket
	started   time.Time
	exports   *export.Table
	log       *slog.Logger
	budget    *rpc.Budget // of all listeners
	created   bool
	readOnly  bool // the image cannot be written
	unseen    bool // whether the image is still at its path could not be told; of checkIdentity
	scrubs    Scrubbing
	snapshots *schedule.Runner

	reloading sync.Mutex // orders Reloads and Reschedules, and what they log
}

// Open gets everything ready to serve. Until Serve is called clients wait. It listens, and is registered, before it touches the image, so
// one that fails for that has changed nothing.
//
// Errors: a configuration that could not work, before anything is made; those of listening, with what can be done about them; those of
// pmemfs.Format and pmemfs.Open.
func Open(c Config) (*Server, error) {
	c.Logger = cmp.Or(c.Logger, slog.New(slog.DiscardHandler))
	exports, err := c.vet()
	if err != nil {
		return nil, err
	}
	s := &Server{log: c.Logger, scrubs: c.Scrub, started: time.Now()}
	if c.vetImage(exports) {
		s.readOnly, s.scrubs, c.Locking.Off = true, Scrubbing{}, true
		s.log.Warn("the image cannot be written and all exports are read-only: it is served as it is, without locks between NFS clients and without scrubs",
			"image", c.Image)
	}
	if err := s.listen(&c); err != nil {
		return nil, err
	}
	if err := s.open(&c, exports); err != nil {
		return nil, errors.Join(err, s.unlisten())
	}
	s.warnFar()
	return s, nil
}

// open opens the image, makes it if it is missing, and gives the listeners what they answer. After an error the image is closed.
func (s *Server) open(c *Config, exports *export.Set) (err error) {
	if s.created, err = ensureImage(c.Image, c.New, exports); err != nil {
		return err
	}
	if s.eng, err = c.openImage(s.readOnly); err != nil {
		return err
	}
	s.warnSparse(c)
	s.snapshots = schedule.NewRunner(s.eng, s.log)
	if err = s.Reschedule(c.Snapshots); err != nil {
		return errors.Join(err, s.eng.Close())
	}
	s.exports, s.budget = export.NewTable(s.eng), c.budget()
	if missing := s.show(exports); len(missing) == len(exports.All()) {
		s.log.Error("no export has a directory: nothing can be mounted until one is made, or the exports are named otherwise")
	}
	if err = s.answer(c); err == nil {
		err = s.listenControl(c)
	}
	if err != nil {
		s.closePrograms()
		return errors.Join(err, s.eng.Close())
	}
	return nil
}

// vet refuses a configuration that could not work before anything is made.
func (c *Config) vet() (*export.Set, error) {
	switch c.NFSStack {
	case "", StackNative, StackGoNFS:
	default:
		return nil, fmt.Errorf("unknown NFS stack %q: it is %s or %s", c.NFSStack, StackNative, StackGoNFS)
	}
	if err := vetAddress(c.NFS, "127.0.0.1:2049"); err != nil {
		return nil, fmt.Errorf("cannot listen on %q: %w", c.NFS, err)
	}
	if c.Memory != 0 && c.Memory < rpc.BudgetMin {
		return nil, fmt.Errorf("requests cannot do with %d bytes of memory: they take %d MiB at least", c.Memory, rpc.BudgetMin>>20)
	}
	if err := errors.Join(c.Scrub.vet(), c.Finding.vet(), c.Locking.vet(), c.vetNineP(), schedule.Validate(c.Snapshots)); err != nil {
		return nil, err
	}
	return export.NewSet(c.Exports)
}

// show begins to serve a set of exports. What has no directory yet is served when that appears. Those it returns.
func (s *Server) show(set *export.Set) (missing []*export.MissingError) {
	missing = s.exports.Store(set)
	for _, m := range missing {
		s.log.Warn("an export has no directory and cannot be mounted until it is made", "export", m.Export, "directory", m.Subtree, "err", m.Err)
	}
	return missing
}

// Reload serves other exports, from the next request on; connections stay. Clients find files of an export that is gone
// stale, until it is back. Exports that cannot be served are an error and change nothing. It may be called by any
// goroutine while the server serves.
//
// Errors: those of export.NewSet, and an export that would allow changes of an image that is open for reading only.
func (s *Server) Reload(exports []export.Export) error {
	next, err := export.NewSet(exports)
	if err != nil {
		return err
	}
	if s.readOnly && !allReadOnly(next) {
		return errors.New("the image is open for reading only, so exports cannot allow more before the next start")
	}
	s.reloading.Lock()
	defer s.reloading.Unlock()
	added, removed, changed := s.exports.Load().Difference(next)
	s.show(next)
	s.log.Info("exports reloaded", "added", added, "removed", removed, "changed", changed)
	return nil
}

// listen listens wherever it is to be, and has rpcbind tell clients if that is wanted. After an error nothing is listened on.
func (s *Server) listen(c *Config) (err error) {
	if err = s.listenNineP(c); err == nil {
		if s.nfs, err = listenAt(c.NFS, c.Finding.on()); err != nil {
			err = fmt.Errorf("cannot serve NFS: %w", wayOut(err, "--nfs"))
		}
	}
	if err != nil {
		return errors.Join(err, s.closeNineP())
	}
	if s.portmap, err = c.listenPortmap(); err == nil && c.Finding.Register {
		err = s.register(c.Finding.Rpcbind, s.services(c))
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
	if !c.Locking.Off {
		programs = append(programs, new(nlm.Server).Programs()...)
	}
	return portmap.ServicesOf(programs, s.nfs.addr(), s.nfs.udpAddr())
}

// warnSparse warns of an image that is served although the disk below may become too full for it.
func (s *Server) warnSparse(c *Config) {
	if !c.Sparse {
		return
	}
	if info := s.eng.Info(); info.SparseBytes+info.SharedBytes > 0 {
		s.log.Warn("the image lacks blocks on the disk, so writes fail when the disk is full: without --sparse they are allocated at the start",
			"image", c.Image, "sparse_bytes", info.SparseBytes, "shared_bytes", info.SharedBytes)
	}
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
	for _, at := range all {
		if !at.Addr().IsLoopback() {
			s.log.Warn("listening beyond this machine: anyone who can connect is believed to be the user they say they are", "addr", at.String())
		}
	}
}

// answer gives the listeners their programs, and clients a way to find them.
func (s *Server) answer(c *Config) error {
	if err := s.answerNineP(c); err != nil {
		return err
	}
	programs := s.programs(c)
	services := portmap.ServicesOf(programs, s.nfs.addr(), s.nfs.udpAddr())
	maps := portmap.New(portmap.Config{Services: s.withPortmap(services), Admit: s.exports.Admits})
	programs = append(programs, maps.Program())
	if err := s.nfs.answer(rpc.Config{Programs: programs, Logger: c.Logger, Limits: c.Limits, Budget: s.budget, Admit: s.exports.Admits}); err != nil {
		return err
	}
	if s.locks != nil && s.nfs.udp != nil {
		s.peers.Attach(s.nfs.udp)
	}
	if s.portmap == nil {
		return nil
	}
	return s.portmap.answer(rpc.Config{Programs: []rpc.Program{maps.Program()}, Logger: c.Logger, Budget: s.budget, Admit: s.exports.Admits,
		Limits: rpc.Limits{Connections: portmapConnections, Idle: portmapIdle, Record: rpc.DatagramBytes}})
}

// programs are what is served at the address of NFS.
func (s *Server) programs(c *Config) []rpc.Program {
	mounts := mount3.New(mount3.Config{Engine: s.eng, Exports: s.exports, Handles: handle.New(s.eng), Logger: c.Logger})
	programs := append(s.lockPrograms(c), mounts.Program(), rquota.New(s.eng, s.exports).Program())
	if c.NFSStack == StackGoNFS {
		s.goNFS = gonfs.New(gonfs.Config{Engine: s.eng, Exports: s.exports, Logger: c.Logger})
		return append(programs, s.goNFS.Program())
	}
	native := nfs3.New(nfs3.Config{Engine: s.eng, Exports: s.exports, Logger: c.Logger})
	return append(programs, native.Program(), native.ACLProgram())
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

// Info describes the image.
func (s *Server) Info() pmemfs.Info { return s.eng.Info() }

// Created reports whether Open made the image.
func (s *Server) Created() bool { return s.created }

// Exports are what is served.
func (s *Server) Exports() []export.Export { return s.exports.Load().All() }

// Serve answers clients until ctx ends, scrubs the image in the background, makes and deletes snapshots by the schedules, and closes it. It is called once. nil means that
// ctx ended it and that everything was closed in order. rpc.ErrUnfinished means that calls were still in progress at the end of
// Limits.Drain; the image is then not closed, and the process had better end.
func (s *Server) Serve(ctx context.Context) error {
	background, stop := context.WithCancel(ctx)
	defer stop()
	var wg safego.Group
	if s.scrubs.Every > 0 {
		wg.Go("scrub", func() { s.scrub(background, s.scrubs) })
	}
	wg.Go("snapshots", func() { s.snapshots.Run(background) })
	wg.Go("image", func() { s.watchIdentity(background) })
	err := together(ctx, s.nfs.serve, s.servePortmap, s.serveNineP, s.runLocks, s.serveControl, func(ctx context.Context) error {
		<-ctx.Done()
		s.withdraw() // before the last calls have been answered: no client is to come any more
		return nil
	})
	stop()
	if errors.Is(err, rpc.ErrUnfinished) {
		// Closing would take the memory away from under calls that are at work. The next start replays the journal, as after a crash.
		return fmt.Errorf("%w: the image is left without being closed", err)
	}
	s.closePrograms()
	wg.Wait() // it notes how far it is
	s.checkIdentity()
	return errors.Join(err, s.eng.Close())
}

// servePortmap answers at the address of the portmapper, if there is one.
func (s *Server) servePortmap(ctx context.Context) error {
	if s.portmap == nil {
		<-ctx.Done()
		return nil
	}
	return s.portmap.serve(ctx)
}

// closePrograms ends what programs have under way, when no call is in progress.
func (s *Server) closePrograms() {
	if s.goNFS != nil {
		s.goNFS.Close()
	}
	if s.locks != nil {
		s.locks.Close()
	}
}

// Close gives up a server that was opened but will not serve.
//
// Errors: those of the sockets and of pmemfs.FS.Close, joined.
func (s *Server) Close() error {
	s.closePrograms()
	return errors.Join(s.closeControl(), s.unlisten(), s.eng.Close())
}
