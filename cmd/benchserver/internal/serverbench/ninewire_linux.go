package serverbench

import (
	"encoding/binary"
	"fmt"
	"syscall"
)

// The requests of 9P2000.L that are sent; an answer is the next number.
const (
	tLopen    = 12
	tLcreate  = 14
	tGetattr  = 24
	tMkdir    = 72
	tUnlinkat = 76
	tVersion  = 100
	tAttach   = 104
	tWalk     = 110
	tRead     = 116
	tWrite    = 118
	tClunk    = 120
	tRemove   = 122

	rLerror = 7
)

const (
	nineVersion = "9P2000.L"
	nineHead    = 1 + 2     // kind and tag, behind the length
	qidBytes    = 1 + 4 + 8 // type, version, path
	qidPathAt   = 1 + 4     // in a qid
	// ioHead is what clients leave of the agreed message size for the rest of a request or answer with data.
	ioHead = 24
	noFid  = 1<<32 - 1
)

var le = binary.LittleEndian

// nineCall builds a request with a tag of 0: integers of their size, strings with their length in front. More bytes follow it
// elsewhere.
func nineCall(kind uint8, more int, fields ...any) []byte {
	b := append(make([]byte, markBytes, 64), kind, 0, 0)
	for _, f := range fields {
		switch f := f.(type) {
		case uint16:
			b = le.AppendUint16(b, f)
		case uint32:
			b = le.AppendUint32(b, f)
		case uint64:
			b = le.AppendUint64(b, f)
		case string:
			b = append(le.AppendUint16(b, uint16(len(f))), f...)
		default:
			panic(fmt.Sprintf("serverbench: a field of type %T", f))
		}
	}
	le.PutUint32(b, uint32(len(b)+more))
	return b
}

// nineWire is 9P2000.L. A call's number is its tag, which is that of its slot.
type nineWire struct{}

func (nineWire) frame(mark [markBytes]byte) (left int, last bool) {
	return int(max(le.Uint32(mark[:]), markBytes)) - markBytes, true
}

func (nineWire) first() uint32 { return 0 }

func (nineWire) number(c *conn, i int, record []byte) {
	c.slots[i].xid = uint32(i)
	le.PutUint16(record[markBytes+1:], uint16(i))
}

func (nineWire) numberOf(head []byte) uint32 { return uint32(le.Uint16(head[1:])) }

func (nineWire) headMin() int { return nineHead }

func (nineWire) accepted(r *row, s *slot, head []byte) error {
	asked := s.calls[s.turn][markBytes]
	switch {
	case head[0] == rLerror && len(head) >= nineHead+4:
		return fmt.Errorf("%s: request %d: %w", r.name, asked, syscall.Errno(le.Uint32(head[nineHead:])))
	case head[0] != asked+1:
		return fmt.Errorf("%s: answer %d to request %d", r.name, head[0], asked)
	}
	return nil
}

func (w nineWire) check(c *conn, s *slot, head []byte, length int) error {
	if err := c.row.wanted(s, head); err != nil {
		return err
	}
	switch c.row.data {
	case reading:
		if length != w.dataAt(head)+c.size || int(le.Uint32(head[nineHead:])) != c.size {
			return fmt.Errorf("%s brings another number of bytes", c.row.name)
		}
	case writing:
		if length != nineHead+4 || int(le.Uint32(head[nineHead:])) != c.size {
			return fmt.Errorf("%s writes another number of bytes", c.row.name)
		}
	}
	return nil
}

// dataAt finds the data of Rread.
func (nineWire) dataAt(head []byte) int {
	if len(head) < nineHead+4 || head[0] != tRead+1 {
		return 0
	}
	return nineHead + 4
}

func (nineWire) putOffset(b []byte, offset uint64) { le.PutUint64(b, offset) }

func (nineWire) sealBytes() int { return markBytes + nineHead }

func (nineWire) follow(seal []byte) int {
	return int(max(le.Uint32(seal), markBytes+nineHead)) - markBytes - nineHead
}

func (nineWire) replyTo(seal []byte) uint8 { return seal[markBytes] + 1 }

func (nineWire) replyKind(head []byte) uint8 { return head[0] }

func (nineWire) stamp(reply, seal []byte) { copy(reply[markBytes+1:], seal[markBytes+1:]) }

func (nineWire) template(length int, head []byte) []byte {
	t := make([]byte, length)
	copy(t[markBytes:], head)
	le.PutUint32(t, uint32(length))
	return t
}
