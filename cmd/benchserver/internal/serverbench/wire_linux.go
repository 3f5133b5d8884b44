package serverbench

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
)

// wire is a protocol as far as the generator and the echo have to know it: where a message ends, to which call a reply belongs,
// and what is right about it. A reply's head is what follows its first four bytes, as far as it is kept.
type wire interface {
	// frame tells from the first four bytes of a message or fragment how many follow, and whether the message ends with them.
	frame(mark [markBytes]byte) (left int, last bool)
	// first is the number of a connection's first call.
	first() uint32
	// number makes a record the next call of slot i of a connection.
	number(c *conn, i int, record []byte)
	// numberOf is the number of the call that a reply is for; the head has it.
	numberOf(head []byte) uint32
	// headMin is the length of the shortest reply, less its first four bytes.
	headMin() int
	// accepted verifies that a reply says that its call was carried out.
	accepted(r *row, s *slot, head []byte) error
	// check verifies what only replies of a server have, not those of an echo. The reply is length bytes long, less the first four.
	check(c *conn, s *slot, head []byte, length int) error
	// dataAt is where the data begins in a reply to a call that reads, or 0 if the head is too short.
	dataAt(head []byte) int
	// putOffset writes the offset of a call into its record.
	putOffset(b []byte, offset uint64)

	// The echo looks at the first sealBytes of a message only: how many bytes follow these, and which of its replies is the answer.
	sealBytes() int
	follow(seal []byte) int
	replyTo(seal []byte) uint8
	// replyKind is what replyTo is for the calls that a reply with a head is for.
	replyKind(head []byte) uint8
	// stamp makes a reply that to the call with a seal.
	stamp(reply, seal []byte)
	// template makes the reply of an echo, so long with its first four bytes, of the head of a server's.
	template(length int, head []byte) []byte
}

// wireOf returns a protocol by its name, which exists.
func wireOf(protocol string) wire {
	if protocol == ProtocolNineP {
		return nineWire{}
	}
	return rpcWire{}
}

// rpcWire is NFSv3 over ONC RPC.
type rpcWire struct{}

func (rpcWire) frame(mark [markBytes]byte) (left int, last bool) {
	m := binary.BigEndian.Uint32(mark[:])
	return int(m &^ lastMark), m&lastMark != 0
}

// first is any: a server must not take the calls of a connection for those of another again.
func (rpcWire) first() uint32 { return rand.Uint32() }

// number gives the call its xid. A slot's xids are its number and then further by the number of slots, so that a reply finds its
// slot.
func (rpcWire) number(c *conn, i int, record []byte) {
	s := &c.slots[i]
	s.xid = c.first + s.made*uint32(len(c.slots)) + uint32(i)
	binary.BigEndian.PutUint32(record[markBytes:], s.xid)
}

func (rpcWire) numberOf(head []byte) uint32 { return binary.BigEndian.Uint32(head) }

func (rpcWire) headMin() int { return resultAt }

func (rpcWire) accepted(r *row, s *slot, head []byte) error {
	if err := accepted(head, s.xid); err != nil {
		return err
	}
	if status := binary.BigEndian.Uint32(head[statusAt:]); status != 0 {
		return fmt.Errorf("%s: %w", r.name, statusError(status))
	}
	return nil
}

func (w rpcWire) check(c *conn, s *slot, head []byte, length int) error {
	if err := c.row.wanted(s, head); err != nil {
		return err
	}
	switch c.row.data {
	case reading:
		at := w.dataAt(head)
		if at == 0 || length != at+c.size || int(binary.BigEndian.Uint32(head[at-12:])) != c.size {
			return fmt.Errorf("%s brings another number of bytes", c.row.name)
		}
	case writing:
		// wcc_data, then count, committed and verifier (RFC 1813 section 3.3.7).
		if length < resultAt+8+16 || len(head) < length {
			return errOdd
		}
		count, committed := binary.BigEndian.Uint32(head[length-16:]), binary.BigEndian.Uint32(head[length-12:])
		if int(count) != c.size || committed != fileSync {
			return fmt.Errorf("%s wrote %d bytes, committed %d", c.row.name, count, committed)
		}
	}
	return nil
}

// dataAt finds the data of READ (RFC 1813 section 3.3.6).
func (rpcWire) dataAt(head []byte) int {
	if len(head) < resultAt+16 {
		return 0
	}
	at := resultAt + 16
	if binary.BigEndian.Uint32(head[resultAt:]) == 1 {
		at += attrBytes
	}
	if len(head) < at {
		return 0
	}
	return at
}

func (rpcWire) putOffset(b []byte, offset uint64) { binary.BigEndian.PutUint64(b, offset) }

func (rpcWire) sealBytes() int { return 2 * markBytes } // mark and xid

func (rpcWire) follow(seal []byte) int {
	return int(binary.BigEndian.Uint32(seal)&^lastMark) - markBytes
}

func (rpcWire) replyTo([]byte) uint8 { return 0 }

func (rpcWire) replyKind([]byte) uint8 { return 0 }

func (rpcWire) stamp(reply, seal []byte) { copy(reply[markBytes:], seal[markBytes:]) }

func (rpcWire) template(length int, head []byte) []byte {
	length = (length + 3) &^ 3
	t := make([]byte, length)
	copy(t[markBytes:], head)
	binary.BigEndian.PutUint32(t, uint32(length-markBytes)|lastMark)
	return t
}
