package journal

import (
	"testing"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/pmem"
)

// TestBulkOfOthers: a fence takes the bulk data of the records that it is for, and not that of transactions that have not appended their
// record, or never will.
func TestBulkOfOthers(t *testing.T) {
	j := openJournal(t, domainRegion(t, pmem.PageCache), Options{NoBackground: true})
	var fenced []pmem.Range // hulls
	j.region.SetPersistHook(pmem.Before(func(hull pmem.Range) error {
		fenced = append(fenced, hull)
		return nil
	}))
	const bulkOff, other = dataOff + 100*layout.BlockSize, dataOff + 120*layout.BlockSize
	src := make([]byte, 3*layout.BlockSize)
	bulk := func(off int64) *Tx {
		tx := j.Begin()
		if _, err := tx.Bulk([]pmem.Segment{{Off: off, Src: src}}); err != nil {
			t.Fatal(err)
		}
		tx.Data(dataOff, []byte("names it"))
		return tx
	}
	commit := func(tx *Tx, what string, until int64) {
		t.Helper()
		fenced = nil
		if _, err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
		if len(fenced) != 1 || fenced[0].Off < ringOff || fenced[0].Off+fenced[0].Len > until || until > ringOff+ringSize && fenced[0].Off+fenced[0].Len != until {
			t.Errorf("%s: fenced %v, want one fence up to %d", what, fenced, until)
		}
	}
	small := func() *Tx {
		tx := j.Begin()
		tx.Data(dataOff+layout.BlockSize, []byte("small"))
		return tx
	}
	slow, dropped := bulk(bulkOff), bulk(other)
	commit(small(), "while others store their bulk data", ringOff+ringSize)
	dropped.Abort()
	commit(slow, "its own bulk data", bulkOff+int64(len(src)))
	commit(small(), "after an abort", ringOff+ringSize)
	if len(j.bulk) > 0 {
		t.Errorf("still due: %v", j.bulk)
	}
}
