package rpc

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
)

// chunkBytes is how much of a record is allocated before its bytes have arrived.
const chunkBytes = 64 << 10

// ErrRecordTooLarge says that a record exceeds the reader's limit. The stream cannot be used any further.
var ErrRecordTooLarge = errors.New("rpc: record exceeds the limit")

// RecordReader cuts a TCP stream into records of any number of fragments (RFC 5531 section 11).
type RecordReader struct {
	r     *bufio.Reader
	limit int
	begun func()
}

// NewRecordReader reads records of at most limit bytes. begun, if not nil, is called when the first bytes of a record are
// there: from then on the rest should not take long.
func NewRecordReader(r io.Reader, limit int, begun func()) *RecordReader {
	return &RecordReader{r: bufio.NewReaderSize(r, chunkBytes), limit: limit, begun: begun}
}

// Next returns the next record in a buffer of its own, after four bytes left free for a record mark. At the end of the
// stream between two records it returns io.EOF, within one io.ErrUnexpectedEOF. A sender's claim allocates nothing:
// memory grows as bytes arrive.
func (r *RecordReader) Next() ([]byte, error) {
	var record []byte
	budget := r.limit
	for first := true; ; first = false {
		n, last, err := r.mark()
		if err != nil {
			if err == io.EOF && !first {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		if first {
			if r.begun != nil {
				r.begun()
			}
			record = make([]byte, markBytes, markBytes+min(n, chunkBytes))
		}
		// An empty fragment costs a byte, so that a stream of them ends too.
		if budget -= max(n, 1); budget < 0 {
			return nil, ErrRecordTooLarge
		}
		if record, err = r.fragment(record, n); err != nil {
			return nil, err
		}
		if last {
			return record, nil
		}
	}
}

func (r *RecordReader) mark() (n int, last bool, err error) {
	var b [markBytes]byte
	if _, err := io.ReadFull(r.r, b[:]); err != nil {
		return 0, false, err
	}
	m := binary.BigEndian.Uint32(b[:])
	return int(m &^ lastMark), m&lastMark != 0, nil
}

// fragment appends n bytes of the stream to record.
func (r *RecordReader) fragment(record []byte, n int) ([]byte, error) {
	for n > 0 {
		k := min(n, chunkBytes)
		at := len(record)
		record = append(record, make([]byte, k)...)
		if _, err := io.ReadFull(r.r, record[at:]); err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		n -= k
	}
	return record, nil
}
