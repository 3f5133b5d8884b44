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
	"time"

	"pmemfs/server/rpc"
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
func Dial(addr string, patience time.Duration) (*Client, error) {
	conn, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return nil, err
	}
	// As with real clients, xids do not begin anew with each connection: a server takes a call that it has answered
	// lately, on whichever connection, for the same one.
	return &Client{conn: conn, replies: rpc.NewRecordReader(conn, replyBytesMax, nil), patient: patience, xid: rand.Uint32()}, nil
}

// Repeating returns a client on a connection of its own whose next call has the xid of this one's last: what it asks for, if it is the same,
// is the same call, repeated by somebody who has not seen the answer.
func (c *Client) Repeating(addr string) (*Client, error) {
	again, err := Dial(addr, c.patient)
	if err != nil {
		return nil, err
	}
	again.xid = c.xid - 1
	return again, nil
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
	c.xid++
	e := rpc.NewEncoder(make([]byte, 4, 1024)) // begins with room for the record mark
	for _, v := range []uint32{c.xid, 0, rpc.Version, prog, version3, proc} {
		e.Uint32(v)
	}
	e.Raw(cred)
	args(e)
	if err := c.conn.SetDeadline(time.Now().Add(c.patient)); err != nil {
		return nil, c.lost(err)
	}
	rpc.SetMark(e.Bytes())
	if _, err := c.conn.Write(e.Bytes()); err != nil {
		return nil, c.lost(err)
	}
	reply, err := c.replies.Next()
	if err != nil {
		return nil, c.lost(err)
	}
	return c.accept(reply[4:])
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
