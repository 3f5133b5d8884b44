package rpc

import (
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// sender sends the replies of one connection: those of its goroutine, and those of calls that waited, which pile up while
// a write is under way and leave together in the next.
type sender struct {
	c *conn

	mu          sync.Mutex // guards first and last
	first, last *answer    // replies of calls that waited

	wmu     sync.Mutex // held over each write; taken before mu
	own     bool       // by the connection's goroutine, whose turn ends when it has to wait
	p       []byte     // what is left of it
	err     error      // once a write has failed, of all
	onReady func(fd uintptr) bool
	direct  direct
}

func (s *sender) init(c *conn) {
	s.c = c
	s.onReady, s.direct.onReady = s.writeReady, s.writeDirect
}

// flush sends the replies of the connection's own goroutine, and then what has piled up.
func (c *conn) flush() error {
	c.unsent, c.onward = 0, false
	c.publish()
	if len(c.out.buf) == 0 {
		return nil
	}
	err := c.sender.send(c.out.buf)
	c.out.buf = c.out.buf[:0]
	c.sender.pump(true)
	return err
}

// spill is flush in the middle of a reply, of the whole ones before it. That it failed the next flush says too.
func (c *conn) spill(replies []byte) {
	c.publishOn()
	if err := c.sender.send(replies); err == nil {
		c.sender.pump(true)
	}
}

// send sends replies of the connection's goroutine.
func (s *sender) send(p []byte) error {
	if !s.wmu.TryLock() {
		s.c.endTurn()
		s.wmu.Lock()
	}
	defer s.release()
	s.own = true
	s.sendPiled()
	s.stampOut()
	return s.write(p)
}

// stampOut gives the receipts of the connection's own replies their positions. wmu is held, by the connection's goroutine.
func (s *sender) stampOut() {
	if c := s.c; len(c.stamps) > 0 {
		c.link.stampAll(c.stamps)
		c.stamps = c.stamps[:0]
	}
}

// release ends the right to write.
func (s *sender) release() {
	s.own = false
	s.wmu.Unlock()
}

// sendPiled keeps the order of a session's answers: what has piled up was there before what is about to be sent. RPC knows no
// order. wmu is held.
func (s *sender) sendPiled() {
	if s.c.session != nil && s.piled() {
		s.writePiled()
	}
}

// add takes the reply of a call that waited. If there is room behind the last it goes there, so that many leave in one write.
func (s *sender) add(a *answer) {
	s.mu.Lock()
	l := s.last
	merged := l != nil && cap(l.out.buf)-len(l.out.buf) >= a.out.Len()
	switch {
	case merged:
		for _, st := range a.stamps {
			l.stamps = append(l.stamps, stamp{st.receipt, len(l.out.buf) + st.at})
		}
		l.out.buf = append(l.out.buf, a.out.buf...)
		l.calls++
	case l == nil:
		s.first, s.last = a, a
	default:
		l.next, s.last = a, a
	}
	s.mu.Unlock()
	if merged {
		a.free()
	}
	s.pump(false)
}

// pump sends what has piled up, unless somebody is at it, who then calls pump when done. own is true for the connection's goroutine.
func (s *sender) pump(own bool) {
	for s.piled() && s.wmu.TryLock() {
		s.own = own
		s.writePiled()
		s.release()
	}
}

// writePiled writes what has piled up, and lets as many more calls wait. wmu is held.
func (s *sender) writePiled() {
	s.mu.Lock()
	a := s.first
	s.first, s.last = nil, nil
	s.mu.Unlock()
	for a != nil {
		s.c.link.stampAll(a.stamps)
		if err := s.write(a.out.Bytes()); err != nil {
			s.c.log.Debug("reply not sent", "error", err)
		}
		for range a.calls {
			<-s.c.slots
		}
		s.c.inFlight.Add(-int32(a.calls))
		next := a.next
		a.free()
		a = next
	}
}

func (s *sender) piled() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.first != nil
}

// write sends p. After a failure the connection is of no use: it is aborted, so that its reader ends too. wmu is held.
func (s *sender) write(p []byte) error {
	if s.err != nil || len(p) == 0 {
		return s.err
	}
	if s.c.raw == nil {
		s.c.stuck.Store(s.c.srv.now.Load())
		if s.own {
			s.c.endTurn()
		}
		_, s.err = s.c.nc.Write(p)
		s.c.link.written.Add(int64(len(p)))
	} else {
		s.p = p
		if err := s.c.raw.Write(s.onReady); err != nil && s.err == nil {
			s.err = err
		}
		s.p = nil
	}
	if s.c.stuck.Load() != 0 {
		s.c.stuck.Store(0)
	}
	if s.err != nil {
		s.fail(s.err)
	}
	return s.err
}

// fail ends the connection. wmu is held.
func (s *sender) fail(err error) {
	s.err = err
	s.c.abort(err)
}

// writeReady writes to a socket without waiting; false when it takes no more now.
func (s *sender) writeReady(fd uintptr) bool {
	for len(s.p) > 0 {
		n, err := unix.Write(int(fd), s.p)
		switch err {
		case nil:
			s.p = s.p[n:]
			s.c.link.written.Add(int64(n))
			s.c.moved.Store(s.c.srv.now.Load())
		case unix.EINTR:
		case unix.EAGAIN:
			if s.c.stuck.Load() == 0 {
				s.c.stuck.Store(s.c.srv.now.Load())
			}
			if s.own {
				s.c.endTurn()
			}
			return false
		default:
			s.err = os.NewSyscallError("write", err)
			return true
		}
	}
	return true
}
