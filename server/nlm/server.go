package nlm

import (
	"cmp"
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"pmemfs/pmemfs"
	"pmemfs/pmemfs/safego"
	"pmemfs/server/export"
	"pmemfs/server/handle"
	"pmemfs/server/nsm"
	"pmemfs/server/peer"
	"pmemfs/server/rpc"
	"pmemfs/server/share"
	"pmemfs/server/traffic"
)

// Config is what a Server needs.
type Config struct {
	Engine  *pmemfs.FS
	Exports *export.Table
	Peers   *peer.Caller
	Name    string        // of this machine, as clients know it
	Grace   time.Duration // how long locks can be claimed after a restart
	State   uint32        // of the status monitor, if it is higher than the image's next: see nsm.NextState
	Timing  nsm.Timing
	Logger  *slog.Logger // nil for none
}

// callsMax bounds what is under way towards clients: calls for grants, and for results. Clients share it.
const callsMax = 1024

// Server gives out locks of one image.
type Server struct {
	eng     *pmemfs.FS
	exports *export.Table
	handles handle.Codec
	peers   *peer.Caller
	monitor *nsm.Monitor
	log     *slog.Logger
	drc     drc
	answer  time.Duration // how long a client may take for one

	ctx   context.Context // ends when the server stops
	stop  context.CancelFunc
	calls safego.Group

	busy *share.Pool // calls under way

	mu     sync.Mutex // taken before that of busy
	ended  bool
	grants map[grantKey]*grant
	cookie map[string]*grant // those that wait for a GRANTED_RES
}

// New returns a server that knows the clients of the incarnation before, whom Run tells of the restart. The engine
// stays the caller's to close, after Close.
//
// Errors: those of nsm.Open.
func New(c Config) (*Server, error) {
	c.Logger = cmp.Or(c.Logger, slog.New(slog.DiscardHandler))
	s := &Server{
		eng: c.Engine, exports: c.Exports, handles: handle.New(c.Engine), peers: c.Peers, log: c.Logger, answer: c.Timing.WithDefaults().Answer,
		busy: share.New(callsMax), grants: map[grantKey]*grant{}, cookie: map[string]*grant{},
	}
	s.drc.init()
	s.ctx, s.stop = context.WithCancel(context.Background())
	var err error
	s.monitor, err = nsm.Open(nsm.Config{
		Engine: c.Engine, Peers: c.Peers, Name: c.Name, Grace: c.Grace, State: c.State, Timing: c.Timing, Logger: c.Logger,
		Crashed: s.crashed, Holds: s.holds,
	})
	return s, err
}

// Programs are the lock manager and the status monitor, as the transport knows them.
func (s *Server) Programs() []rpc.Program {
	return []rpc.Program{
		{Number: Number, Low: version1, High: version4, Datagrams: true, Counted: traffic.NLM, Serve: s.serve},
		s.monitor.Program(),
	}
}

// Run tells clients of the restart, in the background, until ctx ends.
func (s *Server) Run(ctx context.Context) { s.monitor.Run(ctx) }

// Hosts is how many hosts are told of a restart, as they have locks.
func (s *Server) Hosts() int { return s.monitor.Hosts() }

// InGrace reports whether locks may only be claimed again by those who had them before a restart.
func (s *Server) InGrace() bool { return s.monitor.InGrace() }

// Close gives up what is under way towards clients, when the last call has been answered.
func (s *Server) Close() {
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
	s.stop()
	s.calls.Wait()
	s.monitor.Close()
}

// start runs f in a goroutine of its own. It returns false when too many are under way, of all clients or of this one.
func (s *Server) start(client netip.Addr, f func(ctx context.Context)) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.startLocked(client, f)
}

func (s *Server) startLocked(client netip.Addr, f func(ctx context.Context)) bool {
	if s.ended || !s.busy.Take(client, 1) {
		return false
	}
	s.calls.Go("nlm call to a client", func() {
		defer s.busy.Give(client, 1)
		f(s.ctx)
	})
	return true
}

// serve answers one call.
func (s *Server) serve(r *rpc.Request, e *rpc.Encoder) rpc.Result { return s.serveAs(r, e, true) }

// serveAs answers one call, of an image that has locks or has none.
func (s *Server) serveAs(r *rpc.Request, e *rpc.Encoder, has bool) rpc.Result {
	switch {
	case r.Vers != version1 && r.Vers != version3 && r.Vers != version4:
		return rpc.ProgMismatch
	case r.Proc >= procCount || r.Proc >= procRes+async && r.Proc < procShare, r.Proc >= procShare && r.Vers == version1:
		return rpc.ProcUnavail
	}
	a, ok := decode(r.Proc, r.Vers, r.Args)
	switch {
	case !ok:
		return rpc.GarbageArgs
	case r.Proc == procNull:
		return rpc.Success
	case !r.MayWait:
		return rpc.Wait // for the image, and for locks of the engine
	case r.Proc == procFreeAll && rpc.Forgeable(r):
		return rpc.Reject(rpc.AuthTooWeak)
	case r.Proc == procFreeAll:
		s.freeAll(r, &a)
		return rpc.Success
	case r.Proc >= procRes && r.Proc < procRes+async:
		if r.Proc == procRes+procGranted-1 {
			s.grantedRes(r, &a)
		}
		return rpc.Success // we ask for nothing else
	}
	c := &call{s: s, r: r, a: &a, proc: base(r.Proc), without: !has}
	if c.proc == r.Proc {
		c.answer(e)
		return rpc.Success
	}
	c.msg()
	return rpc.Success
}

// msg carries a _MSG call out, and sends the result as the _RES call, if that is allowed: what a stranger asks gets no answer.
func (c *call) msg() {
	e := rpc.NewEncoder(nil)
	c.answer(e)
	out := &rpc.OutCall{Prog: Number, Vers: c.r.Vers, Proc: c.r.Proc + async, Args: e.Bytes()}
	route := peer.RouteOf(c.r)
	if !c.s.exports.Admits(route.Host) {
		return
	}
	c.s.start(route.Host, func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, c.s.answer) // then the client asks again
		defer cancel()
		if err := c.s.peers.Send(ctx, route, out); err != nil {
			c.s.log.Debug("result not sent", "client", route.Host.String(), "error", err)
		}
	})
}
