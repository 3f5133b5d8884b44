package pmem

import (
	"fmt"
	"os"
)

// msyncMax is how many separate page ranges are worth an msync each. Every one of them waits for the device
// and flushes its cache; fdatasync does that once, but also writes every other dirty page of the file.
const msyncMax = 4

// A pageSet collects byte ranges, merging those that touch, until there are more than msyncMax; then only
// their hull counts.
type pageSet struct {
	n    int
	many bool
	run  [msyncMax]Range
	hull Range
}

// add adds the n bytes at off, rounded out to pages.
func (s *pageSet) add(off, n int64) {
	if n == 0 {
		return
	}
	page := int64(os.Getpagesize())
	start, end := off&^(page-1), (off+n+page-1)&^(page-1)
	both := [2]Range{s.hull, {start, end - start}}
	s.hull = hull(both[:])
	// A merged run may touch another one, so it is taken out and looked at again.
	for i := 0; i < s.n; {
		g := s.run[i]
		if start > g.Off+g.Len || end < g.Off {
			i++
			continue
		}
		start, end = min(start, g.Off), max(end, g.Off+g.Len)
		s.n--
		s.run[i] = s.run[s.n]
		i = 0
	}
	if s.n == msyncMax {
		s.many = true
		return
	}
	s.run[s.n] = Range{start, end - start}
	s.n++
}

// sync makes the pages durable in the page-cache domain. A failure is for ever: see the package comment.
func (r *Region) sync(s *pageSet) error {
	if r.durability == Process || s.n == 0 {
		return nil
	}
	var err error
	switch {
	case !s.many:
		for _, g := range s.run[:s.n] {
			if err = r.msync(g); err != nil {
				break
			}
		}
	case r.file != nil:
		r.count.syncs.Add(1)
		err = syncData(r.file)
	default:
		err = r.msync(s.hull)
	}
	if err == nil {
		return nil
	}
	err = fmt.Errorf("%s: %w: %w", r.path, ErrSync, err)
	r.failed.CompareAndSwap(nil, &err)
	return err
}

// msync writes back one page-aligned range and waits for the device.
func (r *Region) msync(g Range) error {
	r.count.syncs.Add(1)
	return syncPages(r.file, r.mem[g.Off:min(g.Off+g.Len, r.size)])
}
