package pmem

import (
	"fmt"
	"os"
)

// An msync writes back the dirty pages of its range, waits for them, and then flushes the device's cache, which is
// most of its cost. So ranges are taken together, up to this many bytes apart, although that may write dirty pages
// between them that nobody asked for; and if more than msyncMax runs remain, one msync covers all of them.
const (
	msyncGap = 256 << 10
	msyncMax = 2
)

// A pageSet collects byte ranges, merging those that are close, until there are more than msyncMax; then only
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
	g := Range{off &^ (page - 1), 0}
	g.Len = (off+n+page-1)&^(page-1) - g.Off
	s.hull = join(s.hull, g)
	// A merged run may be close to another one, so it is taken out and looked at again.
	for i := 0; i < s.n; {
		old := s.run[i]
		if g.Off > old.Off+old.Len+msyncGap || g.Off+g.Len+msyncGap < old.Off {
			i++
			continue
		}
		g = join(g, old)
		s.n--
		s.run[i] = s.run[s.n]
		i = 0
	}
	if s.n == msyncMax {
		s.many = true
		return
	}
	s.run[s.n] = g
	s.n++
}

// sync makes the pages durable in the page-cache domain. A failure is for ever: see the package comment.
func (r *Region) sync(s *pageSet) error {
	if r.durability == Process || s.hull.Len == 0 {
		return nil
	}
	if s.many {
		return r.msync(s.hull)
	}
	for _, g := range s.run[:s.n] {
		if err := r.msync(g); err != nil {
			return err
		}
	}
	return nil
}

// msync writes back one page-aligned range and waits for the device.
func (r *Region) msync(g Range) error {
	r.count.syncs.Add(1)
	if err := syncPages(r.file, r.mem[g.Off:min(g.Off+g.Len, r.Size())]); err != nil {
		return r.fail(err)
	}
	return r.vetNamed()
}

// fail remembers the first failure of a sync. It is apart from sync so that only a failure allocates.
func (r *Region) fail(cause error) error {
	err := fmt.Errorf("%s: %w: %w", r.path, ErrSync, cause)
	r.failed.CompareAndSwap(nil, &err)
	return err
}
