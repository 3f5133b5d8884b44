// Package ninetest is a client of 9P2000.L for tests. It sends what it is told, wrong things too, and keeps no state but the
// connection.
//
// A Client is used by one goroutine at a time. Nothing here waits for ever: a server that does not answer is an error.
package ninetest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// The requests by their numbers.
const (
	Statfs      = 8
	Lopen       = 12
	Lcreate     = 14
	Symlink     = 16
	Mknod       = 18
	Rename      = 20
	Readlink    = 22
	Getattr     = 24
	Setattr     = 26
	Xattrwalk   = 30
	Xattrcreate = 32
	Readdir     = 40
	Fsync       = 50
	Lock        = 52
	Getlock     = 54
	Link        = 70
	Mkdir       = 72
	Renameat    = 74
	Unlinkat    = 76
	Version     = 100
	Auth        = 102
	Attach      = 104
	Flush       = 108
	Walk        = 110
	Read        = 116
	Write       = 118
	Clunk       = 120
	Remove      = 122

	rLerror = 7
)

// NoFid is no fid, and NoUID no user.
const (
	NoFid uint32 = 1<<32 - 1
	NoUID uint32 = 1<<32 - 1
)

// answerTimeout is what only a hang takes: the machine may be busy with other things.
const answerTimeout = 3 * time.Minute

// Client is one connection.
type Client struct {
	conn  net.Conn
	tag   uint16
	MSize uint32 // of the last Tversion
}

// Dial connects to a server.
func Dial(network, address string) (*Client, error) {
	conn, err := net.DialTimeout(network, address, answerTimeout)
	if err != nil {
		return nil, err
	}
	return &Client{conn: conn}, nil
}

// DialAs connects to a server on TCP from one of this machine's addresses.
func DialAs(source netip.Addr, address string) (*Client, error) {
	d := net.Dialer{Timeout: answerTimeout, LocalAddr: &net.TCPAddr{IP: source.AsSlice()}}
	conn, err := d.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	return &Client{conn: conn}, nil
}

// DialFrom connects to a socket from one that has a name.
func DialFrom(local *net.UnixAddr, path string) (*Client, error) {
	conn, err := net.DialUnix("unix", local, &net.UnixAddr{Net: "unix", Name: path})
	if err != nil {
		return nil, err
	}
	return &Client{conn: conn}, nil
}

// Close closes the connection.
func (c *Client) Close() error { return c.conn.Close() }

// Args builds fields: integers of their size, strings and byte slices with their length in front, Raw as it is.
func Args(values ...any) []byte {
	var b []byte
	le := binary.LittleEndian
	for _, v := range values {
		switch v := v.(type) {
		case uint8:
			b = append(b, v)
		case uint16:
			b = le.AppendUint16(b, v)
		case uint32:
			b = le.AppendUint32(b, v)
		case uint64:
			b = le.AppendUint64(b, v)
		case string:
			b = append(le.AppendUint16(b, uint16(len(v))), v...)
		case []byte:
			b = append(le.AppendUint16(b, uint16(len(v))), v...)
		case Raw:
			b = append(b, v...)
		default:
			panic(fmt.Sprintf("ninetest: what is %T?", v))
		}
	}
	return b
}

// Raw is bytes without a length.
type Raw []byte

// Message is a whole message.
func Message(kind uint8, tag uint16, fields []byte) []byte {
	b := binary.LittleEndian.AppendUint32(nil, uint32(7+len(fields)))
	b = binary.LittleEndian.AppendUint16(append(b, kind), tag)
	return append(b, fields...)
}

// SendRaw sends bytes.
func (c *Client) SendRaw(b []byte) error {
	_, err := c.conn.Write(b)
	return err
}

// Send sends a request and returns its tag.
func (c *Client) Send(kind uint8, values ...any) (tag uint16, err error) {
	c.tag++
	if c.tag == 1<<16-1 {
		c.tag = 1
	}
	return c.tag, c.SendRaw(Message(kind, c.tag, Args(values...)))
}

// Answer is an answer: what kind of message, to which request, and its fields.
type Answer struct {
	Kind uint8
	Tag  uint16
	Fields
}

// Next waits for the next answer.
func (c *Client) Next() (a Answer, err error) { return c.NextWithin(answerTimeout) }

// NextWithin is Next for some time.
func (c *Client) NextWithin(d time.Duration) (a Answer, err error) {
	if err := c.conn.SetReadDeadline(time.Now().Add(d)); err != nil {
		return a, err
	}
	var head [7]byte
	if _, err := io.ReadFull(c.conn, head[:]); err != nil {
		return a, err
	}
	n := binary.LittleEndian.Uint32(head[:])
	if n < 7 || n > 1<<22 {
		return a, fmt.Errorf("an answer of %d bytes", n)
	}
	a.Kind, a.Tag = head[4], binary.LittleEndian.Uint16(head[5:])
	a.b = make([]byte, n-7)
	_, err = io.ReadFull(c.conn, a.b)
	return a, err
}

// ErrKind is returned for an answer that is none to the request.
var ErrKind = errors.New("ninetest: an answer to another request")

// Call sends a request and returns the fields of its answer. An Rlerror is a syscall.Errno.
func (c *Client) Call(kind uint8, values ...any) (*Fields, error) {
	tag, err := c.Send(kind, values...)
	if err != nil {
		return nil, err
	}
	a, err := c.Next()
	if err != nil {
		return nil, err
	}
	if a.Tag != tag {
		return nil, fmt.Errorf("%w: kind %d, tag %d, not %d", ErrKind, a.Kind, a.Tag, tag)
	}
	return a.For(kind)
}

// For returns the fields of an answer to a kind of request.
func (a *Answer) For(kind uint8) (*Fields, error) {
	switch a.Kind {
	case rLerror:
		return nil, syscall.Errno(a.Uint32())
	case kind + 1:
		return &a.Fields, nil
	}
	return nil, fmt.Errorf("%w: kind %d to %d", ErrKind, a.Kind, kind)
}

// Fields reads the fields of an answer. What is not there reads as zero, and Done says so.
type Fields struct {
	b   []byte
	bad bool
}

// Bytes takes the next n bytes.
func (f *Fields) Bytes(n int) []byte {
	if n > len(f.b) {
		f.bad = true
		return make([]byte, n)
	}
	b := f.b[:n]
	f.b = f.b[n:]
	return b
}

// Left is how many bytes are left.
func (f *Fields) Left() int { return len(f.b) }

// Uint8 takes a byte.
func (f *Fields) Uint8() uint8 { return f.Bytes(1)[0] }

// Uint16 takes two bytes.
func (f *Fields) Uint16() uint16 { return binary.LittleEndian.Uint16(f.Bytes(2)) }

// Uint32 takes four bytes.
func (f *Fields) Uint32() uint32 { return binary.LittleEndian.Uint32(f.Bytes(4)) }

// Uint64 takes eight bytes.
func (f *Fields) Uint64() uint64 { return binary.LittleEndian.Uint64(f.Bytes(8)) }

// String takes a string.
func (f *Fields) String() string { return string(f.Bytes(int(f.Uint16()))) }

// Done returns an error unless everything was there and nothing is left.
func (f *Fields) Done() error {
	if f.bad || len(f.b) > 0 {
		return fmt.Errorf("an answer that is %d bytes too long, or too short (%v)", len(f.b), f.bad)
	}
	return nil
}
