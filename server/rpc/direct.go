package rpc

import (
	"encoding/binary"
	"errors"

	"golang.org/x/sys/unix"
)

// A program that has much data lying somewhere may send it from there, instead of copying it to the encoder:
//
//	if r.TryDirect() {
//		lock; append the results up to the data
//		r.Direct(e, parts, n)
//		unlock
//		r.EndDirect(e)
//	}
//
// So data is copied once, to the socket, and whoever wants the lock does not wait for the client.

// errTorn is why a connection ends in the middle of a reply.
var errTorn = errors.New("rpc: the data of a reply could not be read")

// direct is the state of a direct reply. It belongs to whoever holds sender.wmu.
type direct struct {
	iovs    [][]byte // what has not been sent, from at on
	at      int
	rest    []byte  // what was left when Direct returned
	home    *buffer // in which that is, if it needed one
	n       int     // bytes of rest
	begun   bool    // TryDirect has begun and EndDirect not ended it
	torn    bool    // Direct has begun and not returned
	onReady func(fd uintptr) bool
}

// TryDirect begins to send a reply from where its data lies. It reports false when that cannot be: the call is not answered in
// place, or somebody else is sending. After true EndDirect must follow, and e has nothing of the reply yet.
func (r *Request) TryDirect() bool {
	c := r.conn
	if c == nil || c.raw == nil || !c.sender.wmu.TryLock() {
		return false
	}
	if !c.tryLarge() {
		c.sender.release()
		c.sender.pump(true) // what has piled up meanwhile was left to us
		return false
	}
	c.sender.direct.begun, c.sender.own = true, true
	c.sender.sendPiled()
	return true
}

// Direct completes the reply in e with n bytes that lie in parts, and in RPC their padding, and sends it, and whole replies before it, as far as
// that goes without waiting. What is left it copies: parts are not looked at any more. A panic that comes of their memory
// leaves half a reply, and EndDirect then ends the connection.
func (r *Request) Direct(e *Encoder, parts [][]byte, n int) {
	s := &r.conn.sender
	d := &s.direct
	r.conn.countDirect(r, e.Len()+n)
	s.stampOut()
	d.torn, e.sent = true, true
	d.iovs, d.at = append(append(d.iovs[:0], e.buf), parts...), 0
	if length := e.Len() + n; r.conn.session != nil {
		binary.LittleEndian.PutUint32(e.Bytes(), uint32(length))
	} else {
		setMark(e.Bytes(), length-markBytes+pad(n))
		d.iovs = append(d.iovs, padding[:pad(n)])
	}
	if s.err == nil {
		s.err = r.conn.raw.Write(d.onReady)
	}
	d.keep(e)
	clear(d.iovs)
	e.buf, e.base = e.buf[:0], 0
	d.torn = false
	r.conn.worked(n)
}

var padding [3]byte

// writeDirect sends until the socket takes no more. It does not ask to be called again.
func (s *sender) writeDirect(fd uintptr) bool {
	d := &s.direct
	for d.at < len(d.iovs) {
		n, err := unix.Writev(int(fd), d.iovs[d.at:])
		s.c.link.written.Add(int64(max(n, 0)))
		if err != nil && err != unix.EINTR {
			return true // what it is, the write of the rest will say
		}
		for d.at < len(d.iovs) && n >= len(d.iovs[d.at]) {
			n -= len(d.iovs[d.at])
			d.at++
		}
		if d.at < len(d.iovs) {
			d.iovs[d.at] = d.iovs[d.at][n:]
		}
	}
	return true
}

// keep copies what has not been sent: to where the reply was built, which holds only what comes before the rest, or to a large buffer.
func (d *direct) keep(e *Encoder) {
	d.n = 0
	for _, p := range d.iovs[d.at:] {
		d.n += len(p)
	}
	if d.n == 0 {
		return
	}
	to := e.buf[:cap(e.buf)]
	if d.n > len(to) {
		d.home = getBuffer(max(d.n, largeBytes))
		to = d.home.b
	}
	at := 0
	for _, p := range d.iovs[d.at:] {
		at += copy(to[at:], p)
	}
	d.rest = to[:at]
}

// EndDirect ends what TryDirect began: it sends what Direct has left. It reports whether the reply is out, or its connection has ended; otherwise
// Direct was not called, and the reply is to be made in the ordinary way.
func (r *Request) EndDirect(e *Encoder) bool {
	s := &r.conn.sender
	d := &s.direct
	if d.torn {
		d.torn = false
		s.fail(errTorn)
		e.buf, e.base = e.buf[:0], 0
	} else if d.n > 0 {
		// A failure is kept for the connection's next flush.
		_ = s.write(d.rest)
	}
	putBuffer(d.home)
	d.rest, d.home, d.n, d.begun = nil, nil, 0, false
	s.release()
	s.pump(true)
	return e.sent
}

// tryLarge is takeLarge without waiting.
func (c *conn) tryLarge() bool {
	if !c.large.Load() && c.srv.budget.large.take(&c.client.large, c.srv.slot) {
		c.large.Store(true)
	}
	return c.large.Load()
}
