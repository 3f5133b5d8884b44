package layout

import "iter"

// BulkSize is the size of the payload of an entry of the kind EntryBulk: CRC32C u32, zero u32.
const BulkSize = 8

// Bulk is what an entry of the kind EntryBulk says: which bytes were stored outside of the record and made durable together with it.
type Bulk struct {
	Off int64
	Len uint32
	Sum uint32 // CRC32C of the bytes
}

// AppendBulk appends an entry for bulk data.
func AppendBulk(b []byte, x Bulk) []byte {
	var p [BulkSize]byte
	le.PutUint32(p[:], x.Sum)
	return AppendEntry(b, x.Off, x.Len, EntryBulk, 0, p[:])
}

// nextBulk is NextEntry for bulk data, whose header has been decoded.
func nextBulk(e Entry, rest []byte, size int64) (Entry, []byte, bool) {
	if int64(e.Len) > size-e.Off || e.Arg != 0 || len(rest) < BulkSize {
		return e, nil, false
	}
	e.Data = rest[:BulkSize]
	return e, rest[BulkSize:], true
}

// Bulks yields what a valid record says of bulk data, up to an entry that is malformed in an image of size bytes.
func Bulks(rec []byte, size int64) iter.Seq[Bulk] {
	return func(yield func(Bulk) bool) {
		for body := rec[RecordHeader:]; len(body) > 0; {
			e, rest, ok := NextEntry(body, size)
			if !ok || e.Kind == EntryBulk && !yield(Bulk{e.Off, e.Len, le.Uint32(e.Data)}) {
				return
			}
			body = rest
		}
	}
}

// Holds reports whether bulk data is as its entry says, in an image of which block returns the blocks, nil for one that cannot be read.
// With such a one nobody knows.
func (x Bulk) Holds(block func(n uint64) []byte) (there, known bool) {
	sum := uint32(0)
	for off, left := x.Off, int64(x.Len); left > 0; {
		at := off % BlockSize
		n := min(left, BlockSize-at)
		b := block(BlockOf(off))
		if b == nil {
			return false, false
		}
		sum = CRCUpdate(sum, b[at:at+n])
		off, left = off+n, left-n
	}
	return sum == x.Sum, true
}

// Blocks yields the blocks that bulk data lies in.
func (x Bulk) Blocks() iter.Seq[uint64] {
	return func(yield func(uint64) bool) {
		for b := BlockOf(x.Off); b <= BlockOf(x.Off+int64(x.Len)-1) && yield(b); b++ {
		}
	}
}
