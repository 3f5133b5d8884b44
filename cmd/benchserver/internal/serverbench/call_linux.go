package serverbench

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"pmemfs/server/rpc"
)

// Programs (RFC 1813 sections 3 and 5) and the procedures of NFS that are used.
const (
	progNFS   = 100003
	progMount = 100005
	version3  = 3

	procGetattr     = 1
	procLookup      = 3
	procAccess      = 4
	procRead        = 6
	procWrite       = 7
	procCreate      = 8
	procMkdir       = 9
	procRemove      = 12
	procRename      = 14
	procReaddirplus = 17
)

// Offsets in a record, counted from behind its mark.
const (
	replyHead  = 24 // of an accepted reply with an empty verifier (RFC 5531 section 9)
	statusAt   = replyHead
	resultAt   = statusAt + 4
	attrBytes  = 84      // fattr3
	fileidAt   = 52      // in fattr3
	recordMax  = 8 << 20 // no server has reason for more
	patience   = 2 * time.Minute
	fileSync   = 2
	lastMark   = 1 << 31
	markBytes  = 4
	pageBytes  = 32 << 10 // of READDIRPLUS
	errNoEntry = 2        // NFS3ERR_NOENT
)

// credential is AUTH_SYS for the superuser without further groups, and an empty verifier.
var credential = func() []byte {
	body := rpc.NewEncoder(nil)
	body.Uint32(0) // stamp
	body.Opaque([]byte("bench"))
	for range 3 { // uid, gid, no groups
		body.Uint32(0)
	}
	e := rpc.NewEncoder(nil)
	e.Uint32(rpc.AuthSys)
	e.Opaque(body.Bytes())
	e.Uint32(rpc.AuthNone)
	e.Opaque(nil)
	return e.Bytes()
}()

// newCall starts a record of one call with room for its mark and an xid of 0.
func newCall(prog, proc uint32) *rpc.Encoder {
	e := rpc.NewEncoder(make([]byte, markBytes, 256))
	for _, v := range []uint32{0, 0, rpc.Version, prog, version3, proc} {
		e.Uint32(v)
	}
	e.Raw(credential)
	return e
}

// seal fills in the mark of a record that is followed by more bytes elsewhere.
func seal(e *rpc.Encoder, more int) []byte {
	record := e.Bytes()
	binary.BigEndian.PutUint32(record, uint32(len(record)-markBytes+more)|lastMark)
	return record
}

// statusError is an nfsstat3 or mountstat3 other than OK.
type statusError uint32

func (s statusError) Error() string { return fmt.Sprintf("status %d", uint32(s)) }

// client makes one call after the other, to prepare what is measured. It belongs to one goroutine.
type client struct {
	conn net.Conn
	xid  uint32
}

func dial(addr string) (*client, error) {
	conn, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return nil, err
	}
	return &client{conn: conn, xid: 1}, nil
}

func (c *client) close() error { return c.conn.Close() }

// do sends a call and returns what follows OK in its reply.
func (c *client) do(prog, proc uint32, args func(*rpc.Encoder)) (*rpc.Decoder, error) {
	e := newCall(prog, proc)
	args(e)
	reply, err := c.exchange(seal(e, 0))
	if err != nil {
		return nil, err
	}
	if prog == progNFS && proc == 0 {
		return nil, nil
	}
	if len(reply) < resultAt {
		return nil, io.ErrUnexpectedEOF
	}
	switch status := binary.BigEndian.Uint32(reply[statusAt:]); status {
	case 0:
	case errNoEntry:
		return nil, errNotThere
	default:
		return nil, statusError(status)
	}
	return rpc.NewDecoder(reply[resultAt:]), nil
}

// exchange sends a record and returns the reply to it.
func (c *client) exchange(record []byte) ([]byte, error) {
	c.xid++
	binary.BigEndian.PutUint32(record[markBytes:], c.xid)
	if err := c.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	if _, err := c.conn.Write(record); err != nil {
		return nil, err
	}
	reply, err := c.receive()
	if err != nil {
		return nil, err
	}
	return reply, accepted(reply, c.xid)
}

// receive reads one record of any number of fragments.
func (c *client) receive() ([]byte, error) {
	var record []byte
	for {
		var mark [markBytes]byte
		if _, err := io.ReadFull(c.conn, mark[:]); err != nil {
			return nil, err
		}
		m := binary.BigEndian.Uint32(mark[:])
		n := int(m &^ lastMark)
		if n+len(record) > recordMax {
			return nil, errTooLong
		}
		at := len(record)
		record = append(record, make([]byte, n)...)
		if _, err := io.ReadFull(c.conn, record[at:]); err != nil {
			return nil, err
		}
		if m&lastMark != 0 {
			return record, nil
		}
	}
}

var (
	errTooLong  = errors.New("a reply is longer than any could be")
	errOdd      = errors.New("a reply without what it has to have")
	errStranger = errors.New("a reply to nothing that is outstanding")
	errNotThere = errors.New("no such file")
)

// accepted verifies the head of a reply: its xid, and that the call was accepted and carried out.
func accepted(head []byte, xid uint32) error {
	if len(head) < replyHead || binary.BigEndian.Uint32(head) != xid {
		return errStranger
	}
	for at, want := range [...]uint32{1: 1, 0, 0, 0, 0} {
		if got := binary.BigEndian.Uint32(head[at*4:]); at > 0 && got != want {
			return fmt.Errorf("word %d of a reply is %d, want %d: the call was not carried out", at, got, want)
		}
	}
	return nil
}
