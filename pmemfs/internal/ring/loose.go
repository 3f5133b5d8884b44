package ring

import (
	"slices"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/pmem"
)

// Loose collects what whoever replays a window has to make durable first: the records that nothing says are, and their bulk data. After a
// power cut they are, as the medium is where they were read. But when a process has died, what was read is in a cache as likely as on the
// medium, and the power may go during the replay: then the medium must not hold half of what a record says without the record.
//
// A Loose is used by one goroutine, for the records of one window in order.
type Loose struct {
	sb            *layout.Superblock
	bulks, places []pmem.Range // places in the ring
	end           uint64       // position behind the last record
}

// NewLoose returns one for a window of an image.
func NewLoose(sb *layout.Superblock) *Loose { return &Loose{sb: sb} }

// Add takes a record at a position of the ring that is about to be replayed and that no other says was durable.
func (l *Loose) Add(rec []byte, pos uint64) {
	for x := range layout.Bulks(rec, layout.BlockOffset(l.sb.Blocks)) {
		l.bulks = append(l.bulks, pmem.Range{Off: x.Off, Len: int64(x.Len)})
	}
	size := uint64(l.sb.RingBytes())
	at, n := pos%size, layout.LineUp(uint64(len(rec)))
	first := min(n, size-at)
	if len(l.places) > 0 && pos == l.end && at > 0 {
		l.places[len(l.places)-1].Len += int64(first)
	} else {
		l.places = append(l.places, pmem.Range{Off: l.sb.RingOffset() + int64(at), Len: int64(first)})
	}
	if n > first {
		l.places = append(l.places, pmem.Range{Off: l.sb.RingOffset(), Len: int64(n - first)})
	}
	l.end = pos + n
}

// Ranges returns where all of it is, neighbours in one; nothing if there is nothing. Bulk data that is lost is left out: its memory may
// refuse a flush too.
func (l *Loose) Ranges(lost []layout.Bulk) []pmem.Range {
	l.bulks = slices.DeleteFunc(l.bulks, func(r pmem.Range) bool {
		return slices.ContainsFunc(lost, func(x layout.Bulk) bool { return x.Off == r.Off && int64(x.Len) == r.Len })
	})
	return append(l.bulks, l.places...)
}

// HeadLine returns where the journal head of a version is. The head that counts is made durable with what is loose, and for the same
// reason: the process that stored it may have died before its fence.
func HeadLine(version uint64) pmem.Range {
	return pmem.Range{Off: layout.BlockOffset(layout.JournalHeadA + version%2), Len: layout.HeadSize}
}
