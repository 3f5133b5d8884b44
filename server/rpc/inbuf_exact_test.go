package rpc

import (
	"encoding/binary"
	"slices"
	"testing"
)

// TestExactReads takes in a stream as a connection does. Long records of one length are read one by one, each to the place of the one before;
// short ones are read together.
func TestExactReads(t *testing.T) {
	const long, short = 60_000, 100
	var stream []byte
	for _, n := range []int{long, long, long, long, short, short, long, long} {
		stream = append(binary.BigEndian.AppendUint32(stream, lastMark|uint32(n)), make([]byte, n)...)
	}
	in := inbuf{limit: 1 << 20}
	in.resume(getBuffer(smallBytes))
	defer in.drop()
	var reads, lengths []int
	for len(stream) > 0 {
		n := copy(in.free(false), stream)
		reads, stream = append(reads, n), stream[n:]
		in.w += n
		record, err := in.next()
		for ; record != nil; record, err = in.next() {
			lengths = append(lengths, len(record))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	const l, s = markBytes + long, markBytes + short
	want := []int{
		smallBytes,       // all that there is room for, as nothing is known
		3*l - smallBytes, // the rest of the third record
		l,                // the fourth
		l,                // two short ones, and the beginning of the seventh
		2*s + l,          // the rest of it, which is short, and the last
	}
	if !slices.Equal(reads, want) {
		t.Errorf("reads of %v bytes, want %v", reads, want)
	}
	if want := []int{long, long, long, long, short, short, long, long}; !slices.Equal(lengths, want) {
		t.Errorf("records of %v bytes, want %v", lengths, want)
	}
}
