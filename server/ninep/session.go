package ninep

import (
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"pmemfs/pmemfs/safego"
	"pmemfs/server/rpc"
	"pmemfs/server/traffic"
)

// The order of answers to Tflushes. Each step holds by the one before:
//
//   - What is answered in place leaves in the order of the requests, and behind what was given to the transport before (rpc.Session).
//   - What is answered beside leaves in the order in which it is given to the transport, and Sent comes after that.
//   - A Tflush of a request that is answered beside waits for that one's Sent, and for the Sent of the last Tflush of the same. It
//     goes in place only when the request is in no table any more, which is when those Sents have come.
//   - A Tflush of a request that was answered in place, or of none, is answered in place.
//
// Only the end of the connection ends this waiting: then the client reads no more, or does not care.

// session is one connection.
type session struct {
	srv     *Server
	remote  netip.AddrPort
	client  string // by which locks are counted: as share.Key has it
	id      uint64
	table   table
	msize   atomic.Uint32 // 0 before Tversion
	own     *call         // for messages that are answered in place
	stopped chan struct{} // closed when no more messages are read
	habits

	mu       sync.Mutex // a leaf
	pending  map[uint16]*pending
	locks    map[lockRequest]bool // that wait
	hasLocks bool                 // or has had some
}

// pending is a request that is answered beside the others. It goes with its request, in rpc.Request.Own, from Serve to Sent: the table of
// tags only tells other requests of it.
type pending struct {
	tag      uint16
	canceled chan struct{} // closed when the client does not want it any more
	flushed  bool          // that is closed
	answered bool          // the client may have the answer, and use the tag again, before that is noted
	sent     bool          // done is closed
	done     chan struct{} // closed when its answer is on its way

	// flushes is what a Tflush is about, behind the Tflush of the same that came before, and lastFlush the one of this that came last.
	flushes, behind, lastFlush *pending
}

// Serve answers a message.
func (s *session) Serve(r *rpc.Request, e *rpc.Encoder) (result rpc.Result) {
	k, tag := kind(r.Record[0]), le.Uint16(r.Record[1:])
	r.Counted.Procedure = procedureOf(k)
	returned := true
	defer func() {
		if !returned {
			e.Truncate(lengthBytes)
			answerError(e, tag, eIO)
			r.Counted.Status = traffic.Status(eIO)
			result = rpc.Success
		}
	}()
	defer safego.Recover("a message of 9P", &returned)
	m := &noMessage
	if int(k) < len(messages) {
		m = &messages[k]
	}
	if r.MayWait {
		return s.serveBeside(r, e, m)
	}
	switch {
	case s.taken(tag):
		answerError(e, tag, eInval) // two requests cannot have one tag
		r.Counted.Status = traffic.Status(eInval)
		return rpc.Success
	case m.waits, m.changes && s.srv.costly, k == tClunk && s.costly(r):
		s.later(r)
		return rpc.Wait
	case k == tFlush && s.laterFlush(r):
		return rpc.Wait
	}
	result = s.own.serve(s, nil, r, e, m)
	if result == rpc.Wait {
		s.later(r)
	}
	return result
}

// procedureOf is as what a request is counted. An odd number is none of a request.
func procedureOf(k kind) traffic.Procedure {
	if k%2 != 0 {
		k = 0
	}
	return traffic.NineP.Procedure(uint32(k) / 2)
}

// serveBeside answers a request beside the others. A call that panics is not used again.
func (s *session) serveBeside(r *rpc.Request, e *rpc.Encoder, m *message) rpc.Result {
	p := r.Own.(*pending)
	defer s.answered(p)
	c := s.srv.calls.Get().(*call)
	result := c.serve(s, p, r, e, m)
	s.srv.calls.Put(c)
	return result
}

// costly reports whether a Tclunk is one for which others would have to wait, if it were answered in place, and says in which room it waits.
func (s *session) costly(r *rpc.Request) (yes bool) {
	d := decoder{b: r.Record[headBytes:]}
	if !s.srv.cheap {
		r.Room, yes = s.table.costly(d.u32())
	}
	return yes
}

// taken reports whether a tag is that of a request that is to be answered beside the others. If that has been answered, the tag is a new
// request's now: a Tflush of it must not be held to be about the old one. It would be answered beside the others, and could overtake the
// answer to the new one, which may have been given in place and not have left.
func (s *session) taken(tag uint16) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.pending[tag]
	if p == nil {
		return false
	}
	if p.answered {
		delete(s.pending, tag)
	}
	return !p.answered
}

// later notes that a request is answered beside the others.
func (s *session) later(r *rpc.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.note(r)
}

// laterFlush is later for a Tflush, unless the answer to what it is about, and those to other Tflushes of that, have left: then its own
// may leave at once. A malformed one is about nothing.
func (s *session) laterFlush(r *rpc.Request) bool {
	d := decoder{b: r.Record[headBytes:]}
	tag := d.u16()
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.pending[tag]
	if q == nil || !d.done() {
		return false
	}
	p := s.note(r)
	p.flushes, p.behind, q.lastFlush = q, q.lastFlush, p
	return true
}

// note begins the state of a request that is answered beside the others. s.mu is held.
func (s *session) note(r *rpc.Request) *pending {
	if s.pending == nil {
		s.pending = make(map[uint16]*pending)
	}
	p := &pending{tag: le.Uint16(r.Record[1:]), canceled: make(chan struct{}), done: make(chan struct{})}
	s.pending[p.tag] = p
	r.Own = p
	return p
}

// answered notes that such a request is about to be answered.
func (s *session) answered(p *pending) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p.answered = true
}

// Sent notes that the answer to such a request is on its way. It is remembered as long as a Tflush of it, so that another one comes behind
// that; and in any case until its own answer is on its way, which a Tflush need not wait for when the connection ends.
func (s *session) Sent(r *rpc.Request) {
	p := r.Own.(*pending)
	r.Own = nil
	s.mu.Lock()
	defer s.mu.Unlock()
	p.sent = true
	close(p.done)
	if p.lastFlush == nil || p.lastFlush.sent {
		s.forget(p)
	}
	if q := p.flushes; q != nil && q.lastFlush == p && q.sent {
		s.forget(q)
	}
	p.flushes, p.behind = nil, nil // else a stream of them, each of the one before, would keep all
}

// forget leaves the tag of a request to another. s.mu is held.
func (s *session) forget(p *pending) {
	if s.pending[p.tag] == p {
		delete(s.pending, p.tag)
	}
}

// flush says of a request that it is not wanted any more, and waits for its answer.
func (s *session) flush(p *pending) {
	s.mu.Lock()
	p.cancel()
	s.mu.Unlock()
	s.await(p)
}

func (p *pending) cancel() {
	if !p.flushed {
		p.flushed = true
		close(p.canceled)
	}
}

// finish waits for all requests that are answered beside the others, none of which is wanted any more.
func (s *session) finish() {
	s.mu.Lock()
	list := slices.Collect(maps.Values(s.pending))
	for _, p := range list {
		p.cancel()
	}
	s.mu.Unlock()
	for _, p := range list {
		<-p.done
	}
}

// await waits for the answer to p, or for the end of the connection.
func (s *session) await(p *pending) {
	select {
	case <-p.done:
	case <-s.stopped:
	}
}

// Busy reports whether the client has files: it would lose them.
func (s *session) Busy() bool { return s.table.len() > 0 }

// Stop ends what waits for other clients.
func (s *session) Stop() { close(s.stopped) }

// Close closes all files. Attributes that were not wholly written are not set.
func (s *session) Close() { s.reset() }

// reset drops all fids and locks.
func (s *session) reset() {
	all, taken := s.table.takeAll()
	s.srv.fids.Give(s.remote.Addr(), taken)
	for _, f := range all {
		if err := s.srv.unuse(f); err != nil {
			s.srv.log.Error("an open file could not be closed", "client", s.client, "inode", f.h.Ino, "error", err)
		}
	}
	s.mu.Lock()
	had := s.hasLocks
	s.hasLocks = false
	s.mu.Unlock()
	if had {
		for _, m := range s.srv.images {
			m.eng.DropLocks(s.client, s.ownsLock)
		}
	}
}
