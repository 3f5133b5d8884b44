package pmem

import "runtime"

// NonTemporalMin is the size in bytes from which WriteThrough and ZeroThrough store whole lines past the cache.
// That is the faster way from 256 bytes on (see BenchmarkWriteThrough), but the next reader has to fetch the lines
// again, so that small writes, which tend to be read soon, go through the cache.
const NonTemporalMin = 1024

// A Segment is bytes to be stored at an offset of the region.
type Segment struct {
	Off int64
	Src []byte
}

// Durable is the proof that content was stored, flushed and fenced. Only WriteThrough and ZeroThrough make valid
// ones; the zero value is none. Linking fresh blocks takes one, so that it cannot come before their content.
type Durable struct{ ok bool }

// Valid says whether this is a proof.
func (d Durable) Valid() bool { return d.ok }

// WriteThrough stores every segment and makes all of them durable with one fence. The whole lines of segments of
// at least NonTemporalMin bytes go past the cache where the CPU can do that; the unaligned edges, and smaller
// segments, are stored through the cache and flushed, each line once, provided that segments sharing a line
// are neighbours in the slice. Segments must be disjoint; their words may be torn by a crash before the fence.
//
// On an error nothing is promised: any part may have been stored. Errors: ErrBounds (nothing was stored),
// ErrReadOnly, ErrClosed, ErrSync, a *FaultError of the host, or the persist hook's. Safe for any number of goroutines on
// disjoint bytes. Does not allocate.
func (r *Region) WriteThrough(site *Site, segs []Segment) (Durable, error) {
	if err := r.writable(); err != nil {
		return Durable{}, err
	}
	for _, s := range segs {
		if !r.contains(s.Off, int64(len(s.Src))) {
			return Durable{}, r.boundsError(s.Off, int64(len(s.Src)))
		}
	}
	if r.domain == CacheFlush || r.domain == EADR {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
	}
	var c commit
	rec := r.rec.Load()
	call := rec.begin()
	for _, s := range segs {
		g := Range{s.Off, int64(len(s.Src))}
		if err := rec.copyIn(r, site, call, g, s.Src); err != nil {
			return Durable{}, err
		}
		c.note(r, g)
	}
	return r.finish(site, &c, rec, call, len(segs), func(i int) Range { return Range{segs[i].Off, int64(len(segs[i].Src))} })
}

// ZeroThrough stores zeros to every range and makes them durable with one fence, as WriteThrough does.
func (r *Region) ZeroThrough(site *Site, ranges []Range) (Durable, error) {
	if err := r.writable(); err != nil {
		return Durable{}, err
	}
	for _, g := range ranges {
		if !r.contains(g.Off, g.Len) {
			return Durable{}, r.boundsError(g.Off, g.Len)
		}
	}
	if r.domain == CacheFlush || r.domain == EADR {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
	}
	var c commit
	rec := r.rec.Load()
	call := rec.begin()
	for _, g := range ranges {
		if err := rec.zeroIn(r, site, call, g); err != nil {
			return Durable{}, err
		}
		c.note(r, g)
	}
	return r.finish(site, &c, rec, call, len(ranges), func(i int) Range { return ranges[i] })
}

// A commit adds up what one call stored.
type commit struct {
	t                     tracker
	lines, ntLines, bytes int64
	hull                  Range
	pages                 pageSet
}

// note adds one range to the sums.
func (c *commit) note(r *Region, g Range) {
	mid, midEnd := r.split(g)
	c.ntLines += (midEnd - mid) / LineSize
	for _, e := range [2]Range{{g.Off, mid - g.Off}, {midEnd, g.Off + g.Len - midEnd}} {
		first, end := c.t.next(e.Off, e.Len)
		c.lines += end - first
	}
	c.bytes += g.Len
	c.hull = join(c.hull, g)
	if r.domain == PageCache {
		c.pages.add(g.Off, g.Len)
	}
}

// finish flushes what of the n ranges was stored through the cache, and fences. It runs on the thread that stored.
func (r *Region) finish(site *Site, c *commit, rec *recorder, call uint64, n int, at func(int) Range) (Durable, error) {
	r.count.fences.Add(1)
	r.count.lines.Add(uint64(c.lines))
	r.count.ntLines.Add(uint64(c.ntLines))
	r.count.bytesThrough.Add(uint64(c.bytes))
	if err := r.failpoint(site, false, c.hull); err != nil {
		return Durable{}, err
	}
	var err error
	if rec == nil {
		err = r.fenceThrough(c, n, at)
	} else {
		err = rec.fence(site, call, r.cached(n, at), func() error { return r.fenceThrough(c, n, at) })
	}
	if err == nil {
		err = r.failpoint(site, true, c.hull)
	}
	return Durable{ok: err == nil}, err
}

// fenceThrough does what the domain needs.
func (r *Region) fenceThrough(c *commit, n int, at func(int) Range) error {
	switch r.domain {
	case PageCache:
		return r.sync(&c.pages)
	case CacheFlush:
		var t tracker
		for i := range n {
			r.flushEdges(&t, at(i))
		}
		storeFence()
	case EADR:
		storeFence()
	}
	return nil
}

// split returns the whole lines [mid, midEnd), in bytes, that go past the cache. If there are none, both are
// the beginning of the range, so that all of it is its second edge.
func (r *Region) split(g Range) (mid, midEnd int64) {
	mid = (g.Off + LineSize - 1) &^ (LineSize - 1)
	midEnd = (g.Off + g.Len) &^ (LineSize - 1)
	if g.Len < int64(r.bypassMin) || mid >= midEnd {
		return g.Off, g.Off
	}
	return mid, midEnd
}

// copyIn stores src: by a system call, or its whole lines past the cache, if that is how this region copies. Only a system call
// returns an error.
func (r *Region) copyIn(g Range, src []byte) error {
	if r.files() {
		return r.putFile(g.Off, src)
	}
	r.copyMapped(g, src)
	return nil
}

// copyMapped is copyIn by the mapping.
func (r *Region) copyMapped(g Range, src []byte) {
	dst := r.mem[g.Off : g.Off+g.Len]
	mid, midEnd := r.split(g)
	if !r.bypass && len(dst) >= bulkMin && cpuCanBypass && !raceEnabled {
		storeBulk(dst, src) // only for speed: nothing has to get past the cache here
		return
	}
	if !r.bypass || mid == midEnd {
		for len(dst) > 0 { // in chunks because Go's copy cannot be preempted either
			n := copy(dst[:min(chunkBytes, len(dst))], src)
			dst, src = dst[n:], src[n:]
		}
		return
	}
	from, to := mid-g.Off, midEnd-g.Off
	copy(dst[:from], src[:from])
	copy(dst[to:], src[to:])
	copyLines(dst[from:to], src[from:to])
}

// zeroIn is copyIn with zeros.
func (r *Region) zeroIn(g Range) error {
	if r.files() {
		return r.zeroFile(g.Off, g.Len)
	}
	r.zeroMapped(g)
	return nil
}

// zeroMapped is zeroIn by the mapping.
func (r *Region) zeroMapped(g Range) {
	dst := r.mem[g.Off : g.Off+g.Len]
	mid, midEnd := r.split(g)
	if !r.bypass && len(dst) >= bulkMin && cpuCanBypass && !raceEnabled {
		zeroBulk(dst)
		return
	}
	if !r.bypass || mid == midEnd {
		for len(dst) > 0 {
			n := min(chunkBytes, len(dst))
			clear(dst[:n])
			dst = dst[n:]
		}
		return
	}
	from, to := mid-g.Off, midEnd-g.Off
	clear(dst[:from])
	clear(dst[to:])
	zeroLines(dst[from:to])
}

// flushEdges flushes what of the range was stored through the cache, without a fence.
func (r *Region) flushEdges(t *tracker, g Range) {
	mid, midEnd := r.split(g)
	if !r.bypass {
		// The whole lines went through the cache as well; they share none with the edges.
		r.flush(mid/LineSize, midEnd/LineSize)
	}
	for _, e := range [2]Range{{g.Off, mid - g.Off}, {midEnd, g.Off + g.Len - midEnd}} {
		first, end := t.next(e.Off, e.Len)
		r.flush(first, end)
	}
}
