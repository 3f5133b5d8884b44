package check

import (
	"slices"

	"pmemfs/pmemfs/internal/layout"
)

// durable returns the last sequence that a record of the window from pos on says was durable, the one before the window if none does.
func (r *ring) durable(pos, seq uint64) uint64 {
	last := seq - 1
	for start := pos; pos-start < uint64(len(r.bytes)); seq++ {
		_, h, ok := r.record(pos)
		if !ok || h.Seq != seq {
			break
		}
		last = later(last, &h)
		pos += layout.LineUp(uint64(h.Length))
	}
	return last
}

// vouched is durable for every valid record behind pos and before end, with what is known already.
func (r *ring) vouched(last, pos, end uint64) uint64 {
	budget := 16 * len(r.bytes) // as in windowEnd
	for p := pos + layout.LineSize; p < end && budget > 0; p += layout.LineSize {
		h := layout.DecodeRecordHead(r.bytes[p%uint64(len(r.bytes)):])
		if !h.Of(&r.head) || later(last, &h) == last {
			continue
		}
		budget -= int(min(h.Length, uint32(len(r.bytes))))
		if _, _, ok := r.record(p); ok {
			last = later(last, &h)
		}
	}
	return last
}

// later returns what a record says was durable, if that is later.
func later(last uint64, h *layout.RecordHead) uint64 {
	if layout.SeqBefore(last, h.Fenced) && layout.SeqBefore(h.Fenced, h.Seq) {
		return h.Fenced
	}
	return last
}

// bulk reports whether the bulk data that a record names is there, as far as it can be read, and what cannot. budget is how many bytes of such data are still looked at: genuine
// records name each byte once.
func (c *checker) bulk(rec []byte, budget *uint64) (there bool, unread []layout.Bulk) {
	for x := range layout.Bulks(rec, layout.BlockOffset(c.sb.Blocks)) {
		if uint64(x.Len) > *budget {
			return false, nil
		}
		*budget -= uint64(x.Len)
		there, known := x.Holds(c.rawReadable)
		if !known {
			unread = append(unread, x)
		} else if !there {
			return false, nil
		}
	}
	return true, unread
}

// rawReadable is raw, but nil for a block that cannot be read.
func (c *checker) rawReadable(b uint64) []byte {
	p := c.raw(b)
	if &p[0] == &zeroBlock[0] {
		return nil
	}
	return p
}

// loseBulk notes that the blocks of bulk data are lost: the record that names it counts, and a part of it cannot be read.
func (c *checker) loseBulk(list []layout.Bulk) {
	for _, x := range list {
		for b := range x.Blocks() {
			if !slices.Contains(c.lostBlocks, b) {
				c.lostBlocks = append(c.lostBlocks, b)
			}
		}
	}
}
