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

	mu    sync.Mutex // guards pend, calls, spare
	pend  []byte     // replies of calls that waited
	calls int        // how many
	spare []byte

	wmu     sync.Mutex // held over each write; taken before mu
	p       []byte     // what is left of it
	err     error      // once a write has failed, of all
	onReady func(fd uintptr) bool
	direct  direct
}

// keepBytes is how much memory a sender keeps for the next replies.
const keepBytes = 64 << 10

func (s *sender) init(c *conn) {
	s.c = c
	s.onReady, s.direct.onReady = s.writeReady, s.writeDirect
}

// flush sends the replies of the connection's own goroutine, and then what has piled up.
func (c *conn) flush() error {
	if len(c.out.buf) == 0 {
		return nil
	}
	err := c.sender.send(c.out.buf)
	c.out.buf = c.out.buf[:0]
	c.sender.pump()
	return err
}

// spill is flush in the middle of a reply, of the whole ones before it. That it failed the next flush says too.
func (c *conn) spill(replies []byte) {
	if err := c.sender.send(replies); err == nil {
		c.sender.pump()
	}
}

func (s *sender) send(p []byte) error {
	s.wmu.Lock()
	defer s.wmu.Unlock()
	s.sendPiled()
	return s.write(p)
}

// sendPiled keeps the order of a session's answers: what has piled up was there before what is about to be sent. RPC knows no
// order. wmu is held.
func (s *sender) sendPiled() {
	if s.c.session != nil && s.piled() {
		s.writePiled()
	}
}

// add takes the reply of a call that waited.
func (s *sender) add(reply []byte) {
	s.mu.Lock()
	s.pend = append(s.pend, reply...)
	s.calls++
	s.mu.Unlock()
	s.pump()
}

// pump sends what has piled up, unless somebody is at it, who then calls pump when done.
func (s *sender) pump() {
	for s.piled() && s.wmu.TryLock() {
		s.writePiled()
		s.wmu.Unlock()
	}
}

// writePiled writes what has piled up, and lets as many more calls wait. wmu is held.
func (s *sender) writePiled() {
	s.mu.Lock()
	p, calls := s.pend, s.calls
	s.pend, s.calls, s.spare = s.spare[:0], 0, nil
	s.mu.Unlock()
	if err := s.write(p); err != nil {
		s.c.log.Debug("reply not sent", "err", err)
	}
	if cap(p) <= keepBytes {
		s.mu.Lock()
		s.spare = p[:0]
		s.mu.Unlock()
	}
	for range calls {
		<-s.c.slots
	}
}

func (s *sender) piled() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls > 0
}

// write sends p. After a failure the connection is of no use: it is aborted, so that its reader ends too. wmu is held.
func (s *sender) write(p []byte) error {
	if s.err != nil || len(p) == 0 {
		return s.err
	}
	if s.c.raw == nil {
		s.c.stuck.Store(s.c.srv.now.Load())
		_, s.err = s.c.nc.Write(p)
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
		case unix.EINTR:
		case unix.EAGAIN:
			if s.c.stuck.Load() == 0 {
				s.c.stuck.Store(s.c.srv.now.Load())
			}
			return false
		default:
			s.err = os.NewSyscallError("write", err)
			return true
		}
	}
	return true
}
