package rpc

import "encoding/binary"

// inbuf cuts what a connection has sent into records of any number of fragments (RFC 5531 section 11), where it lies. A
// record of one fragment is never copied; of further fragments each byte is moved once.
//
//	0        start       asm          r              w        cap
//	+--------+-----------+------------+--------------+--------+
//	|  used  | fragments |    used    | not yet read |  free  |
//	+--------+-----------+------------+--------------+--------+
type inbuf struct {
	buf        *buffer // nil while it rests
	aside      *buffer // what it holds then, in w bytes; nil for nothing
	start, asm int
	r, w       int
	spent      int  // of limit, by the record under way
	limit      int  // bytes of the longest record
	need       int  // bytes from r on without which nothing is complete
	recent     int  // bytes of the last record, with its marks
	messages   bool // of a session, in place of records
}

// next returns the next whole record, which is valid until fill or release, or nil when more has to be read first.
func (in *inbuf) next() ([]byte, error) {
	if in.buf == nil {
		return nil, nil
	}
	if in.messages {
		return in.nextMessage()
	}
	b := in.buf.b
	for in.w-in.r >= markBytes {
		m := binary.BigEndian.Uint32(b[in.r:])
		n := int(m &^ lastMark)
		// An empty fragment costs a byte, so that a stream of them ends too.
		if n > in.limit || in.spent+max(n, 1) > in.limit {
			return nil, ErrRecordTooLarge
		}
		if in.w-in.r-markBytes < n {
			in.need = markBytes + n
			return nil, nil
		}
		at := in.r + markBytes
		in.r = at + n
		in.spent += max(n, 1)
		if in.asm == in.start {
			in.start, in.asm = at, in.r
		} else {
			in.asm += copy(b[in.asm:], b[at:in.r])
		}
		if m&lastMark != 0 {
			record := b[in.start:in.asm:in.asm]
			in.start, in.asm, in.spent = in.r, in.r, 0
			in.recent = markBytes + len(record)
			return record, nil
		}
	}
	in.need = markBytes
	return nil, nil
}

// held is the number of bytes that wait for the rest of a record.
func (in *inbuf) held() int { return in.asm - in.start + in.w - in.r }

// partial reports whether a record has begun to arrive.
func (in *inbuf) partial() bool { return in.held() > 0 || in.spent > 0 }

// free returns where to read to, with room for a good part of what is needed; nil if that takes a buffer larger than usual and large does
// not say that there may be one. One is needed only when a usual one has been filled, so a claim alone takes nothing.
func (in *inbuf) free(large bool) []byte {
	if in.r == in.w && in.asm == in.start {
		in.start, in.asm, in.r, in.w = 0, 0, 0, 0
	}
	if len(in.buf.b)-in.w < len(in.buf.b)/8 && in.start > 0 || in.w == len(in.buf.b) {
		in.compact(in.buf.b)
	}
	if in.w == len(in.buf.b) { // all of it one unfinished record
		if !large {
			return nil
		}
		b := getBuffer(max(in.limit+smallBytes, len(in.buf.b)+1))
		in.compact(b.b)
		putBuffer(in.buf)
		in.buf = b
	}
	return in.buf.b[in.w:][:in.most(len(in.buf.b)-in.w)]
}

// exactBytes is the length from which a record is read by itself.
const exactBytes = 16 << 10

// most is how much of n bytes to read at once: all, or what completes a long record. So records of one length each begin where the last one did,
// in memory that the processor's cache still has, and nothing of the next has to be moved there.
func (in *inbuf) most(n int) int {
	rest := in.recent // of the next record, if that is like the last
	if held := in.w - in.r; held > 0 {
		rest = in.need - held
	}
	if rest < exactBytes {
		return n
	}
	return min(n, rest)
}

// compact moves what is held to the beginning of b.
func (in *inbuf) compact(b []byte) {
	old := in.buf.b
	n := copy(b, old[in.start:in.asm])
	m := copy(b[n:], old[in.r:in.w])
	in.start, in.asm, in.r, in.w = 0, n, n, n+m
}

// asideBytes is how much can be put aside.
const asideBytes = shortBytes

// rest puts what is held aside into b, which has asideBytes, before a wait; nil if nothing is held. It returns the buffer that is not
// needed any more.
func (in *inbuf) rest(b *buffer) *buffer {
	if b != nil {
		in.compact(b.b)
	} else {
		in.start, in.asm, in.r, in.w = 0, 0, 0, 0
	}
	old := in.buf
	in.buf, in.aside = nil, b
	return old
}

// resume goes on in b. It returns the buffer in which things were put aside, or nil.
func (in *inbuf) resume(b *buffer) *buffer {
	old := in.aside
	if old != nil {
		copy(b.b, old.b[:in.w])
	}
	in.buf, in.aside = b, nil
	return old
}

// drop gives everything back for good.
func (in *inbuf) drop() {
	putBuffer(in.buf)
	putBuffer(in.aside)
	in.buf, in.aside = nil, nil
	in.start, in.asm, in.r, in.w = 0, 0, 0, 0
}
