package journal

import (
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/mutation"
	"pmemfs/pmemfs/internal/pmem"
)

// A Named is the proof that a transaction names bulk data with its checksum, so that its record does not count without that. Only Tx.Bulk
// makes valid ones.
type Named struct{ ok bool }

// Valid says whether this is a proof.
func (n Named) Valid() bool { return n.ok }

// Together reports whether bulk data and the record that names it are made durable together, by Tx.Bulk: where a fence is a system call
// and a record that was fenced says so. Elsewhere a second fence costs less than a checksum.
func (j *Journal) Together() bool {
	return j.region.Domain() == pmem.PageCache && j.region.Durability() == pmem.Power
}

// Bulk stores segments where nothing on the medium refers to, and has the fence of the transaction's record make them durable with it.
// Recovery takes the record only if they are there, or if another one says that it was durable. Nobody changes them before Commit has
// returned; a source that changes meanwhile tears no more than its own bytes. On an error, which is the host's, any part may have been stored.
func (tx *Tx) Bulk(segs []pmem.Segment) (Named, error) {
	if err := tx.j.region.PutSegments(segs); err != nil {
		return Named{}, err
	}
	for _, s := range segs {
		// What was stored is summed, and not the source again: a caller that changes it meanwhile must not make a record that never counts,
		// and with which others' records would be lost.
		n := int64(len(s.Src))
		stored := tx.j.region.Bytes()[s.Off : s.Off+n]
		tx.bulk = append(tx.bulk, layout.Bulk{Off: s.Off, Len: uint32(n), Sum: layout.CRC(stored)})
	}
	return Named{true}, nil
}

// bulkDue is a record's bulk data that the record's fence makes durable with it.
type bulkDue struct {
	pmem.Range
	end uint64 // of the record
}

// oweBulk notes what is due with the fence of a record, which is in the ring and not yet said to be.
func (j *Journal) oweBulk(tx *Tx, s *slot) {
	if len(tx.bulk) == 0 {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, x := range tx.bulk {
		j.bulk = append(j.bulk, bulkDue{pmem.Range{Off: x.Off, Len: int64(x.Len)}, s.end})
	}
}

// takeBulk appends what is due with the records up to position end. Others' may still be on its way, and nobody waits for that.
func (j *Journal) takeBulk(rs []pmem.Range, end uint64) []pmem.Range {
	j.mu.Lock()
	defer j.mu.Unlock()
	kept := j.bulk[:0]
	for _, x := range j.bulk {
		if x.end > end {
			kept = append(kept, x)
		} else if !mutation.BulkFenced.Off() {
			rs = append(rs, x.Range)
		}
	}
	j.bulk = kept
	return rs
}
