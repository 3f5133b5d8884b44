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
	// Whoever fences next takes them, the record's fence at the latest, as it is not appended yet.
	tx.j.mu.Lock()
	defer tx.j.mu.Unlock()
	for _, s := range segs {
		tx.j.bulk = append(tx.j.bulk, pmem.Range{Off: s.Off, Len: int64(len(s.Src))})
	}
	return Named{true}, nil
}

// takeBulk appends what is due with the next fence. It is called after the end of the records that this fence is for was read.
func (j *Journal) takeBulk(rs []pmem.Range) []pmem.Range {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !mutation.BulkFenced.Off() {
		rs = append(rs, j.bulk...)
	}
	j.bulk = j.bulk[:0]
	return rs
}
