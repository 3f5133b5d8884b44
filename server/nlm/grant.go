package nlm

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"

	"pmemfs/pmemfs"
	"pmemfs/server/nsm"
	"pmemfs/server/peer"
	"pmemfs/server/rpc"
)

const (
	grantTries  = 4 // calls for one grant, for longer than the half a minute after which kernels ask again by themselves
	cookieBytes = 8
)

// grantKey is the lock that a client waits for.
type grantKey struct {
	h          pmemfs.Handle
	owner      pmemfs.LockOwner
	exclusive  bool
	start, end uint64
}

// grant is a request that waits and, while it is in Server.grants, a lock that was granted and of which the client does not know.
type grant struct {
	s      *Server
	key    grantKey
	host   nsm.Host
	route  peer.Route
	vers   uint32
	msg    bool // the client asked by LOCK_MSG
	lock   alock
	cookie []byte
	answer chan status        // of GRANTED_RES
	ctx    context.Context    // ends when the client knows
	cancel context.CancelFunc // set when it is granted
}

func (c *call) grantKey() grantKey {
	return grantKey{c.h, c.want.Owner, c.want.Exclusive, c.want.Start, c.want.End}
}

// newGrant keeps what is needed to call the client back.
func (c *call) newGrant() *grant {
	l := c.a.lock
	l.caller, l.fh, l.oh = bytes.Clone(l.caller), bytes.Clone(l.fh), bytes.Clone(l.oh)
	return &grant{
		s: c.s, key: c.grantKey(), host: c.host(), route: peer.RouteOf(c.r), vers: c.r.Vers, msg: c.proc != c.r.Proc, lock: l,
		answer: make(chan status, 1),
	}
}

// done is told by the engine that the lock is granted, or never will be: that the client learns when it asks again.
func (g *grant) done(err error) {
	if err != nil {
		return
	}
	s := g.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	g.cookie = make([]byte, cookieBytes)
	rand.Read(g.cookie)
	g.ctx, g.cancel = context.WithCancel(s.ctx)
	s.grants[g.key], s.cookie[string(g.cookie)] = g, g
	if !s.startLocked(g.host.Addr, g.call) {
		s.calls.Go("nlm grant withdrawal", func() { g.withdraw("too many calls are under way") }) // the engine is not to be called from here
	}
}

// call tells the client, as often as need be.
func (g *grant) call(context.Context) {
	defer g.cancel()
	for range grantTries {
		ctx, cancel := context.WithTimeout(g.ctx, g.s.answer)
		st, err := g.ask(ctx)
		if err != nil {
			<-ctx.Done() // the client may be there the next time
		}
		cancel()
		switch {
		case g.ctx.Err() != nil:
			return // somebody else has ended it, or the server stops
		case err == nil && st == granted:
			g.s.take(g)
			return
		case err == nil && st != deniedGrace:
			g.withdraw("the client does not want it")
			return
		}
		g.s.log.Debug("grant not answered", "client", g.host.String(), "status", st, "error", err)
	}
	g.withdraw("the client does not answer")
}

// ask makes one call and waits for its answer.
func (g *grant) ask(ctx context.Context) (status, error) {
	e := rpc.NewEncoder(nil)
	e.Opaque(g.cookie)
	e.Bool(g.key.exclusive)
	g.lock.encode(e, g.vers)
	out := &rpc.OutCall{Prog: Number, Vers: g.vers, Proc: procGranted, Args: e.Bytes()}
	if !g.msg {
		results, err := g.s.peers.Call(ctx, g.route, out)
		if err != nil {
			return failed, err
		}
		return parseResult(results)
	}
	out.Proc += async
	if err := g.s.peers.Send(ctx, g.route, out); err != nil {
		return failed, err
	}
	select {
	case st := <-g.answer:
		return st, nil
	case <-ctx.Done():
		return failed, ctx.Err()
	}
}

// parseResult reads nlm4_res. The cookie says nothing that the transport does not.
func parseResult(results []byte) (status, error) {
	d := rpc.NewDecoder(results)
	d.Opaque(objectMax)
	st := status(d.Uint32())
	if !d.Done() {
		return failed, fmt.Errorf("result of GRANTED: %w", rpc.ErrNotReply)
	}
	return st, nil
}

// grantedRes hands an asynchronous answer to the grant that it is for.
func (s *Server) grantedRes(r *rpc.Request, a *arguments) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.cookie[string(a.cookie)]
	if g == nil || g.route.Host != r.Remote.Addr() {
		return
	}
	select {
	case g.answer <- a.stat:
	default: // a repetition
	}
}

// take ends a grant: the client knows of its lock, or the lock goes. It returns false if the grant had ended before.
func (s *Server) take(g *grant) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.takeLocked(g)
}

func (s *Server) takeLocked(g *grant) bool {
	if g == nil || s.grants[g.key] != g {
		return false
	}
	delete(s.grants, g.key)
	delete(s.cookie, string(g.cookie))
	return true
}

// withdraw lets go of a lock that the client does not know of.
func (g *grant) withdraw(why string) {
	if !g.s.take(g) {
		return
	}
	g.cancel()
	g.s.log.Info("a lock is withdrawn", "client", g.host.String(), "why", why)
	if err := g.s.eng.Unlock(g.key.h, g.key.owner, g.key.start, g.key.end); err != nil {
		g.s.log.Debug("withdrawing a lock", "error", err) // the file is gone, or the owner has cut the lock itself
	}
}

// pending returns the grant of a lock, taken, or nil.
func (s *Server) pending(k grantKey) *grant {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.grants[k]
	if !s.takeLocked(g) {
		return nil
	}
	return g
}

// confirm notes that a client asks again for a lock that it has been granted, and is about to be told.
func (s *Server) confirm(k grantKey) bool {
	g := s.pending(k)
	if g != nil {
		g.cancel()
	}
	return g != nil
}

// giveUp lets go of a lock that was granted if its client does not know yet.
func (s *Server) giveUp(k grantKey) bool {
	g := s.pending(k)
	if g == nil {
		return false
	}
	g.cancel()
	if err := s.eng.Unlock(k.h, k.owner, k.start, k.end); err != nil {
		s.log.Debug("giving up a lock", "error", err)
	}
	return true
}

// giveUpAll forgets the grants of a host whose locks are dropped.
func (s *Server) giveUpAll(h nsm.Host) {
	s.drc.clear(h.Addr)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range s.grants {
		if g.host == h {
			s.takeLocked(g)
			g.cancel()
		}
	}
}
