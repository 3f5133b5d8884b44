package rpc

import (
	"encoding/binary"
	"errors"

	"pmemfs/pmemfs/safego"
)

// ErrMessage says that what arrived cannot be a message of a session. The stream cannot be used any further.
var ErrMessage = errors.New("rpc: not a message")

// Session is what one connection is to a protocol other than RPC that shares the transport: messages that begin with their length,
// four bytes, little-endian, and itself included. See Config.Session.
type Session interface {
	// Serve answers a message: r.Record is all of it but the length, and it appends all of the answer but the length. It returns
	// Success, or, where r.MayWait does not say that it may, Wait; then it is called again, with MayWait and a Request of its own, beside
	// the connection's other messages. That Request has what Serve has put into r.Own, and so has Sent: what belongs to a message is handed
	// on there, as others may come and go before its turn. Serve must not panic.
	Serve(r *Request, e *Encoder) Result
	// Sent is called for each message for which Serve has returned Wait, when the answer is on its way to the client: what is appended
	// after this leaves after it.
	Sent(r *Request)
	// Busy reports whether the connection must not be closed for its silence.
	Busy() bool
	// Stop is called when no more messages are read. Those in progress are to end soon.
	Stop()
	// Close is called last, when no message is in progress.
	Close()
}

// messageMin is the shortest message: its length, a byte for its kind, and two for its number.
const messageMin = markBytes + 3

// nextMessage is next for a session.
func (in *inbuf) nextMessage() ([]byte, error) {
	b := in.buf.b
	in.need = markBytes
	if in.w-in.r < markBytes {
		return nil, nil
	}
	n := uint64(binary.LittleEndian.Uint32(b[in.r:]))
	switch {
	case n > uint64(in.limit):
		return nil, ErrRecordTooLarge
	case n < messageMin:
		return nil, ErrMessage
	case uint64(in.w-in.r) < n:
		in.need = int(n)
		return nil, nil
	}
	end := in.r + int(n)
	message := b[in.r+markBytes : end : end]
	in.start, in.asm, in.r = end, end, end
	in.recent = int(n)
	return message, nil
}

// reply appends the whole reply to what has arrived, unless the result is Wait.
func (c *conn) reply(r *Request, e *Encoder) Result {
	if c.session == nil {
		return c.srv.reply(r, e)
	}
	e.base = len(e.buf)
	e.Extend(markBytes)
	result := c.serveMessage(r, e)
	if e.sent {
		e.sent = false
		e.buf, e.base = e.buf[:0], 0 // whatever came behind the answer is none
		return Success
	}
	if result == Wait || result == panicked {
		e.Truncate(0)
	} else {
		binary.LittleEndian.PutUint32(e.Bytes(), uint32(e.Len()))
	}
	r.replied = e.Len()
	e.base = 0
	return result
}

// panicked is the result of a session that has panicked: its connection ends.
const panicked Result = 1 << 19

func (c *conn) serveMessage(r *Request, e *Encoder) (result Result) {
	returned := true
	defer func() {
		if returned {
			return
		}
		result = panicked
		if r.conn != nil && c.sender.direct.begun {
			r.EndDirect(e)
		}
		c.abort(errPanicked)
	}()
	defer safego.Recover("a message of a session", &returned)
	return c.session.Serve(r, e)
}

// parse reads the header of a call from what has arrived; a session does that itself.
func (c *conn) parse(record []byte) (Call, error) {
	if c.session != nil {
		return Call{}, nil
	}
	return ParseCall(record)
}

// sent tells the session that the answer to a message that waited is on its way.
func (c *conn) sent(r *Request) {
	if c.session != nil && !safego.Run("a message that is on its way", func() { c.session.Sent(r) }) {
		c.abort(errPanicked)
	}
}

// handOn gives what Serve has put into the Request that was served in place to the one that is served beside others.
func (c *conn) handOn(r *Request) {
	if c.session != nil {
		r.Own, c.req.Own = c.req.Own, nil
	}
}
