package rpc

import (
	"fmt"
	"runtime/debug"
	"sync"

	"pmemfs/pmemfs/safego"
)

// flushBytes is how much of replies is collected before it is sent although more calls have arrived.
const flushBytes = smallBytes * 3 / 4

// answer answers a call, or gives it to a goroutine of its own. An error ends the connection.
func (c *conn) answer(record []byte) error {
	call, err := c.parse(record)
	if err != nil {
		return err
	}
	c.req.Call, c.req.Record, c.req.MayWait = call, record, false
	if c.out.buf == nil {
		c.out.Grow(smallBytes)
	}
	if c.reply(&c.req, &c.out) == Wait {
		return c.offload(record)
	}
	if c.out.Len() > flushBytes {
		return c.flush()
	}
	return nil
}

// reply appends the whole reply to a call, record mark included, unless the result is Wait.
func (s *Server) reply(r *Request, e *Encoder) Result {
	e.base = len(e.buf)
	e.replyHeader(r.XID, Success)
	result := s.serve(r, e)
	if e.sent {
		e.sent = false
		return Success
	}
	switch {
	case result == Success:
	case result == Wait && !r.MayWait:
		e.Truncate(0)
		e.base = 0
		return Wait
	case result == Wait:
		s.log.Error("a program asked to wait where it may", "prog", r.Prog, "proc", r.Proc)
		e.Truncate(0)
		s.refusal(r, e, SystemErr)
	default:
		e.Truncate(0)
		s.refusal(r, e, result)
	}
	SetMark(e.Bytes())
	e.base = 0
	return result
}

// Results beside AcceptStat and those of programs.
const (
	mismatchRPC Result = 1<<18 + iota // another version of RPC itself
)

// serve finds a call's program and has it answer. Whatever goes wrong, the process goes on.
func (s *Server) serve(r *Request, e *Encoder) (result Result) {
	if r.RPCVersion != Version {
		return mismatchRPC
	}
	p := s.program(r.Prog)
	switch {
	case p == nil, r.Datagram && !p.Datagrams:
		return ProgUnavail
	case r.Vers < p.Low || r.Vers > p.High:
		return ProgMismatch
	}
	switch r.CredFlavor {
	case AuthNone:
	case AuthSys:
		if !r.Sys.parse(r.CredBody) {
			return Reject(AuthBadCred)
		}
	default:
		return Reject(AuthTooWeak)
	}
	defer func() {
		if v := recover(); v != nil {
			safego.Tell(safego.Panic{Name: fmt.Sprintf("procedure %d of program %d version %d for %v", r.Proc, r.Prog, r.Vers, r.Remote), Value: v, Stack: debug.Stack()})
			result = SystemErr
			if r.conn != nil && r.conn.sender.direct.begun {
				r.EndDirect(e)
			}
		}
	}()
	return p.Serve(r, e)
}

func (s *Server) program(number uint32) *Program {
	for i := range s.programs {
		if s.programs[i].Number == number {
			return &s.programs[i]
		}
	}
	return nil
}

// refusal appends the reply to a call that was not carried out.
func (s *Server) refusal(r *Request, e *Encoder, result Result) {
	switch {
	case result == mismatchRPC:
		e.deniedHeader(r.XID, 0)
		e.Uint32(Version)
		e.Uint32(Version)
	case result&rejected != 0:
		e.deniedHeader(r.XID, 1)
		e.Uint32(uint32(result &^ rejected))
	default:
		e.replyHeader(r.XID, result)
		if result == ProgMismatch {
			p := s.program(r.Prog)
			e.Uint32(p.Low)
			e.Uint32(p.High)
		}
	}
}

// waiter is a call that waits, with all it needs of its own.
type waiter struct {
	c      *conn
	record *buffer
	large  bool // holds a large slot
	req    Request
	out    Encoder
}

var waiters = sync.Pool{New: func() any { return new(waiter) }}

// offload answers a call in a goroutine of its own, once there is room for one. A large call for which there is no large
// slot is answered here: waiting for one could be waiting for this very connection.
func (c *conn) offload(record []byte) error {
	w := waiters.Get().(*waiter)
	w.c = c
	if len(record) > smallBytes {
		select {
		case c.srv.large <- struct{}{}:
			w.large = true
		default:
			w.free()
			c.req.MayWait = true
			c.reply(&c.req, &c.out)
			c.sent(&c.req)
			return c.flush()
		}
	}
	w.record = getBuffer(len(record))
	w.req.Record = w.record.b[:copy(w.record.b, record)]
	call, err := c.parse(w.req.Record)
	if err == nil {
		err = c.takeSlots()
	}
	if err != nil {
		w.free()
		return err
	}
	w.req.Call, w.req.Remote, w.req.Local, w.req.Zone, w.req.MayWait = call, c.req.Remote, c.req.Local, c.req.Zone, true
	c.handOn(&w.req)
	c.inFlight.Add(1)
	c.waiting.Go("a call that waits", w.run)
	return nil
}

// takeSlots waits until one more call may wait; meanwhile the client has to as well. What is answered is sent first.
func (c *conn) takeSlots() error {
	if c.slots == nil {
		c.slots = make(chan struct{}, c.srv.limits.InFlight)
	}
	for _, slots := range []chan struct{}{c.slots, c.srv.waiting} {
		select {
		case slots <- struct{}{}:
			continue
		default:
		}
		if err := c.flush(); err != nil {
			return err
		}
		slots <- struct{}{}
	}
	return nil
}

func (w *waiter) run() {
	c := w.c
	w.out.Grow(keepBytes)
	c.reply(&w.req, &w.out)
	<-c.srv.waiting
	c.sender.add(w.out.Bytes())
	c.sent(&w.req)
	c.inFlight.Add(-1)
	w.free()
}

// free gives back what a call that waited has held.
func (w *waiter) free() {
	w.out.drop()
	putBuffer(w.record)
	if w.large {
		<-w.c.srv.large
	}
	w.req, w.c, w.record, w.large = Request{}, nil, nil, false
	waiters.Put(w)
}
