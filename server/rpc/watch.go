package rpc

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"pmemfs/pmemfs/safego"
)

// Whoever ends a connection from outside, to which the watcher and the end of the server belong, waits for nothing that a client, a
// program or the log can hold: it says why and wakes the connection's goroutine, which does the rest.

// Why connections are cut off.
var (
	errPartial = errors.New("rpc: a call did not arrive in time")
	errStuck   = errors.New("rpc: replies were not taken in time")
	errDrained = errors.New("rpc: calls did not finish in time")
)

// halt makes the connection stop before the next call.
func (c *conn) halt() {
	if c.halting.CompareAndSwap(false, true) {
		close(c.halted)
		c.deadline(c.nc.SetReadDeadline)
	}
}

// abort makes the connection end at once. The first reason counts.
func (c *conn) abort(why error) {
	if !c.why.CompareAndSwap(nil, &why) {
		return
	}
	c.halt()
	c.deadline(c.nc.SetDeadline)
	if c.raw == nil {
		return
	}
	// Closing would wait for who is reading or writing. That the socket is closed already, or not connected any more, is as good.
	c.link.recordEnd()
	_ = c.raw.Control(func(fd uintptr) { _ = unix.Shutdown(int(fd), unix.SHUT_RDWR) })
}

// deadline makes what waits end, and nothing wait again.
func (c *conn) deadline(set func(time.Time) error) {
	_ = set(time.Unix(1, 0)) // fails if the connection is closed already
}

// expire ends the connection if it has been doing the same for too long at time now.
func (c *conn) expire(now int64) {
	if c.parked.Load() {
		return
	}
	age := time.Duration(now - c.since.Load())
	switch c.phase.Load() {
	case phaseIdle:
		if age > c.srv.limits.Idle && c.inFlight.Load() == 0 && (c.session == nil || !c.session.Busy()) {
			c.halt() // it ends as if the server stopped: in order, and not worth a warning
		}
	case phasePartial:
		if age > c.srv.limits.Partial {
			c.abort(errPartial)
		}
	}
	if stuck := c.stuck.Load(); stuck != 0 && time.Duration(now-stuck) > c.srv.limits.Partial {
		c.abort(errStuck)
	}
}

// trimEvery is after how long memory is given up that was of no use meanwhile.
const trimEvery = 10 * time.Second

// watch keeps the coarse time and ends connections that are silent, or that send or take too slowly.
func (s *Server) watch(done <-chan struct{}) {
	period := min(max(min(s.limits.Idle, s.limits.Partial, s.limits.Yield)/8, time.Millisecond), time.Second)
	t := time.NewTicker(period)
	defer t.Stop()
	var list []*conn
	var trimmed int64
	for {
		select {
		case <-done:
			return
		case <-t.C:
		}
		now := int64(time.Since(s.begun))
		s.now.Store(now)
		list = s.list(list)
		for _, c := range list {
			c.expire(now)
		}
		s.reclaim(now, list)
		if now-trimmed > int64(trimEvery) {
			trimmed = now
			s.budget.trim()
		}
	}
}

// list fills a list with all connections.
func (s *Server) list(into []*conn) []*conn {
	clear(into)
	into = into[:0]
	s.mu.Lock()
	defer s.mu.Unlock()
	into = slices.Grow(into, len(s.conns))
	for c := range s.conns {
		into = append(into, c)
	}
	return into
}

// drain makes every connection stop before its next call and waits for those in progress. After three quarters of Limits.Drain it cuts
// off what is left; what has not ended at the end of it is in a program that does not return.
func (s *Server) drain() error {
	for _, c := range s.list(nil) {
		c.halt()
	}
	ended := make(chan struct{})
	safego.Go("waiting for connections", func() {
		defer close(ended)
		s.running.Wait()
	})
	if endsWithin(ended, s.limits.Drain*3/4) {
		return nil
	}
	for _, c := range s.list(nil) {
		c.abort(errDrained)
	}
	if endsWithin(ended, s.limits.Drain/4) {
		return nil
	}
	return fmt.Errorf("%w: those of %d connections", ErrUnfinished, len(s.list(nil)))
}

// endsWithin waits for a channel to be closed, and reports whether it was.
func endsWithin(ended <-chan struct{}, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ended:
		return true
	case <-t.C:
		return false
	}
}
