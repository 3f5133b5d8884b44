package rpc

import "encoding/binary"

// AcceptStat tells what became of an accepted call (RFC 5531 section 9).
type AcceptStat = Result

// The values of AcceptStat.
const (
	Success      AcceptStat = 0
	ProgUnavail  AcceptStat = 1
	ProgMismatch AcceptStat = 2
	ProcUnavail  AcceptStat = 3
	GarbageArgs  AcceptStat = 4
	SystemErr    AcceptStat = 5
)

// Reasons for refusing a credential (auth_stat).
const (
	AuthBadCred uint32 = 1
	AuthTooWeak uint32 = 5
)

const (
	markBytes = 4
	lastMark  = 1 << 31

	// ReplyHeaderBytes is the length of the header of a successful reply without its record mark.
	ReplyHeaderBytes = 24
)

// replyHeader appends a record mark to be filled in and the header of an accepted reply.
func (e *Encoder) replyHeader(xid uint32, stat AcceptStat) {
	for _, v := range [...]uint32{0, xid, msgReply, 0, AuthNone, 0, uint32(stat)} { // 0: MSG_ACCEPTED; a verifier of no bytes
		e.Uint32(v)
	}
}

// deniedHeader is replyHeader for a rejected call: reject is RPC_MISMATCH or AUTH_ERROR.
func (e *Encoder) deniedHeader(xid, reject uint32) {
	for _, v := range [...]uint32{0, xid, msgReply, 1, reject} {
		e.Uint32(v)
	}
}

// NewReply starts an accepted reply. Room for the record mark is left in front: Finish fills it in.
func NewReply(xid uint32, stat AcceptStat) *Encoder {
	e := NewEncoder(make([]byte, markBytes, 256))
	e.Uint32(xid)
	e.Uint32(msgReply)
	e.Uint32(0) // MSG_ACCEPTED
	e.Uint32(AuthNone)
	e.Uint32(0) // verifier of no bytes
	e.Uint32(uint32(stat))
	return e
}

// NewMismatch is the whole reply to a program version that is not served; low and high are those that are.
func NewMismatch(xid, low, high uint32) *Encoder {
	e := NewReply(xid, ProgMismatch)
	e.Uint32(low)
	e.Uint32(high)
	return e
}

// NewVersionDenied is the whole reply to another version of RPC itself.
func NewVersionDenied(xid uint32) *Encoder {
	e := newDenied(xid, 0)
	e.Uint32(Version)
	e.Uint32(Version)
	return e
}

// NewAuthDenied is the whole reply to a credential that is refused for a reason.
func NewAuthDenied(xid, reason uint32) *Encoder {
	e := newDenied(xid, 1)
	e.Uint32(reason)
	return e
}

func newDenied(xid, reject uint32) *Encoder {
	e := NewEncoder(make([]byte, markBytes, 32))
	e.Uint32(xid)
	e.Uint32(msgReply)
	e.Uint32(1) // MSG_DENIED
	e.Uint32(reject)
	return e
}

// Finish returns the reply as it goes on the wire, as one fragment.
func (e *Encoder) Finish() []byte {
	SetMark(e.buf)
	return e.buf
}

// SetMark fills in the record mark of a record of one fragment, for which its first four bytes were left free.
func SetMark(record []byte) {
	binary.BigEndian.PutUint32(record, uint32(len(record)-markBytes)|lastMark)
}
