// Package ring reads the records of a journal ring, for recovery and for repair. The check has a reader of its own, on purpose: a test
// (FuzzRecord in package recovery) holds the two to each other.
//
// A Reader is used by one goroutine. It only reads.
package ring

import (
	"iter"

	"pmemfs/pmemfs/internal/layout"
)

// Reader reads the records of one epoch.
type Reader struct {
	ring []byte
	head layout.Head
	buf  []byte // for records that wrap
}

// New returns a reader of a whole ring for the records of the epoch that a head begins.
func New(ring []byte, head layout.Head) *Reader { return &Reader{ring: ring, head: head} }

// Size returns the size of the ring, in bytes.
func (r *Reader) Size() uint64 { return uint64(len(r.ring)) }

// Head returns what a position holds, read as the head of a record. ours says that it is one of the reader's epoch; the record may still
// be torn.
func (r *Reader) Head(pos uint64) (h layout.RecordHead, ours bool) {
	h = layout.DecodeRecordHead(r.ring[pos%uint64(len(r.ring)):])
	return h, h.Of(&r.head)
}

// Record returns the record at a position, which begins a line, if it is valid. Its bytes hold until the next call.
func (r *Reader) Record(pos uint64) (rec []byte, h layout.RecordHead, ok bool) {
	h, ours := r.Head(pos)
	if !ours || h.Length < layout.RecordHeader || uint64(h.Length) > uint64(len(r.ring))/4 {
		return nil, h, false
	}
	at := pos % uint64(len(r.ring))
	rec = r.ring[at:min(at+uint64(h.Length), uint64(len(r.ring)))]
	if n := int(h.Length) - len(rec); n > 0 {
		r.buf = append(append(r.buf[:0], rec...), r.ring[:n]...)
		rec = r.buf
	}
	return rec, h, layout.RecordSealed(rec)
}

// Budget bounds the bytes whose checksums are verified in a search for records, as a share of the ring: genuine records do not overlap, so
// together they are no longer than the ring, and lengths that lie must not cost more than a few times that.
func (r *Reader) Budget() int { return 16 * len(r.ring) }

// Behind yields the valid records, and their positions, that begin on a line behind pos and before end, and have a later sequence than seq.
// vet says which heads are worth the look.
func (r *Reader) Behind(pos, seq, end uint64, vet func(h *layout.RecordHead) bool) iter.Seq2[uint64, layout.RecordHead] {
	return func(yield func(uint64, layout.RecordHead) bool) {
		budget := r.Budget()
		for p := pos + layout.LineSize; p < end && budget > 0; p += layout.LineSize {
			h, ours := r.Head(p)
			if !ours || !layout.SeqBefore(seq, h.Seq) || !vet(&h) {
				continue
			}
			budget -= int(min(h.Length, uint32(len(r.ring))))
			if _, _, ok := r.Record(p); ok && !yield(p, h) {
				return
			}
		}
	}
}
