package rpc

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"

	"pmemfs/pmemfs/testpart"
)

// FuzzRecords cuts a stream into records in two ways, one of them as a connection does, in reads of any size: both find
// the same.
func FuzzRecords(f *testing.F) {
	testpart.NotRace(f)
	mark := func(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }
	f.Add([]byte{}, byte(1))
	f.Add(append(mark(1<<31|3), 1, 2, 3), byte(2))
	f.Add(append(append(mark(2), 1, 2), append(mark(1<<31|1), 3)...), byte(0))
	f.Add(bytes.Repeat(mark(0), 300), byte(7))
	f.Add(append(mark(1<<31|5000), make([]byte, 6000)...), byte(255))
	f.Fuzz(func(t *testing.T, stream []byte, chunk byte) {
		const limit = 5000
		want := NewRecordReader(bytes.NewReader(stream), limit, nil)
		in := inbuf{limit: limit}
		in.resume(getBuffer(smallBytes))
		rest := stream
		next := func() ([]byte, error) {
			for {
				record, err := in.next()
				if record != nil || err != nil {
					return record, err
				}
				if chunk%3 == 0 {
					putBuffer(in.rest(getBuffer(asideBytes))) // as before a wait
					putBuffer(in.resume(getBuffer(smallBytes)))
				}
				n := copy(in.free(false), rest[:min(len(rest), int(chunk)+1)])
				if n == 0 {
					if in.partial() {
						return nil, io.ErrUnexpectedEOF
					}
					return nil, io.EOF
				}
				in.w += n
				rest = rest[n:]
			}
		}
		for {
			a, errA := want.Next()
			b, errB := next()
			if errA != nil || errB != nil {
				if !errors.Is(errB, errA) {
					t.Fatalf("ends with %v and %v", errA, errB)
				}
				in.drop()
				return
			}
			if !bytes.Equal(a[markBytes:], b) {
				t.Fatalf("records % x and % x", a[markBytes:], b)
			}
		}
	})
}
