package pmem

import (
	"runtime"
	"unsafe"
)

// chunkBytes bounds what one call into assembly covers: see the package comment.
const chunkBytes = 256 << 10

// A Range is Len bytes from offset Off of the region.
type Range struct{ Off, Len int64 }

// Persist flushes every line that the ranges touch and fences once. Each line is flushed once, provided
// that ranges sharing a line are neighbours in the slice; ranges need not be aligned and may be empty. Without
// any range it only fences. The site names the call for tests. On nil everything that the caller stored to the ranges is durable; on an error
// nothing is promised.
//
// Errors: ErrBounds, ErrReadOnly, ErrClosed, ErrSync, or the persist hook's. Safe for any number of goroutines.
// Does not allocate.
func (r *Region) Persist(site *Site, ranges []Range) error {
	return r.persistRanges(site, ranges, true)
}

// PersistCounted is Persist for a caller that counts what it asks for, see CountAlso: two counters that all processors add to are, for a
// fence as short as this one, a cost.
func (r *Region) PersistCounted(site *Site, ranges []Range) error {
	if r.domain == CacheFlush || r.domain == PageCache || r.hook.Load() != nil || r.rec.Load() != nil {
		return r.persistRanges(site, ranges, false)
	}
	if r.domain == EADR {
		storeFence()
	}
	return r.writable()
}

func (r *Region) persistRanges(site *Site, ranges []Range, count bool) error {
	if err := r.writable(); err != nil {
		return err
	}
	for _, g := range ranges {
		if !r.contains(g.Off, g.Len) {
			return r.boundsError(g.Off, g.Len)
		}
	}
	var lines int64
	var t tracker
	for _, g := range ranges {
		first, end := t.next(g.Off, g.Len)
		lines += end - first
	}
	if count {
		r.count.fences.Add(1)
		r.count.lines.Add(uint64(lines))
	}
	if r.hook.Load() == nil && r.rec.Load() == nil {
		return r.persist(ranges, lines)
	}
	if err := r.failpoint(site, false, hull(ranges)); err != nil {
		return err
	}
	if err := r.recorded(site, ranges, lines); err != nil {
		return err
	}
	return r.failpoint(site, true, hull(ranges))
}

// recorded is persist, told to the recorder if there is one.
func (r *Region) recorded(site *Site, ranges []Range, lines int64) error {
	if c := r.rec.Load(); c != nil {
		return c.fence(site, c.begin(), ranges, func() error { return r.persist(ranges, lines) })
	}
	return r.persist(ranges, lines)
}

// persist flushes the ranges' lines, of which there are so many, and fences, as the domain does.
func (r *Region) persist(ranges []Range, lines int64) error {
	switch r.domain {
	case PageCache:
		var s pageSet
		for _, g := range ranges {
			s.add(g.Off, g.Len)
		}
		return r.sync(&s)
	case CacheFlush:
		r.flushRanges(ranges, lines)
	case EADR:
		storeFence()
	}
	return nil
}

// writable says why nothing can be made durable, if so.
func (r *Region) writable() error {
	if r.closed.Load() {
		return ErrClosed
	}
	if r.readOnly {
		return ErrReadOnly
	}
	if err := r.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// flushRanges flushes the ranges' lines, of which there are so many, and fences.
func (r *Region) flushRanges(ranges []Range, lines int64) {
	if lines == 0 {
		storeFence()
		return
	}
	if len(ranges) == 1 && lines <= chunkBytes/LineSize {
		flushLines(r.line(ranges[0].Off/LineSize), uintptr(lines), true)
		return
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var t tracker
	for _, g := range ranges {
		first, end := t.next(g.Off, g.Len)
		r.flush(first, end)
	}
	storeFence()
}

// flush flushes the lines [first, end) without a fence. The caller has locked its thread.
func (r *Region) flush(first, end int64) {
	const step = chunkBytes / LineSize
	for ; first < end; first += step {
		flushLines(r.line(first), uintptr(min(step, end-first)), false)
	}
}

// line returns the address of a line. It is the line's first byte even if the region ends within it: pages
// are whole, and so are their lines.
func (r *Region) line(n int64) unsafe.Pointer { return unsafe.Pointer(&r.mem[n*LineSize]) }

// hull returns the smallest range that covers all, empty ones apart.
func hull(ranges []Range) (h Range) {
	for _, g := range ranges {
		h = join(h, g)
	}
	return h
}

// join returns the smallest range that covers both, unless one of them is empty.
func join(a, b Range) Range {
	switch {
	case a.Len == 0:
		return b
	case b.Len == 0:
		return a
	}
	start, end := min(a.Off, b.Off), max(a.Off+a.Len, b.Off+b.Len)
	return Range{start, end - start}
}

// A tracker turns a sequence of byte ranges into runs of lines, leaving out the lines that were seen just
// before: [first, end) is the run of lines seen since the last gap.
type tracker struct{ first, end int64 }

// next returns the lines [first, end) that the n bytes at off add. Disjoint ranges never add lines on both
// sides of the run; overlapping ones may, and then repeat lines, which costs time only.
func (t *tracker) next(off, n int64) (first, end int64) {
	if n == 0 {
		return 0, 0
	}
	first, end = off/LineSize, (off+n-1)/LineSize+1
	if t.first == t.end || first > t.end || end < t.first {
		*t = tracker{first, end}
		return first, end
	}
	old := *t
	*t = tracker{min(first, old.first), max(end, old.end)}
	switch {
	case first >= old.first:
		first = min(max(first, old.end), end)
	case end <= old.end:
		end = old.first
	}
	return first, end
}
