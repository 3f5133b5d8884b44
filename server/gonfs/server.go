package gonfs

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	nfs "github.com/willscott/go-nfs"

	"pmemfs/pmemfs"
	"pmemfs/server/export"
	"pmemfs/server/handle"
	"pmemfs/server/rpc"
)

// Limits bound what clients can make the server hold. A zero field means the default.
type Limits struct {
	Connections int           // at once; 256
	Workers     int           // requests inside go-nfs at once, over all connections; 32
	InFlight    int           // requests of one connection at once; 16
	Memory      int           // bytes for requests in progress, over all connections; 256 MiB, and at least 8 MiB
	Idle        time.Duration // of silence before a connection is closed; 15 minutes
	Partial     time.Duration // for a begun request to arrive, and for replies to be taken; 1 minute
	Drain       time.Duration // for requests in progress when the server stops; 10 seconds
}

func orDefault[T int | time.Duration](v, def T) T {
	if v <= 0 {
		return def
	}
	return v
}

func (l Limits) withDefaults() Limits {
	return Limits{
		Connections: orDefault(l.Connections, 256),
		Workers:     orDefault(l.Workers, 32),
		InFlight:    orDefault(l.InFlight, 16),
		Memory:      max(orDefault(l.Memory, 256<<20), 8<<20),
		Idle:        orDefault(l.Idle, 15*time.Minute),
		Partial:     orDefault(l.Partial, time.Minute),
		Drain:       orDefault(l.Drain, 10*time.Second),
	}
}

// Config is what a Server needs.
type Config struct {
	Engine  *pmemfs.FS
	Exports *export.Table
	Mount   rpc.Program  // the MOUNT protocol, on the same connections
	Logger  *slog.Logger // nil for none
	Limits  Limits
}

// Server serves NFSv3, and the MOUNT program it is given, from one engine on any number of listeners.
type Server struct {
	eng     *pmemfs.FS
	exports *export.Table
	mounts  rpc.Program
	log     *slog.Logger
	limits  Limits
	handles handle.Codec
	workers *pool
	memory  *budget

	mu       sync.Mutex
	sessions map[*session]struct{}
	running  sync.WaitGroup
}

var quietGoNFS sync.Once

// New returns a server. The engine stays the caller's to close, after Serve has returned.
func New(c Config) *Server {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	// go-nfs's logger is global and prints what clients do wrong to standard error. This package logs for itself.
	quietGoNFS.Do(func() { nfs.Log.SetLevel(nfs.PanicLevel) })
	s := &Server{
		eng:      c.Engine,
		exports:  c.Exports,
		mounts:   c.Mount,
		log:      c.Logger,
		limits:   c.Limits.withDefaults(),
		handles:  handle.New(c.Engine),
		sessions: make(map[*session]struct{}),
	}
	s.workers = newPool(s, s.limits.Workers)
	s.memory = newBudget(s.limits.Memory)
	return s
}

// Serve accepts connections until ctx ends, and then stops in order: no new connections, no new requests, replies to those
// in progress, for at most Limits.Drain. It closes l, and returns nil when it was ctx that ended it. It is called once.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	stop := context.AfterFunc(ctx, func() { s.closeListener(l) })
	defer stop()
	err := s.accept(ctx, l)
	s.closeListener(l)
	s.shutdown()
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func (s *Server) closeListener(l net.Listener) {
	if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		s.log.Warn("closing the listener", "err", err)
	}
}

// accept starts a session for each connection. Passing failures, such as too many open files, are waited out.
func (s *Server) accept(ctx context.Context, l net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // sessions drain when the listener fails, too
	for {
		conn, err := l.Accept()
		switch {
		case ctx.Err() != nil, errors.Is(err, net.ErrClosed):
			if err == nil {
				s.refuseConn(conn, "stopping")
			}
			return err
		case err != nil:
			s.log.Warn("accept", "err", err)
			time.Sleep(50 * time.Millisecond)
			continue
		}
		s.start(ctx, conn)
	}
}

// start begins a session unless there are too many.
func (s *Server) start(ctx context.Context, conn net.Conn) {
	remote := remoteAddr(conn)
	ses := &session{srv: s, conn: conn, remote: remote, log: s.log.With("client", conn.RemoteAddr().String()),
		out: make(chan reply, s.limits.InFlight), slots: make(chan struct{}, s.limits.InFlight)}
	s.mu.Lock()
	full := len(s.sessions) >= s.limits.Connections
	if !full {
		s.sessions[ses] = struct{}{}
	}
	s.mu.Unlock()
	if full {
		s.refuseConn(conn, "too many connections")
		return
	}
	s.running.Go(func() {
		ses.run(ctx)
		s.mu.Lock()
		delete(s.sessions, ses)
		s.mu.Unlock()
	})
}

func (s *Server) refuseConn(conn net.Conn, why string) {
	s.log.Warn("connection refused", "client", conn.RemoteAddr().String(), "why", why)
	if err := conn.Close(); err != nil {
		s.log.Debug("close", "err", err)
	}
}

// remoteAddr is the client's address; the zero address, which is in no network, if it has none.
func remoteAddr(conn net.Conn) netip.AddrPort {
	ap, err := netip.ParseAddrPort(conn.RemoteAddr().String())
	if err != nil {
		return netip.AddrPort{}
	}
	return ap
}

// shutdown waits for the sessions, which are draining, cuts off those that take too long, and ends the workers.
func (s *Server) shutdown() {
	timer := time.AfterFunc(s.limits.Drain, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		for ses := range s.sessions {
			ses.log.Warn("cut off: did not finish in time")
			if err := ses.conn.Close(); err != nil {
				ses.log.Debug("close", "err", err)
			}
		}
	})
	s.running.Wait()
	timer.Stop()
	s.workers.close()
}
