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
)

// replyHeader appends a record mark to be filled in and the header of an accepted reply.
func (e *Encoder) replyHeader(xid uint32, stat AcceptStat) {
	b := e.Extend(7 * 4)
	clear(b) // MSG_ACCEPTED, and a verifier of AUTH_NONE and no bytes
	be := binary.BigEndian
	be.PutUint32(b[4:], xid)
	be.PutUint32(b[8:], msgReply)
	be.PutUint32(b[24:], uint32(stat))
}

// deniedHeader is replyHeader for a rejected call: reject is RPC_MISMATCH or AUTH_ERROR.
func (e *Encoder) deniedHeader(xid, reject uint32) {
	for _, v := range [...]uint32{0, xid, msgReply, 1, reject} {
		e.Uint32(v)
	}
}

// SetMark fills in the record mark of a record of one fragment, for which its first four bytes were left free.
func SetMark(record []byte) { setMark(record, len(record)-markBytes) }

func setMark(record []byte, n int) { binary.BigEndian.PutUint32(record, uint32(n)|lastMark) }
