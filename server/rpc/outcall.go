package rpc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
)

// OutCall is a call to a program of another host.
type OutCall struct {
	Prog, Vers, Proc uint32
	Sys              *SysCred // who is calling; nil for AUTH_NONE
	Machine          string   // name of this machine, beside Sys
	Args             []byte   // XDR
}

// ErrNotReply says that a record is not the reply to a call.
var ErrNotReply = errors.New("rpc: not a reply to the call")

// ErrRefused is what calls return that the other side has not carried out.
var ErrRefused = errors.New("rpc: call refused")

// Refusal is the error for a call that was answered and not carried out. It is an ErrRefused.
type Refusal struct {
	Stat      Result // a failing AcceptStat, or Reject of a reason
	Low, High uint32 // versions that the other side has, if Stat is ProgMismatch
}

// Error says why.
func (r *Refusal) Error() string {
	switch {
	case r.Stat&rejected != 0:
		return fmt.Sprintf("%v: credential: %d", ErrRefused, r.Stat&^rejected)
	case r.Stat == mismatchRPC:
		return fmt.Sprintf("%v: RPC versions %d to %d are spoken", ErrRefused, r.Low, r.High)
	case r.Stat == ProgMismatch:
		return fmt.Sprintf("%v: versions %d to %d are there", ErrRefused, r.Low, r.High)
	}
	return fmt.Sprintf("%v: %s", ErrRefused, [...]string{"", "no such program", "", "no such procedure", "arguments not understood", "failed"}[r.Stat])
}

// Is reports whether target is ErrRefused.
func (r *Refusal) Is(target error) bool { return target == ErrRefused }

// newXID is hard to guess, so that nobody answers who has not seen the call.
func newXID() uint32 { return rand.Uint32() }

// encode makes the call's message, without a record mark (RFC 5531 section 9).
func (c *OutCall) encode(xid uint32) []byte {
	e := NewEncoder(make([]byte, 0, 128+len(c.Machine)+len(c.Args)))
	for _, v := range [...]uint32{xid, msgCall, Version, c.Prog, c.Vers, c.Proc} {
		e.Uint32(v)
	}
	if c.Sys == nil {
		e.Uint32(AuthNone)
		e.Uint32(0)
	} else {
		e.Uint32(AuthSys)
		e.Opaque(c.sysBody())
	}
	e.Uint32(AuthNone) // verifier
	e.Uint32(0)
	e.Raw(c.Args)
	return e.Bytes()
}

// sysBody is an authsys_parms (RFC 5531 appendix A).
func (c *OutCall) sysBody() []byte {
	e := NewEncoder(nil)
	e.Uint32(0) // stamp
	e.Opaque([]byte(c.Machine[:min(len(c.Machine), maxMachineName)]))
	e.Uint32(c.Sys.UID)
	e.Uint32(c.Sys.GID)
	groups := c.Sys.Groups[:min(len(c.Sys.Groups), maxGroups)]
	e.Uint32(uint32(len(groups)))
	for _, g := range groups {
		e.Uint32(g)
	}
	return e.Bytes()
}

// isReply reports whether a datagram may be a reply.
func isReply(b []byte) bool {
	return len(b) >= 8 && binary.BigEndian.Uint32(b[4:]) == msgReply
}

// parseReply returns the results in the reply to the call with that xid; they alias record. Its errors are ErrNotReply and a Refusal.
func parseReply(record []byte, xid uint32) ([]byte, error) {
	d := NewDecoder(record)
	if d.Uint32() != xid || d.Uint32() != msgReply {
		return nil, ErrNotReply
	}
	refusal := &Refusal{}
	switch denied := d.Uint32(); {
	case denied == 0:
		d.Uint32() // verifier
		d.Opaque(maxAuthBytes)
		stat := AcceptStat(d.Uint32())
		if d.OK() && stat == Success {
			return d.Rest(), nil
		}
		if stat > SystemErr {
			return nil, ErrNotReply
		}
		refusal.Stat = stat
	case denied > 1:
		return nil, ErrNotReply
	case d.Uint32() == 0:
		refusal.Stat = mismatchRPC
	default:
		refusal.Stat = Reject(d.Uint32() & 0xffff)
	}
	if refusal.Stat == mismatchRPC || refusal.Stat == ProgMismatch {
		refusal.Low, refusal.High = d.Uint32(), d.Uint32()
	}
	if !d.OK() {
		return nil, ErrNotReply
	}
	return nil, refusal
}
