package rpc_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"

	"pmemfs/pmemfs/testpart"
	"pmemfs/server/rpc"
)

func mark(n int, last bool) []byte {
	m := uint32(n)
	if last {
		m |= 1 << 31
	}
	return binary.BigEndian.AppendUint32(nil, m)
}

func TestRecordFragments(t *testing.T) {
	payload := bytes.Repeat([]byte("0123456789abcdef"), 20000)
	for _, size := range []int{1, 7, 4096, 100_000, len(payload)} {
		var stream []byte
		for rest := payload; len(rest) > 0; {
			n := min(size, len(rest))
			stream = append(append(stream, mark(n, n == len(rest))...), rest[:n]...)
			rest = rest[n:]
		}
		stream = append(stream, mark(0, true)...)
		r := rpc.NewRecordReader(bytes.NewReader(stream), len(payload), nil)
		got, err := r.Next()
		if err != nil || !bytes.Equal(got[4:], payload) {
			t.Fatalf("fragments of %d: %d bytes, %v", size, len(got), err)
		}
		if empty, err := r.Next(); err != nil || len(empty) != 4 {
			t.Fatalf("an empty record: %v, %v", empty, err)
		}
		if _, err := r.Next(); err != io.EOF {
			t.Fatalf("the end: %v", err)
		}
	}
}

func TestRecordRefusals(t *testing.T) {
	cases := map[string]struct {
		stream []byte
		want   error
	}{
		"too large":               {mark(101, true), rpc.ErrRecordTooLarge},
		"absurd":                  {mark(1<<31-1, true), rpc.ErrRecordTooLarge},
		"too large in two":        {append(append(mark(60, false), make([]byte, 60)...), mark(60, true)...), rpc.ErrRecordTooLarge},
		"empty fragments forever": {bytes.Repeat(mark(0, false), 1000), rpc.ErrRecordTooLarge},
		"cut in a mark":           {[]byte{0x80}, io.ErrUnexpectedEOF},
		"cut in a fragment":       {append(mark(10, true), 1, 2), io.ErrUnexpectedEOF},
		"cut between fragments":   {append(mark(2, false), 1, 2), io.ErrUnexpectedEOF},
	}
	for name, c := range cases {
		if _, err := rpc.NewRecordReader(bytes.NewReader(c.stream), 100, nil).Next(); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// TestRecordClaimAllocatesNothing sends a large claim and few bytes: what is allocated follows the bytes.
func TestRecordClaimAllocatesNothing(t *testing.T) {
	stream := append(mark(1<<30, true), make([]byte, 10)...)
	result := testing.Benchmark(func(b *testing.B) {
		for range b.N {
			if _, err := rpc.NewRecordReader(bytes.NewReader(stream), 1<<30, nil).Next(); err == nil {
				b.Fatal("no error")
			}
		}
	})
	if got := result.AllocedBytesPerOp(); got > 1<<20 {
		t.Fatalf("%d bytes allocated for 10", got)
	}
}

func TestXDRRoundTrip(t *testing.T) {
	e := rpc.NewEncoder(nil)
	e.Uint32(7)
	e.Uint64(1 << 40)
	e.Bool(true)
	e.Opaque([]byte("hello"))
	if e.Len() != 4+8+4+rpc.OpaqueLen(5) {
		t.Fatalf("length %d", e.Len())
	}
	d := rpc.NewDecoder(e.Bytes())
	if d.Uint32() != 7 || d.Uint64() != 1<<40 || !d.Bool() || string(d.Opaque(5)) != "hello" || !d.Done() {
		t.Fatal("did not come back")
	}
	for limit := range e.Len() {
		d := rpc.NewDecoder(e.Bytes()[:limit])
		d.Uint32()
		d.Uint64()
		d.Bool()
		d.Opaque(100)
		if d.OK() {
			t.Fatalf("%d bytes were enough", limit)
		}
	}
	if d := rpc.NewDecoder(e.Bytes()[16:]); d.Opaque(4) != nil || d.OK() {
		t.Fatal("a string over its limit")
	}
}

func FuzzParseCall(f *testing.F) {
	testpart.NotRace(f)
	e := rpc.NewEncoder(nil)
	for _, v := range []uint32{1, 0, 2, 100003, 3, 1, 1, 20, 0, 0, 5, 5, 0, 0, 0} {
		e.Uint32(v)
	}
	f.Add(e.Bytes())
	f.Fuzz(func(t *testing.T, record []byte) {
		c, err := rpc.ParseCall(record)
		if err != nil {
			return
		}
		if c.ArgsOffset+len(c.Args) != len(record) {
			t.Fatalf("arguments at %d of %d, %d long", c.ArgsOffset, len(record), len(c.Args))
		}
		if s, ok := rpc.ParseSys(c.CredBody); ok && len(s.Groups) > 16 {
			t.Fatalf("%d groups", len(s.Groups))
		}
	})
}
