package rpc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"pmemfs/pmemfs/safego"
	"pmemfs/server/share"
)

// DatagramBytes is the longest call that is read, and reply that is sent, over UDP: what clients everywhere have room for.
const DatagramBytes = 8800

// Datagrams is a UDP socket on which a Server answers calls of its programs, those that have Datagrams set, and from which calls can be made
// (see Call). Its methods may be called by any number of goroutines.
//
// A datagram is a call, of which nobody knows who sent it: the address may be forged, and whoever lives there is not to be
// bothered. So what is no call gets no answer, and replies that are longer than their calls are limited (see excess).
type Datagrams struct {
	srv   *Server
	uc    *net.UDPConn
	local netip.AddrPort // that the socket is bound to
	v6    bool           // the socket speaks IPv6, and IPv4 in mapped addresses
	log   *slog.Logger

	waiting safego.Group
	excess  excess
	waits   *share.Pool // of calls that wait

	mu    sync.Mutex         // taken before those of shares and of the budget
	asked map[asked]struct{} // calls that wait
	calls map[uint32]*outgoing
}

// asked is what tells a call from its repetitions.
type asked struct {
	from            netip.AddrPort
	xid, prog, proc uint32
}

// packet is a datagram that arrived.
type packet struct {
	b    []byte
	from netip.AddrPort // as the socket wants it back
	to   origin
}

// origin is the address of this machine that a datagram was sent to, or is to leave from; the zero value if nothing is known.
type origin struct {
	addr  netip.Addr
	iface uint32 // index of the interface, if addr means nothing without
}

// NewDatagrams returns the server's side of a UDP socket, which becomes the Datagrams's own.
//
// Errors: that of asking the system to tell where datagrams were sent to.
func (s *Server) NewDatagrams(uc *net.UDPConn) (*Datagrams, error) {
	d := &Datagrams{srv: s, uc: uc, waits: share.New(int64(s.limits.Datagrams)), asked: make(map[asked]struct{}), calls: make(map[uint32]*outgoing)}
	if ua, ok := uc.LocalAddr().(*net.UDPAddr); ok {
		d.local = plain(ua.AddrPort())
	}
	d.log = s.log.With("udp", d.local.String())
	var err error
	d.v6, err = askOrigins(uc)
	return d, err
}

// plain is an address without what depends on the socket it was seen at.
func plain(ap netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(ap.Addr().Unmap().WithZone(""), ap.Port())
}

// Addr is the address that the socket is bound to.
func (d *Datagrams) Addr() netip.AddrPort { return d.local }

// Serve answers calls until ctx ends, then sends the replies to those in progress, waiting at most Limits.Drain, and closes the
// socket. It returns nil when it was ctx that ended it, or ErrUnfinished. It is called once.
func (d *Datagrams) Serve(ctx context.Context) error {
	stop := safego.OnEnd(ctx, "stopping a socket", func() {
		if err := d.uc.SetReadDeadline(time.Unix(1, 0)); err != nil {
			d.log.Debug("read deadline", "error", err)
		}
	})
	defer stop()
	err := d.read(ctx)
	d.abandon()
	ended := make(chan struct{})
	safego.Go("waiting for calls", func() {
		defer close(ended)
		d.waiting.Wait()
	})
	var unfinished error
	if !endsWithin(ended, d.srv.limits.Drain) {
		unfinished = fmt.Errorf("%w: those of UDP", ErrUnfinished)
	}
	if cerr := d.uc.Close(); cerr != nil && !errors.Is(cerr, net.ErrClosed) {
		d.log.Warn("closing the socket", "error", cerr)
	}
	if ctx.Err() != nil {
		err = nil
	}
	return errors.Join(err, unfinished)
}

// Close gives up a socket that will not be served.
//
// Errors: that of the socket.
func (d *Datagrams) Close() error { return d.uc.Close() }

// read takes datagram after datagram. Passing failures are waited out, as those of a listener are.
func (d *Datagrams) read(ctx context.Context) error {
	b, oob := make([]byte, DatagramBytes+1), make([]byte, originSpace)
	var req Request
	var out Encoder
	defer out.drop()
	for {
		n, oobn, flags, from, err := d.uc.ReadMsgUDPAddrPort(b, oob)
		switch {
		case ctx.Err() != nil, errors.Is(err, net.ErrClosed):
			return err
		case err != nil:
			d.log.Debug("read", "error", err) // such as that an earlier reply found nobody
			if !passing(err) {
				time.Sleep(50 * time.Millisecond)
			}
			continue
		case n > DatagramBytes || truncated(flags):
			continue
		}
		p := packet{b[:n], from, parseOrigin(oob[:oobn])}
		if isReply(p.b) {
			d.deliver(&p)
			continue
		}
		d.answer(&p, &req, &out)
	}
}

// answer answers a call, or has a goroutine do it. req and out are for it to use.
func (d *Datagrams) answer(p *packet, req *Request, out *Encoder) {
	call, err := ParseCall(p.b)
	if err != nil || p.from.Port() == 0 {
		return
	}
	*req = Request{Call: call, Record: p.b, Remote: plain(p.from), Local: d.localOf(p), Zone: p.from.Addr().Zone(), Datagram: true}
	if d.srv.admit != nil && !d.srv.admit(req.Remote.Addr()) {
		return
	}
	if out.buf == nil {
		out.Grow(smallBytes)
	}
	begun := d.begun()
	if result := d.srv.reply(req, out); result == Wait {
		d.offload(p, req, begun)
	} else {
		d.count(req, result, begun, begun, false)
		d.send(p, req, out)
	}
	out.buf = out.buf[:0]
	if cap(out.buf) > smallBytes {
		out.drop()
	}
}

// localOf is the address that a datagram was sent to.
func (d *Datagrams) localOf(p *packet) netip.AddrPort {
	if p.to.addr.IsValid() {
		return netip.AddrPortFrom(p.to.addr, d.local.Port())
	}
	return d.local
}

// offload answers a call that waits in a goroutine of its own. If there are too many, or it waits already, nothing comes of it: the
// client asks again.
func (d *Datagrams) offload(p *packet, req *Request, begun int64) {
	key := asked{p.from, req.XID, req.Prog, req.Proc}
	w := packet{append([]byte(nil), p.b...), p.from, p.to}
	call, err := ParseCall(w.b)
	if err != nil {
		return
	}
	cl, n, ok := d.begin(key, len(w.b))
	if !ok {
		return
	}
	own := &Request{Call: call, Record: w.b, Remote: req.Remote, Local: req.Local, Zone: req.Zone, Datagram: true, MayWait: true}
	d.waiting.Go("a call of UDP that waits", func() {
		defer d.end(key, cl, n)
		a := newAnswer(d.srv.budget, cl, d.srv.slot)
		defer a.free()
		began := d.srv.observedNow()
		d.count(own, d.srv.reply(own, &a.out), begun, began, true)
		d.send(&w, own, &a.out)
	})
}

// begin takes the right to wait, and the memory: n bytes of cl, and shortBytes for the answer.
func (d *Datagrams) begin(key asked, bytes int) (cl *client, n int64, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, again := d.asked[key]; again || !d.waits.Take(key.from.Addr(), 1) {
		return nil, 0, false
	}
	b := d.srv.budget
	cl, n = b.client(key.from.Addr()), callBytes+classOf(bytes)
	if !b.calls.take(&cl.calls, n) {
		b.done(cl)
		d.waits.Give(key.from.Addr(), 1)
		return nil, 0, false
	}
	d.asked[key] = struct{}{}
	return cl, n - shortBytes, true
}

func (d *Datagrams) end(key asked, cl *client, n int64) {
	d.srv.budget.calls.give(&cl.calls, n)
	d.srv.budget.done(cl)
	d.waits.Give(key.from.Addr(), 1)
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.asked, key)
}

// send sends a reply to where its call came from, from the address that the call was sent to: a client takes no other. One
// that does not fit becomes an error, so that the client need not wait.
func (d *Datagrams) send(p *packet, req *Request, out *Encoder) {
	reply := out.buf[markBytes:]
	if len(reply) > DatagramBytes {
		out.buf = out.buf[:0]
		d.srv.refusal(req, out, SystemErr)
		reply = out.buf[markBytes:]
	}
	if more := len(reply) - len(p.b); more > 0 && !d.excess.take(req.Remote.Addr(), more, time.Now()) {
		return
	}
	if err := d.write(reply, p.to, p.from); err != nil {
		d.log.Debug("reply not sent", "client", req.Remote.String(), "error", err)
	}
}

// write sends one datagram; from may be the zero value.
func (d *Datagrams) write(b []byte, from origin, to netip.AddrPort) error {
	_, _, err := d.uc.WriteMsgUDPAddrPort(b, from.encode(d.v6), to)
	return err
}
