package rpc_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"pmemfs/server/rpc"
)

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
