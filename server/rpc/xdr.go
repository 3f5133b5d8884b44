package rpc

import (
	"encoding/binary"
	"slices"
)

// Decoder reads XDR from a slice. The first thing that is not there sets the failure, and everything after reads as zero:
// callers decode all fields and ask OK once. Byte slices it returns alias the input.
type Decoder struct {
	buf    []byte
	failed bool
}

// NewDecoder returns a decoder over b, which it does not copy.
func NewDecoder(b []byte) *Decoder { return &Decoder{buf: b} }

// OK reports whether everything asked for so far was there.
func (d *Decoder) OK() bool { return !d.failed }

// Done reports whether everything was there and nothing is left.
func (d *Decoder) Done() bool { return !d.failed && len(d.buf) == 0 }

// Fail makes the decoder fail: what was read is not a legal value.
func (d *Decoder) Fail() { d.failed = true }

// Rest returns what is left.
func (d *Decoder) Rest() []byte { return d.buf }

// take returns the next n bytes.
func (d *Decoder) take(n int) []byte {
	if d.failed || n > len(d.buf) {
		d.failed = true
		return nil
	}
	b := d.buf[:n:n]
	d.buf = d.buf[n:]
	return b
}

// Uint32 reads an unsigned int.
func (d *Decoder) Uint32() uint32 {
	if b := d.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

// Uint64 reads an unsigned hyper.
func (d *Decoder) Uint64() uint64 {
	if b := d.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

// Bool reads a bool; anything but 0 and 1 is a failure (RFC 4506 section 4.4).
func (d *Decoder) Bool() bool {
	v := d.Uint32()
	if v > 1 {
		d.failed = true
	}
	return v == 1
}

// Fixed reads n opaque bytes without a length, and their padding.
func (d *Decoder) Fixed(n int) []byte {
	b := d.take(n)
	d.take(pad(n))
	return b
}

// Opaque reads variable-length opaque data or a string of at most limit bytes.
func (d *Decoder) Opaque(limit int) []byte {
	n := d.Uint32()
	if d.failed || uint64(n) > uint64(limit) || uint64(n) > uint64(len(d.buf)) {
		d.failed = true
		return nil
	}
	return d.Fixed(int(n))
}

// pad is the number of bytes that bring n to a multiple of four.
func pad(n int) int { return -n & 3 }

// Encoder builds XDR in a slice that grows.
type Encoder struct {
	buf   []byte
	base  int                  // where the reply under way begins; whole replies are before it
	home  *buffer              // where buf began, if it is a pooled buffer
	usual int                  // bytes beyond which large is asked for a large buffer
	large func()               // waits for the right to have one; nil for an encoder that is not the transport's
	sent  bool                 // the reply under way is out already: see Request.Direct
	spill func(replies []byte) // takes the whole replies when there is no room; nil if nobody does
}

// NewEncoder returns an encoder that appends to b.
func NewEncoder(b []byte) *Encoder { return &Encoder{buf: b} }

// Bytes returns what was built.
func (e *Encoder) Bytes() []byte { return e.buf[e.base:] }

// Len returns the number of bytes built.
func (e *Encoder) Len() int { return len(e.buf) - e.base }

// Truncate forgets all but the first n bytes.
func (e *Encoder) Truncate(n int) { e.buf = e.buf[:e.base+n] }

// Uint32 writes an unsigned int.
func (e *Encoder) Uint32(v uint32) { e.buf = binary.BigEndian.AppendUint32(e.buf, v) }

// Uint64 writes an unsigned hyper.
func (e *Encoder) Uint64(v uint64) { e.buf = binary.BigEndian.AppendUint64(e.buf, v) }

// Bool writes a bool.
func (e *Encoder) Bool(v bool) {
	if v {
		e.Uint32(1)
	} else {
		e.Uint32(0)
	}
}

// Raw writes bytes that are XDR already.
func (e *Encoder) Raw(b []byte) {
	if e.large != nil {
		e.Grow(len(b))
	}
	e.buf = append(e.buf, b...)
}

// Opaque writes variable-length opaque data or a string.
func (e *Encoder) Opaque(b []byte) {
	e.Uint32(uint32(len(b)))
	e.Raw(b)
	var zero [3]byte
	e.buf = append(e.buf, zero[:pad(len(b))]...)
}

// OpaqueLen is the number of bytes that Opaque writes for n.
func OpaqueLen(n int) int { return 4 + n + pad(n) }

// PutUint32 writes v over the four bytes at offset at.
func (e *Encoder) PutUint32(at int, v uint32) { binary.BigEndian.PutUint32(e.buf[e.base+at:], v) }

// Grow makes room for n more bytes. For more than a few thousand it must come before a program takes any lock.
func (e *Encoder) Grow(n int) {
	if len(e.buf)+n <= cap(e.buf) {
		return
	}
	if e.base > 0 && e.spill != nil {
		e.spill(e.buf[:e.base])
		e.buf = e.buf[:copy(e.buf, e.buf[e.base:])]
		e.base = 0
	}
	need := len(e.buf) + n
	if need <= cap(e.buf) {
		return
	}
	if e.large == nil {
		e.buf = slices.Grow(e.buf, n)
		return
	}
	if need > e.usual {
		e.large()
		need = max(need, largeBytes)
	}
	b := getBuffer(need)
	e.buf = append(b.b[:0], e.buf...)
	putBuffer(e.home)
	e.home = b
}

// Extend appends n bytes with undefined content and returns them, to be filled before anything else is appended.
func (e *Encoder) Extend(n int) []byte {
	e.Grow(n)
	at := len(e.buf)
	e.buf = e.buf[:at+n]
	return e.buf[at : at+n : at+n]
}

// Pad writes the zeros that follow n bytes of opaque data.
func (e *Encoder) Pad(n int) {
	var zero [3]byte
	e.buf = append(e.buf, zero[:pad(n)]...)
}

// use begins to build in a buffer.
func (e *Encoder) use(b *buffer) { e.buf, e.home, e.base = b.b[:0], b, 0 }

// drop gives the memory back.
func (e *Encoder) drop() {
	putBuffer(e.home)
	e.buf, e.home, e.base = nil, nil, 0
}
