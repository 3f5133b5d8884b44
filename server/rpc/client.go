package rpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"

	"pmemfs/pmemfs/safego"
)

const (
	replyBytes    = 256 << 10 // the longest reply that is taken over a stream
	callsAtOnce   = 1024      // own calls of a Datagrams that wait for replies
	resendFirst   = 300 * time.Millisecond
	resendLongest = 5 * time.Second
)

// ErrBusy says that too many calls wait for replies.
var ErrBusy = errors.New("rpc: too many calls at once")

// outgoing is a call that waits for its reply.
type outgoing struct {
	to    netip.AddrPort // plain
	reply chan []byte    // has room for one
}

// Call calls a program at an address from the server's own socket, for which firewalls are open, and from the address from of this
// machine, which the other side knows it by (the zero value lets the system choose). The call is repeated, unchanged, until a reply
// comes or ctx ends; so it may be carried out several times. Errors are ctx's, those of the socket, ErrBusy and a Refusal.
func (d *Datagrams) Call(ctx context.Context, from netip.Addr, to netip.AddrPort, c *OutCall) ([]byte, error) {
	o := &outgoing{plain(to), make(chan []byte, 1)}
	xid, err := d.register(o)
	if err != nil {
		return nil, err
	}
	defer d.unregister(xid)
	b := c.encode(xid)
	for wait := resendFirst; ; wait = min(2*wait, resendLongest) {
		if err := d.write(b, origin{addr: from}, to); err != nil && !passing(err) {
			return nil, err
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, fmt.Errorf("rpc: no answer from %v: %w", to, ctx.Err())
		case reply := <-o.reply:
			timer.Stop()
			return parseReply(reply, xid)
		case <-timer.C:
		}
	}
}

// Send sends a call once and waits for no reply: such as the results of an asynchronous procedure.
//
// Errors: those of the socket.
func (d *Datagrams) Send(from netip.Addr, to netip.AddrPort, c *OutCall) error {
	return d.write(c.encode(newXID()), origin{addr: from}, to)
}

// register gives a call an xid that no other has.
func (d *Datagrams) register(o *outgoing) (uint32, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.calls == nil {
		return 0, net.ErrClosed
	}
	if len(d.calls) >= callsAtOnce {
		return 0, ErrBusy
	}
	for {
		xid := newXID()
		if _, taken := d.calls[xid]; !taken {
			d.calls[xid] = o
			return xid, nil
		}
	}
}

func (d *Datagrams) unregister(xid uint32) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.calls, xid)
}

// deliver hands a reply to the call that it answers, if it comes from where that went.
func (d *Datagrams) deliver(p *packet) {
	xid := NewDecoder(p.b).Uint32()
	d.mu.Lock()
	o := d.calls[xid]
	d.mu.Unlock()
	if o == nil || o.to != plain(p.from) {
		return
	}
	if _, err := parseReply(p.b, xid); errors.Is(err, ErrNotReply) {
		return
	}
	select {
	case o.reply <- append([]byte(nil), p.b...):
	default: // a second reply, to a repeated call
	}
}

// abandon makes new calls fail, as nobody reads replies any more. Those that wait end with their contexts.
func (d *Datagrams) abandon() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls = nil
}

// CallUDP is Datagrams.Call from a socket of its own. That nobody listens there is an error at once.
//
// Errors: those of ctx and of the socket, and ErrRefused as a Refusal.
func CallUDP(ctx context.Context, from netip.Addr, to netip.AddrPort, c *OutCall) ([]byte, error) {
	dialer := net.Dialer{}
	if from.IsValid() {
		dialer.LocalAddr = net.UDPAddrFromAddrPort(netip.AddrPortFrom(from, 0))
	}
	conn, err := dialer.DialContext(ctx, "udp", to.String())
	if err != nil {
		return nil, err
	}
	defer conn.Close() // nothing is lost with it
	stop := safego.OnEnd(ctx, "ending a call", func() {
		// The read that waits, or the next one, ends.
		_ = conn.SetReadDeadline(time.Unix(1, 0))
	})
	defer stop()
	xid := newXID()
	b := c.encode(xid)
	for wait := resendFirst; ctx.Err() == nil; wait = min(2*wait, resendLongest) {
		if _, err := conn.Write(b); err != nil {
			return nil, err
		}
		results, err := awaitUDP(ctx, conn, xid, time.Now().Add(wait))
		if !errors.Is(err, errNoneYet) {
			return results, err
		}
	}
	return nil, fmt.Errorf("rpc: no answer from %v: %w", to, ctx.Err())
}

// errNoneYet says that no reply has come in time.
var errNoneYet = errors.New("rpc: no reply yet")

// awaitUDP reads until there is a reply, until the deadline, or until ctx ends.
func awaitUDP(ctx context.Context, conn net.Conn, xid uint32, deadline time.Time) ([]byte, error) {
	if err := conn.SetReadDeadline(deadline); err != nil {
		return nil, err
	}
	if ctx.Err() != nil { // it may have ended before the deadline was set, and its own been overwritten
		return nil, errNoneYet
	}
	b := make([]byte, DatagramBytes)
	for {
		n, err := conn.Read(b)
		var timeout net.Error
		switch {
		case errors.As(err, &timeout) && timeout.Timeout():
			return nil, errNoneYet
		case err != nil:
			return nil, err
		}
		if results, err := parseReply(b[:n], xid); !errors.Is(err, ErrNotReply) {
			return results, err
		}
	}
}

// CallTCP calls a program at an address over a connection of its own, from an address of this machine as with Datagrams.Call.
//
// Errors: those of ctx and of the connection, io.ErrUnexpectedEOF for one that ends, and ErrRefused as a Refusal.
func CallTCP(ctx context.Context, from netip.Addr, to netip.AddrPort, c *OutCall) ([]byte, error) {
	dialer := net.Dialer{}
	if from.IsValid() {
		dialer.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))
	}
	conn, err := dialer.DialContext(ctx, "tcp", to.String())
	if err != nil {
		return nil, err
	}
	defer conn.Close() // nothing is lost with it
	return CallStream(ctx, conn, c)
}

// CallStream makes one call over a connection of a stream, such as TCP's, on which no other call is under way.
//
// Errors: those of ctx and of the connection, io.ErrUnexpectedEOF for one that ends, and ErrRefused as a Refusal.
func CallStream(ctx context.Context, conn net.Conn, c *OutCall) ([]byte, error) {
	stop := safego.OnEnd(ctx, "ending a call", func() {
		// What waits ends; that a connection is closed already says the call itself.
		_ = conn.SetDeadline(time.Unix(1, 0))
	})
	defer stop()
	xid := newXID()
	b := append(make([]byte, markBytes), c.encode(xid)...)
	SetMark(b)
	if _, err := conn.Write(b); err != nil {
		return nil, errors.Join(ctx.Err(), err)
	}
	record, err := NewRecordReader(conn, replyBytes, nil).Next()
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, errors.Join(ctx.Err(), err)
	}
	return parseReply(record[markBytes:], xid)
}
