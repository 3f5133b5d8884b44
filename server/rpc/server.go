package rpc

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"pmemfs/pmemfs/safego"
	"pmemfs/server/share"
	"pmemfs/server/traffic"
)

// Limits bound what clients can make a server hold. A zero field means the default.
type Limits struct {
	Connections int           // at once; 16,384
	InFlight    int           // calls of one connection that wait for the medium or a lock at once; 128
	Datagrams   int           // calls over one socket of UDP that wait at once, shared by client; 512
	Record      int           // bytes of a record, 1 MiB and 64 KiB
	Idle        time.Duration // of silence before a connection is closed; 15 minutes
	Partial     time.Duration // for a begun record to arrive, and for replies to be taken; 1 minute
	Yield       time.Duration // without progress, before others get what the connection holds and they wait for; 1 second
	Drain       time.Duration // for calls in progress when the server stops; 10 seconds
}

// budgetDefault is the memory of a server without a Budget, in bytes.
const budgetDefault = 256 << 20

// DefaultRecord is the default of Limits.Record.
const DefaultRecord = 1<<20 + 64<<10

func (l Limits) withDefaults() Limits {
	return Limits{
		Connections: cmp.Or(l.Connections, 16384),
		InFlight:    cmp.Or(l.InFlight, 128),
		Datagrams:   cmp.Or(l.Datagrams, 512),
		Record:      cmp.Or(l.Record, DefaultRecord),
		Idle:        cmp.Or(l.Idle, 15*time.Minute),
		Partial:     cmp.Or(l.Partial, time.Minute),
		Yield:       cmp.Or(l.Yield, time.Second),
		Drain:       cmp.Or(l.Drain, 10*time.Second),
	}
}

// Config is what a Server needs.
type Config struct {
	Programs []Program
	Logger   *slog.Logger // nil for none
	Limits   Limits
	Budget   *Budget // what requests may take of memory, maybe together with those of other servers; nil for one of 256 MiB
	// Admit says whose calls over UDP are answered; nil for everybody's. Others get no answer, as their address may be forged.
	Admit func(netip.Addr) bool
	// Session begins to serve a connection in another protocol, in place of Programs; nil for RPC. A client without an address has the zero value.
	Session func(local, remote netip.AddrPort) Session
	// Traffic counts the calls, maybe together with those of other servers; nil for not at all.
	Traffic *traffic.Table
	// Observer is told of each call that is counted; nil for nobody.
	Observer Observer
}

// Server answers calls of its programs on any number of TCP connections, and on sockets of UDP (see NewDatagrams). See the package comment for how.
type Server struct {
	programs []Program
	log      *slog.Logger
	limits   Limits
	admit    func(netip.Addr) bool
	session  func(local, remote netip.AddrPort) Session
	budget   *Budget
	traffic  *traffic.Table
	observer Observer    // nil for none
	open     *share.Pool // connections of this server
	tally    tally
	slot     int64 // bytes of a large slot: a large record and a large reply

	begun   time.Time    // has a monotonic clock
	now     atomic.Int64 // coarse time since then, nanoseconds; what timeouts are counted by
	mu      sync.Mutex
	conns   map[*conn]struct{}
	running safego.Group
}

// NewServer returns a server.
func NewServer(c Config) *Server {
	c.Logger = cmp.Or(c.Logger, slog.New(slog.DiscardHandler))
	l := c.Limits.withDefaults()
	s := &Server{
		programs: c.Programs, log: c.Logger, limits: l, admit: c.Admit, session: c.Session,
		budget: c.Budget, traffic: c.Traffic, observer: c.Observer, open: share.New(int64(l.Connections)),
		conns: make(map[*conn]struct{}),
		begun: time.Now(),
	}
	if s.budget == nil {
		s.budget = NewBudget(budgetDefault)
	}
	s.slot = min(int64(max(l.Record+smallBytes, largeBytes)+largeBytes), s.budget.large.limit)
	s.now.Store(1)
	return s
}

// ErrUnfinished says that the server has stopped although calls of programs have not returned. They may still be at work.
var ErrUnfinished = errors.New("rpc: calls did not return in time")

// Serve accepts connections until ctx ends, and then stops in order: no new connections, no new calls, replies to those
// in progress, for at most Limits.Drain, whatever clients and programs do. It closes l, and returns nil when it was ctx that ended it, or
// ErrUnfinished when calls are still in progress. It is called once.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	stop := safego.OnEnd(ctx, "stopping a listener", func() { s.closeListener(l) })
	defer stop()
	done := make(chan struct{})
	var watching safego.Group
	watching.Go("watching connections", func() { s.watch(done) })
	safego.Go("telling the log of connections", func() { s.tell(done) })
	err := s.accept(ctx, l)
	s.closeListener(l)
	unfinished := s.drain()
	close(done)
	watching.Wait()
	if ctx.Err() != nil {
		err = nil
	}
	return errors.Join(err, unfinished)
}

func (s *Server) closeListener(l net.Listener) {
	if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		s.log.Warn("closing the listener", "error", err)
	}
}

// accept starts each connection. Passing failures, such as too many open files, are waited out.
func (s *Server) accept(ctx context.Context, l net.Listener) error {
	for {
		nc, err := l.Accept()
		switch {
		case ctx.Err() != nil, errors.Is(err, net.ErrClosed):
			if err == nil {
				s.refuse(nc, "stopping")
			}
			return err
		case err != nil:
			s.log.Warn("accept", "error", err)
			time.Sleep(50 * time.Millisecond)
			continue
		}
		s.start(nc)
	}
}

// start serves a connection unless there are too many.
func (s *Server) start(nc net.Conn) {
	cl := s.budget.client(addrOf(nc.RemoteAddr()).Addr())
	c := newConn(s, nc, cl)
	if !s.admitConn(c) {
		s.budget.done(cl)
		s.refuse(nc, "too many connections")
		return
	}
	s.budget.join(c)
	c.joinTraffic()
	s.mu.Lock()
	s.conns[c] = struct{}{}
	s.mu.Unlock()
	s.running.Go("a connection", func() {
		defer s.forget(c)
		c.run()
	})
}

// forget is the last of a connection.
func (s *Server) forget(c *conn) {
	c.uncount()
	if c.traffic != nil {
		c.traffic.Leave()
	}
	s.budget.leave(c)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
}

func (s *Server) refuse(nc net.Conn, why string) {
	s.tally.refused.Add(1)
	s.log.Debug("connection refused", "client", nc.RemoteAddr().String(), "why", why)
	if err := nc.Close(); err != nil {
		s.log.Debug("close", "error", err)
	}
}

// addrOf is the address of one end of a connection; the zero value, which is in no network, if it has none. The name of a socket may
// look like one.
func addrOf(a net.Addr) netip.AddrPort {
	if _, named := a.(*net.UnixAddr); named {
		return netip.AddrPort{}
	}
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.AddrPort{}
	}
	return plain(ap)
}

// zoneOf is the zone of the same.
func zoneOf(a net.Addr) string {
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return ""
	}
	return ap.Addr().Zone()
}
