// Package rawnfs is an NFSv3 client (RFC 1813) for tests that end servers: it
// sends each call once, waits for its reply, and never reconnects or repeats.
// So the caller knows which calls were answered, which one was under way when
// the connection broke, and that nothing else was asked for. Other clients
// repeat calls behind the caller's back, which hides both a lost reply and an
// operation done twice.
//
// Concurrency: a Client belongs to one goroutine at a time; handles are plain
// values and outlive it, and the server. Durability: what a method promises
// about the medium is the server's promise, which the tests are there to doubt.
package rawnfs

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"syscall"
	"time"

	"pmemfs/server/rpc"

	"golang.org/x/sys/unix"
)

// ErrLost is returned when the connection broke before the reply was there:
// the call may have been carried out, or not.
var ErrLost = errors.New("rawnfs: the connection broke before the reply")

// Status is an nfsstat3 or mountstat3 other than OK.
type Status uint32

// Statuses that tests expect (RFC 1813 section 2.6).
const (
	Stale Status = 70
)

// Error names the status by its number, as RFC 1813 lists them.
func (s Status) Error() string { return fmt.Sprintf("nfsstat3 %d", uint32(s)) }

// Programs, both in version 3 (RFC 1813 sections 3 and 5).
const (
	progNFS   = 100003
	progMount = 100005
	version3  = 3
)

// replyBytesMax bounds a reply: the largest READ that tests make, and its header.
const replyBytesMax = 2 << 20

// Client is one connection to a server. Its own methods are simple calls by the superuser; As gives all procedures for anybody.
type Client struct {
	conn    net.Conn
	replies *rpc.RecordReader
	patient time.Duration
	xid     uint32

	Unstable int // writes that were answered as not yet durable
}

// Dial connects to a server that listens. A reply that takes longer than
// patience is an error, but not ErrLost: the server hangs.
func Dial(addr string, patience time.Duration) (*Client, error) { return DialFrom("", addr, patience) }

// DialFrom is Dial from an address of this machine, by which the server knows clients apart; "" for any.
func DialFrom(from, addr string, patience time.Duration) (*Client, error) {
	dialer := &net.Dialer{Timeout: patience}
	if from != "" {
		dialer.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
	}
	return dial(dialer, addr)
}

func dial(dialer *net.Dialer, addr string) (*Client, error) {
	conn, err := dialer.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	// As with real clients, xids do not begin anew with each connection: a server takes a call that it has answered
	// lately, on whichever connection, for the same one.
	return &Client{conn: conn, replies: rpc.NewRecordReader(conn, replyBytesMax, nil), patient: dialer.Timeout, xid: rand.Uint32()}, nil
}

// Repeating ends the connection and returns a client on another one, from the same port, whose next call has the xid of this one's last: what it
// asks for, if it is the same, is the same call, repeated by somebody who has not seen the answer. Linux connects anew like this.
func (c *Client) Repeating(addr string) (*Client, error) {
	local := c.conn.LocalAddr()
	if err := c.Reset(); err != nil {
		return nil, err
	}
	again, err := dial(&net.Dialer{Timeout: c.patient, LocalAddr: local, Control: reuseAddr}, addr)
	if err != nil {
		return nil, err
	}
	again.xid = c.xid - 1
	return again, nil
}

// Elsewhere returns a client on another connection, from another port, whose next call has the xid of this one's last.
func (c *Client) Elsewhere(addr string) (*Client, error) {
	again, err := Dial(addr, c.patient)
	if err != nil {
		return nil, err
	}
	again.xid = c.xid - 1
	return again, nil
}

// DialDeaf is Dial for a client that takes hardly anything that it does not read: what the server sends behind that is not acknowledged.
func DialDeaf(addr string, patience time.Duration) (*Client, error) {
	return dial(&net.Dialer{Timeout: patience, Control: smallBuffer}, addr)
}

// smallBuffer leaves a socket with the smallest buffer for what it receives.
func smallBuffer(_, _ string, raw syscall.RawConn) (err error) {
	if cerr := raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 4096) }); cerr != nil {
		return cerr
	}
	return err
}

// SetXID makes the next call's xid the one after xid.
func (c *Client) SetXID(xid uint32) { c.xid = xid }

// Reset ends the connection so that nothing is left of it on this side: its port is free at once.
func (c *Client) Reset() error {
	if tcp, ok := c.conn.(*net.TCPConn); ok {
		if err := tcp.SetLinger(0); err != nil {
			return err
		}
	}
	return c.conn.Close()
}

// reuseAddr lets a port be used again to which an ended connection is still bound.
func reuseAddr(_, _ string, raw syscall.RawConn) (err error) {
	if cerr := raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1) }); cerr != nil {
		return cerr
	}
	return err
}

// Close ends the connection.
func (c *Client) Close() error { return c.conn.Close() }

// call sends one call of the superuser and returns what follows the OK in its reply. Another status is returned as a Status.
func (c *Client) call(prog, proc uint32, args func(*rpc.Encoder)) (*rpc.Decoder, error) {
	d, err := c.exchange(prog, proc, superuser, args)
	if err != nil {
		return nil, err
	}
	status := d.Uint32()
	if !d.OK() {
		return nil, errors.New("rawnfs: not a reply: it has no status")
	}
	if err := statusOf(status); err != nil {
		return nil, err
	}
	return d, nil
}

// superuser is the credential of the calls that are nobody's in particular.
var superuser = new(Client).As(0, 0).cred

// exchange sends one call with a credential and returns the results in its reply.
func (c *Client) exchange(prog, proc uint32, cred []byte, args func(*rpc.Encoder)) (*rpc.Decoder, error) {
	if err := c.post(prog, proc, cred, args); err != nil {
		return nil, err
	}
	reply, err := c.replies.Next()
	if err != nil {
		return nil, c.lost(err)
	}
	return c.accept(reply[4:])
}

// post sends one call with a credential.
func (c *Client) post(prog, proc uint32, cred []byte, args func(*rpc.Encoder)) error {
	c.xid++
	e := rpc.NewEncoder(make([]byte, 4, 1024)) // begins with room for the record mark
	for _, v := range []uint32{c.xid, 0, rpc.Version, prog, version3, proc} {
		e.Uint32(v)
	}
	e.Raw(cred)
	args(e)
	if err := c.conn.SetDeadline(time.Now().Add(c.patient)); err != nil {
		return c.lost(err)
	}
	rpc.SetMark(e.Bytes())
	if _, err := c.conn.Write(e.Bytes()); err != nil {
		return c.lost(err)
	}
	return nil
}

// lost tells a broken connection from one on which nothing comes.
func (c *Client) lost(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("rawnfs: no reply within %s: %w", c.patient, err)
	}
	return fmt.Errorf("%w: %w", ErrLost, err)
}

// accept reads a reply up to the results of the procedure (RFC 5531 section 9).
func (c *Client) accept(reply []byte) (*rpc.Decoder, error) {
	d := rpc.NewDecoder(reply)
	xid, kind, denied := d.Uint32(), d.Uint32(), d.Uint32()
	d.Uint32() // the verifier's flavour
	d.Opaque(400)
	accepted := d.Uint32()
	if !d.OK() || xid != c.xid || kind != 1 || denied != 0 || accepted != uint32(rpc.Success) {
		return nil, fmt.Errorf("rawnfs: not a reply of success to call %d: % x", c.xid, reply[:min(len(reply), 64)])
	}
	return d, nil
}
