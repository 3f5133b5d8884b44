package locks

import (
	"slices"
	"sort"
)

// overlaps reports whether two ranges share a byte.
func (h *held) overlaps(start, end uint64) bool { return h.start <= end && start <= h.end }

// conflicts reports whether two locks exclude each other.
func (h *held) conflicts(o *held) bool {
	return h.own != o.own && (h.exclusive || o.exclusive) && h.overlaps(o.start, o.end)
}

// blocker returns the first lock that is in the way of want, or nil.
func (f *file) blocker(want *held) *held {
	for _, h := range f.held {
		if h.start > want.end {
			break
		}
		if h.conflicts(want) {
			return h
		}
	}
	return nil
}

// change is what becomes of an owner's locks when a range is set or cleared.
type change struct {
	gone, made []*held
	loosens    bool // an exclusive lock becomes less, so others may get in
}

// clear plans that an owner has no lock in a range.
func (f *file) clear(o *owner, start, end uint64) (c change) {
	for _, h := range f.held {
		if h.start > end {
			break
		}
		if h.own == o && h.overlaps(start, end) {
			c.cut(h, start, end)
		}
	}
	return c
}

// cut takes a range out of a lock.
func (c *change) cut(h *held, start, end uint64) {
	c.gone = append(c.gone, h)
	if h.start < start {
		left := *h
		left.end = start - 1
		c.made = append(c.made, &left)
	}
	if h.end > end {
		right := *h
		right.start = end + 1
		c.made = append(c.made, &right)
	}
}

// set plans that an owner has a lock. What it had in the range in another mode is replaced; what it has in the same mode in
// the range, or touching it, becomes one with it.
func (f *file) set(want held) (c change) {
	lo, hi := want.start, want.end // of what touches
	if lo > 0 {
		lo--
	}
	if hi < EOF {
		hi++
	}
	all := want
	for _, h := range f.held {
		switch {
		case h.start > hi:
		case h.own != want.own || !h.overlaps(lo, hi):
			continue
		case h.exclusive == want.exclusive:
			c.gone = append(c.gone, h)
			all.start, all.end = min(all.start, h.start), max(all.end, h.end)
			continue
		case h.overlaps(want.start, want.end):
			c.loosens = c.loosens || h.exclusive
			c.cut(h, want.start, want.end)
			continue
		default:
			continue
		}
		break
	}
	c.made = append(c.made, &all)
	return c
}

// cost is by how many units an owner pays more after a change.
func (c *change) cost() (n int) {
	for _, h := range c.made {
		n += units(h.own, h.tag)
	}
	for _, h := range c.gone {
		n -= units(h.own, h.tag)
	}
	return n
}

// apply makes a change of one owner's locks.
func (t *Table) apply(f *file, o *owner, c change) {
	for _, h := range c.gone {
		h.gone = true
	}
	t.pay(o, c.cost(), len(c.made)-len(c.gone))
	if len(c.gone) > 0 {
		f.held = slices.DeleteFunc(f.held, func(h *held) bool { return h.gone })
	}
	for _, h := range c.made {
		h.gone = false
		at := sort.Search(len(f.held), func(i int) bool { return f.held[i].start > h.start })
		f.held = slices.Insert(f.held, at, h)
	}
}
