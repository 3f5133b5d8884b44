package rpc

import (
	"sync/atomic"
	"syscall"
)

// Receipt says what became of one reply: whether the client's TCP has acknowledged it, and whether the connection is there
// yet. From that follows whether somebody can still be waiting for it. It stays valid when its connection has ended, and costs a few
// words. Its methods may be called by any number of goroutines; a nil Receipt knows nothing.
type Receipt struct {
	link *link
	end  atomic.Int64 // the position behind the reply in what its connection sent; 0 until it has been handed to the socket
}

// Receipt returns the receipt of the reply to r: the same one each time, and nil for a call that did not come on a connection.
func (r *Request) Receipt() *Receipt {
	if r.receipt == nil && r.link != nil {
		r.receipt = &Receipt{link: r.link}
	}
	return r.receipt
}

// Known reports whether the connection has ended, as far as the server has noticed, and whether the reply was acknowledged until then.
func (r *Receipt) Known() (ended, delivered bool) {
	if r == nil || !r.link.over.Load() {
		return false, false
	}
	end := r.end.Load()
	return true, end > 0 && end <= r.link.acked.Load()
}

// State is Known, and asks the system first: a client that comes back on another connection may be seen before the end of the old one is.
func (r *Receipt) State() (ended, delivered bool) {
	if r != nil {
		r.link.checkEnd()
	}
	return r.Known()
}

// link is what is known of a connection for longer than that lasts.
type link struct {
	raw     atomic.Pointer[syscall.RawConn] // nil if it is not a socket, or closed
	written atomic.Int64                    // bytes that the socket has taken
	over    atomic.Bool
	acked   atomic.Int64 // those of them that the client has acknowledged; counts when over
}

// checkEnd records the end of a connection that the client has ended.
func (l *link) checkEnd() {
	raw := l.raw.Load()
	if l.over.Load() || raw == nil {
		return
	}
	open := true
	// The descriptor is gone when the connection has been closed, and then its end is recorded.
	_ = (*raw).Control(func(fd uintptr) { open = isOpen(int(fd)) })
	if !open {
		l.recordEnd()
	}
}

// recordEnd records that the connection has ended, and how much of what was sent the client has acknowledged until now. It is called before the socket is shut down or
// closed, and may be called again as long as it is open.
func (l *link) recordEnd() {
	if raw := l.raw.Load(); raw != nil {
		_ = (*raw).Control(func(fd uintptr) { l.measure(int(fd)) })
	}
	l.over.Store(true)
}

// close records the end for the last time, before the connection is closed, and lets go of it: receipts may be kept for long.
func (l *link) close() {
	l.recordEnd()
	l.raw.Store(nil)
}

// measure is what recordEnd does with the descriptor.
func (l *link) measure(fd int) {
	written := l.written.Load() // first: what is written meanwhile makes the answer smaller, not larger
	waiting, ok := unacknowledged(fd)
	if !ok {
		return
	}
	acked := written - int64(waiting)
	for {
		old := l.acked.Load()
		if acked <= old || l.acked.CompareAndSwap(old, acked) {
			return
		}
	}
}

// stamp is a receipt to be given the position of its reply, which ends at byte `at` of what is sent with it.
type stamp struct {
	receipt *Receipt
	at      int
}

// stampAll gives receipts their positions, before what they are of is handed to the socket. sender.wmu is held.
func (l *link) stampAll(stamps []stamp) {
	base := l.written.Load()
	for _, s := range stamps {
		s.receipt.end.Store(base + int64(s.at))
	}
	clear(stamps)
}
