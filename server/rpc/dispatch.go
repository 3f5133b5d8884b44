package rpc

import (
	"fmt"
	"runtime/debug"

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
	c.req.Call, c.req.Record, c.req.MayWait, c.req.Room, c.req.receipt = call, record, false, nil, nil
	c.req.Counted, c.req.counted = Counted{}, false
	if c.out.buf == nil {
		c.out.use(&c.set.out)
	}
	result := c.reply(&c.req, &c.out)
	if result == Wait {
		return c.offload(record)
	}
	c.countCall(result)
	c.stampNext(&c.req)
	if c.out.Len() > flushBytes {
		c.worked(len(record) + c.out.Len())
		return c.flush()
	}
	c.worked(len(record))
	return nil
}

// stampNext has the receipt of a reply in out, if somebody wants one, say where that ends.
func (c *conn) stampNext(r *Request) {
	if r.receipt != nil {
		c.stamps = append(c.stamps, stamp{r.receipt, len(c.out.buf)})
	}
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
	r.replied = e.Len()
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
	r.Counted.Procedure = p.Counted.Procedure(r.Proc)
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
