package pmem

import "sync/atomic"

// Counters says what a region did since it was opened. Fences, Lines and NTLines are counted alike in every
// domain, also where the domain makes an instruction unnecessary, so that exact budgets can be tested
// on any machine.
type Counters struct {
	Fences       uint64 // fences asked for: one per call of Persist, WriteThrough or ZeroThrough
	Lines        uint64 // cache lines to flush, each once per call
	NTLines      uint64 // whole lines to store past the cache, which need no flush
	Syncs        uint64 // msync calls made
	BytesThrough uint64 // bytes stored by WriteThrough and ZeroThrough
}

// Sub returns what was done between the earlier snapshot and c.
func (c Counters) Sub(earlier Counters) Counters {
	return Counters{
		Fences:       c.Fences - earlier.Fences,
		Lines:        c.Lines - earlier.Lines,
		NTLines:      c.NTLines - earlier.NTLines,
		Syncs:        c.Syncs - earlier.Syncs,
		BytesThrough: c.BytesThrough - earlier.BytesThrough,
	}
}

// counters is the live form of Counters.
type counters struct {
	fences, lines, ntLines, syncs, bytesThrough atomic.Uint64
}

// Counters returns a snapshot. Each field is exact and never decreases; while others persist, the fields
// need not belong to the same instant. Safe for any number of goroutines.
func (r *Region) Counters() Counters {
	c := Counters{
		Fences:       r.count.fences.Load(),
		Lines:        r.count.lines.Load(),
		NTLines:      r.count.ntLines.Load(),
		Syncs:        r.count.syncs.Load(),
		BytesThrough: r.count.bytesThrough.Load(),
	}
	if f := r.also.Load(); f != nil {
		fences, lines := (*f)()
		c.Fences += fences
		c.Lines += lines
	}
	return c
}

// CountAlso makes Counters add what f returns: the fences that a caller of PersistCounted has asked for, and their lines. Another call ends
// that for the one before, whose counts stay. Not safe beside Counters.
func (r *Region) CountAlso(f func() (fences, lines uint64)) {
	if old := r.also.Swap(&f); old != nil {
		fences, lines := (*old)()
		r.count.fences.Add(fences)
		r.count.lines.Add(lines)
	}
}
