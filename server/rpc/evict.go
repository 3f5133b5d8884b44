package rpc

import (
	"cmp"
	"errors"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"
)

// Before somebody is refused, or waits for long, those give back who do nothing with what they have: first those of the client that has most.

// errYielded is why a connection is cut off that held what others wait for.
var (
	errYielded = errors.New("rpc: others waited for what the connection held, and its client did not go on")
	errEvicted = errors.New("rpc: idle, and others want to connect")
)

// admitConn admits a connection, if need be in place of one of a client that has more.
func (s *Server) admitConn(c *conn) bool {
	return takeConn(s, s.open, c, func(o *conn) bool { return o.srv == s }) && s.countInBudget(c)
}

// countInBudget counts a connection among those of all servers.
func (s *Server) countInBudget(c *conn) bool {
	if takeConn(s, s.budget.open, c, func(*conn) bool { return true }) {
		c.counted.Store(true)
		return true
	}
	s.open.Give(c.client.addr, 1)
	return false
}

// uncount leaves room for another connection in place of this one. Who evicts it does so before it has ended.
func (c *conn) uncount() {
	if c.counted.CompareAndSwap(true, false) {
		c.srv.open.Give(c.client.addr, 1)
		c.srv.budget.open.Give(c.client.addr, 1)
	}
}

// evictAtOnce is how many connections make room for one at most: others may be quicker to take it.
const evictAtOnce = 4

// takeConn counts a connection in a pool, which may take that another one ends.
func takeConn(s *Server, pool connPool, c *conn, here func(*conn) bool) bool {
	own := c.client.addr
	for range evictAtOnce {
		if pool.Take(own, 1) {
			return true
		}
		greediest, most := pool.Greediest()
		if greediest != own && most <= pool.Held(own)+1 {
			greediest = own
		}
		victim := s.budget.longestIdle(greediest, here)
		if victim == nil && pool.Held(own) == 0 { // everybody has little, maybe one each: who has none comes before who does nothing
			victim = s.budget.longestIdleOfAll(here)
		}
		if victim == nil {
			return false
		}
		victim.uncount()
		victim.abort(errEvicted)
	}
	return pool.Take(own, 1)
}

// connPool is what takeConn needs of a share.Pool.
type connPool interface {
	Take(client netip.Addr, n int64) bool
	Greediest() (netip.Addr, int64)
	Held(client netip.Addr) int64
}

// looksAtMost is among how many connections one is chosen: a map begins anywhere, so that is as good as the longest idle one.
const looksAtMost = 256

// idleSearch looks for the connection that has been idle longest.
type idleSearch struct {
	here  func(*conn) bool
	found *conn
	looks int
}

// longestIdle is a connection of a client that has long been idle, or at a loss; nil if there is none.
func (b *Budget) longestIdle(addr netip.Addr, here func(*conn) bool) *conn {
	s := idleSearch{here: here}
	b.mu.Lock()
	defer b.mu.Unlock()
	if cl := b.clients[addr]; cl != nil {
		s.among(cl)
	}
	return s.found
}

// longestIdleOfAll is likewise one of any client.
func (b *Budget) longestIdleOfAll(here func(*conn) bool) *conn {
	s := idleSearch{here: here}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, cl := range b.clients {
		if !s.among(cl) {
			break
		}
	}
	return s.found
}

// among looks at a client's connections; false when it has looked at enough. Budget.mu is held.
func (s *idleSearch) among(cl *client) (more bool) {
	for c := range cl.conns {
		if s.looks++; s.looks > looksAtMost && s.found != nil {
			return false
		}
		if !s.here(c) || !c.counted.Load() || !c.spare() {
			continue
		}
		if s.found == nil || c.since.Load() < s.found.since.Load() {
			s.found = c
		}
	}
	return true
}

// spare reports whether nobody loses much if the connection is closed.
func (c *conn) spare() bool {
	switch c.phase.Load() {
	case phaseIdle:
		return c.inFlight.Load() == 0 && (c.session == nil || !c.session.Busy())
	case phasePartial:
		return true
	}
	return c.stuck.Load() != 0
}

// reclaim takes back what others wait for from connections whose clients do not go on.
func (s *Server) reclaim(now int64, list []*conn) {
	b := s.budget
	calls := func(c *conn) bool { return c.inFlight.Load() > 0 } // or replies to them, which may be large
	for _, k := range []struct {
		r     *ration
		of    func(*client) *account
		holds func(*conn) bool
	}{
		{&b.work, func(cl *client) *account { return &cl.work }, func(c *conn) bool { return c.works.Load() }},
		{&b.large, func(cl *client) *account { return &cl.large }, func(c *conn) bool { return c.large.Load() || calls(c) }},
		{&b.calls, func(cl *client) *account { return &cl.calls }, calls},
	} {
		if least, wanted := k.r.wanted(); wanted {
			s.reclaimOf(k.r, k.of, k.holds, least, now, list)
		}
	}
}

// reclaimAtOnce is how many connections give back at most each time that is looked.
const reclaimAtOnce = 64

// reclaimOf takes back one thing from those who have more of it than the least that somebody has who waits.
func (s *Server) reclaimOf(r *ration, of func(*client) *account, holds func(*conn) bool, least, now int64, list []*conn) {
	type holder struct {
		c    *conn
		held int64
	}
	var slow []holder
	for _, c := range list {
		if !holds(c) || !c.slow(now) {
			continue
		}
		if held := r.heldBy(of(c.client)); held >= least {
			slow = append(slow, holder{c, held})
		}
	}
	slices.SortFunc(slow, func(x, y holder) int {
		return cmp.Or(cmp.Compare(y.held, x.held), cmp.Compare(x.c.moved.Load(), y.c.moved.Load()))
	})
	for _, h := range slow[:min(len(slow), reclaimAtOnce)] {
		if !h.c.ready() {
			h.c.abort(errYielded)
		}
	}
}

// ready reports whether the client has done its part: it has sent something, or has room for what it is sent. Then it is the server that is slow.
func (c *conn) ready() (yes bool) {
	if c.raw == nil {
		return false
	}
	events := int16(unix.POLLIN)
	if c.stuck.Load() != 0 {
		events = unix.POLLOUT
	}
	// Of a connection that is closed nothing is asked any more.
	_ = c.raw.Control(func(fd uintptr) {
		p := []unix.PollFd{{Fd: int32(fd), Events: events}}
		n, err := unix.Poll(p, 0)
		yes = err == nil && n > 0 && p[0].Revents&events != 0
	})
	return yes
}

// slow reports whether the client neither sends nor takes what it has begun: nothing for Limits.Yield, or not the whole for slowFactor times as long.
func (c *conn) slow(now int64) bool {
	since := c.stuck.Load()
	if since == 0 {
		if c.phase.Load() != phasePartial || c.parked.Load() {
			return false
		}
		since = c.since.Load()
	}
	yield := int64(c.srv.limits.Yield)
	return now-since > yield && (now-c.moved.Load() > yield || now-since > slowFactor*yield)
}

// slowFactor is how much longer something may take that goes on.
const slowFactor = 5
