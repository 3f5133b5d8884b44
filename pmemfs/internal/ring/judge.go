package ring

import (
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/mutation"
)

// A Judge tells the records of a window that count from a last few that do not: a record that is made durable together with its bulk
// data may have arrived without it. It counts if the bulk data is there, or if a later record says that it was durable. In the second
// case nobody looks at the bulk data, since what was written to its blocks after that is not what the record speaks of.
//
// Of bulk data that cannot be read nobody knows whether it has arrived. The operation may have been acknowledged, and others behind it: so
// the record counts, and the blocks of that entry are lost.
//
// A Judge is used by one goroutine, for the records of one window in order.
type Judge struct {
	r       *Reader
	end     uint64 // position behind which records are of the next round of the ring
	vouched uint64 // the last sequence that is known to have been durable
	all     bool   // every record of the ring has been asked
	size    int64  // of the image, in bytes
	budget  int64  // bytes of bulk data that are still looked at: genuine records name each byte once
	block   func(n uint64) []byte
	unread  []layout.Bulk // of the record that is being judged: it cannot be read
	lost    []layout.Bulk
}

// NewJudge returns a judge for the window of a whole ring that a head begins, in an image of size bytes whose blocks block returns, nil
// for one that cannot be read.
func NewJudge(ring []byte, head layout.Head, size int64, block func(n uint64) []byte) *Judge {
	j := &Judge{r: New(ring, head), size: size, budget: size, block: block}
	j.end, j.vouched = head.TailPos+j.r.Size(), head.TailSeq-1
	pos, seq := head.TailPos, head.TailSeq
	for pos < j.end {
		_, h, ok := j.r.Record(pos)
		if !ok || h.Seq != seq {
			break
		}
		j.hear(&h)
		pos, seq = pos+layout.LineUp(uint64(h.Length)), seq+1
	}
	return j
}

// hear takes what a valid record says of others.
func (j *Judge) hear(h *layout.RecordHead) {
	if layout.SeqBefore(h.Fenced, h.Seq) && layout.SeqBefore(j.vouched, h.Fenced) && !mutation.BulkVouched.Off() {
		j.vouched = h.Fenced
	}
}

// Vouched reports whether a later record says that the one with a sequence was durable.
func (j *Judge) Vouched(seq uint64) bool { return !layout.SeqBefore(j.vouched, seq) }

// Whole reports whether the valid record at pos counts.
func (j *Judge) Whole(rec []byte, pos, seq uint64) bool {
	if j.Vouched(seq) || mutation.BulkVerified.Off() {
		return true
	}
	there := j.holds(rec)
	if there && len(j.unread) == 0 {
		return true
	}
	if !j.all {
		j.all = true
		for _, h := range j.r.Behind(pos, seq, j.end, func(*layout.RecordHead) bool { return true }) {
			j.hear(&h)
		}
	}
	if there && !j.Vouched(seq) {
		j.lost = append(j.lost, j.unread...)
	}
	return there || j.Vouched(seq)
}

// holds reports whether a record's bulk data is there, as far as it can be read.
func (j *Judge) holds(rec []byte) bool {
	j.unread = j.unread[:0]
	for x := range layout.Bulks(rec, j.size) {
		if j.budget -= int64(x.Len); j.budget < 0 {
			return false
		}
		there, known := x.Holds(j.block)
		if !known {
			j.unread = append(j.unread, x)
		} else if !there {
			return false
		}
	}
	return true
}

// Lost returns the bulk data that cannot be read, of the records that count so far: its blocks are lost.
func (j *Judge) Lost() []layout.Bulk { return j.lost }
