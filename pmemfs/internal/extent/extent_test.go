package extent_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"pmemfs/pmemfs/internal/alloc"
	"pmemfs/pmemfs/internal/alloctest"
	"pmemfs/pmemfs/internal/extent"
	"pmemfs/pmemfs/internal/layout"
)

const (
	ino        = 20
	fileBlocks = 400
)

// location is where a file block is; the zero value is a hole.
type location struct {
	phys      uint64
	unwritten bool
}

// mapping is an extent map on a medium beside an array that says the same.
type mapping struct {
	t     *testing.T
	m     *alloctest.Medium
	model [fileBlocks]location
	what  string
}

func newMapping(t *testing.T) *mapping {
	x := &mapping{t: t, m: alloctest.New(t, 4096, false)}
	x.m.NewInode(t, ino, layout.ModeRegular)
	return x
}

// edit runs a change of the map as one operation.
func (x *mapping) edit(change func(op *alloc.Op, m *extent.Map) error) {
	x.t.Helper()
	err := x.m.Try(func(op *alloc.Op) error {
		m := extent.Open(x.m.J, op, op.Tx.Inode(alloctest.InodeOffset(ino)))
		return change(op, &m)
	})
	if err != nil {
		x.t.Fatalf("%s: %v", x.what, err)
	}
}

// insert maps [b, b+n), which is a hole.
func (x *mapping) insert(b, n, phys uint64, unwritten bool) {
	x.t.Helper()
	flags := uint32(0)
	if unwritten {
		flags = layout.ExtentUnwritten
	}
	x.edit(func(_ *alloc.Op, m *extent.Map) error {
		return m.Insert(layout.Extent{Logical: b, Phys: phys, Len: uint32(n), Flags: flags, Birth: 1})
	})
	for i := range n {
		x.model[b+i] = location{phys + i, unwritten}
	}
}

// remove unmaps [from, to) and checks what it gives back.
func (x *mapping) remove(from, to uint64, limit int) {
	x.t.Helper()
	next := from
	x.edit(func(_ *alloc.Op, m *extent.Map) (err error) {
		next, err = m.Remove(from, to, limit, func(phys, n, _ uint64) error {
			for i := range n {
				found := false
				for b := from; b < to; b++ {
					if x.model[b].phys == phys+i {
						x.model[b], found = location{}, true
					}
				}
				if !found {
					x.t.Fatalf("%s: gives back block %d, which is not mapped there", x.what, phys+i)
				}
			}
			return nil
		})
		return err
	})
	for b := from; b < next; b++ {
		if x.model[b].phys != 0 {
			x.t.Fatalf("%s: block %d up to %d is not given back", x.what, b, next)
		}
	}
	left := false
	for _, p := range x.model[from:to] {
		left = left || p.phys != 0
	}
	if left != (next < to) || left && limit > 100 {
		x.t.Fatalf("%s: stopped at %d of %d, mapped blocks left: %v", x.what, next, to, left)
	}
}

// verify compares every block, and that neighbours which continue each other are one extent.
func (x *mapping) verify() (extents int) {
	x.t.Helper()
	m := extent.Open(x.m.J, nil, x.m.Inode(ino))
	var last layout.Extent
	for b := uint64(0); b < fileBlocks; {
		e, ok, err := m.Next(b)
		if err != nil {
			x.t.Fatalf("%s: %v", x.what, err)
		}
		if !ok {
			e.Logical = fileBlocks
		}
		for ; b < e.Logical; b++ {
			if x.model[b] != (location{}) {
				x.t.Fatalf("%s: block %d is a hole, expected %+v", x.what, b, x.model[b])
			}
		}
		if !ok {
			break
		}
		if e.End() == b || e.Logical != b {
			x.t.Fatalf("%s: next of %d is %+v", x.what, b, e)
		}
		for ; b < e.End(); b++ {
			if got := (location{e.Phys + b - e.Logical, e.Flags != 0}); got != x.model[b] {
				x.t.Fatalf("%s: block %d is %+v, expected %+v", x.what, b, got, x.model[b])
			}
		}
		if extents > 0 && last.End() == e.Logical && last.Phys+uint64(last.Len) == e.Phys && last.Flags == e.Flags {
			x.t.Fatalf("%s: %+v and %+v are two", x.what, last, e)
		}
		last = e
		extents++
	}
	return extents
}

// TestExtentRandom maps and unmaps, sometimes only a piece per call, so that the map moves between inode and tree.
func TestExtentRandom(t *testing.T) {
	inlineSeen, treeSeen := 0, 0
	for seed := range uint64(6) {
		rng := rand.New(rand.NewPCG(seed, 1))
		x := newMapping(t)
		for step := range 1500 {
			x.what = fmt.Sprintf("seed %d step %d", seed, step)
			span := []int{fileBlocks, 12}[seed%2]
			b := uint64(rng.IntN(span))
			n := min(1+uint64(rng.IntN(1<<rng.IntN(7))), uint64(span)-b)
			if rng.IntN(100) < 50-40*(step/300%2) {
				n = min(n, 1+uint64(rng.IntN(4)))
				for i := range n {
					if x.model[b+i].phys != 0 {
						n = i
						break
					}
				}
				if n > 0 {
					// Often the blocks that continue a neighbour: 1000+b is everybody's natural location.
					phys := 1000 + b
					if rng.IntN(3) == 0 {
						phys = 2000 + 3*b
					}
					x.insert(b, n, phys, rng.IntN(4) == 0)
				}
			} else {
				x.remove(b, b+n, []int{1, 2, 1000}[rng.IntN(3)])
			}
			count := x.verify()
			m := extent.Open(x.m.J, nil, x.m.Inode(ino))
			if m.Height() == 0 {
				inlineSeen++
			} else {
				treeSeen++
			}
			if count > layout.InlineExtents && m.Height() == 0 {
				t.Fatalf("%s: %d extents in the inode", x.what, count)
			}
		}
		x.what = "at the end"
		x.remove(0, fileBlocks, 1000)
		x.verify()
		if in := x.m.Inode(ino); in.Blocks() != 0 || in.InlineCount() != 0 {
			t.Errorf("an empty map has %d blocks and %d extents", in.Blocks(), in.InlineCount())
		}
		x.m.Verify(t)
	}
	if inlineSeen < 500 || treeSeen < 500 {
		t.Errorf("%d steps in the inode, %d in a tree", inlineSeen, treeSeen)
	}
}

// TestExtentEmptyRange unmaps nothing, in the middle of an extent, which must stay one.
func TestExtentEmptyRange(t *testing.T) {
	for _, extra := range []uint64{0, 5} { // in the inode, in a tree
		x := newMapping(t)
		x.what = fmt.Sprint(extra, " others")
		x.insert(10, 20, 1000, false)
		for i := range extra {
			x.insert(100+2*i, 1, 1500+2*i, false)
		}
		x.remove(15, 15, 1000)
		if got := x.verify(); got != int(extra)+1 {
			t.Errorf("%s: %d extents, expected %d", x.what, got, extra+1)
		}
	}
}

// TestExtentJoin maps the hole between two extents: with the fitting blocks, three become one.
func TestExtentJoin(t *testing.T) {
	for _, c := range []struct {
		name      string
		phys      uint64
		unwritten bool
		want      int
	}{
		{"continues both", 1010, false, 1},
		{"continues none", 1900, false, 3},
		{"of another state", 1010, true, 3},
	} {
		for _, extra := range []uint64{0, 5} {
			x := newMapping(t)
			x.what = c.name
			for i := range extra {
				x.insert(100+2*i, 1, 1500+2*i, false)
			}
			x.insert(0, 10, 1000, false)
			x.insert(20, 10, 1020, false)
			x.insert(10, 10, c.phys, c.unwritten)
			if got := x.verify() - int(extra); got != c.want {
				t.Errorf("%s beside %d others: %d extents, expected %d", c.name, extra, got, c.want)
			}
		}
	}
}

// TestExtentMaxLen joins no further than an extent may go.
func TestExtentMaxLen(t *testing.T) {
	m := alloctest.New(t, 2*layout.GroupBlocks, false)
	m.NewInode(t, ino, layout.ModeRegular)
	m.Do(t, func(op *alloc.Op) error {
		x := extent.Open(m.J, op, op.Tx.Inode(alloctest.InodeOffset(ino)))
		return errors.Join(
			x.Insert(layout.Extent{Logical: 0, Phys: 1000, Len: layout.ExtentMaxLen - 1}),
			x.Insert(layout.Extent{Logical: layout.ExtentMaxLen - 1, Phys: 1000 + layout.ExtentMaxLen - 1, Len: 1}),
			x.Insert(layout.Extent{Logical: layout.ExtentMaxLen, Phys: 1000 + layout.ExtentMaxLen, Len: 1}))
	})
	if in := m.Inode(ino); in.InlineCount() != 2 || in.InlineExtent(0).Len != layout.ExtentMaxLen {
		t.Errorf("%d extents, the first of %d blocks", in.InlineCount(), in.InlineExtent(0).Len)
	}
}

func TestExtentGoal(t *testing.T) {
	for _, extra := range []uint64{0, 5} {
		x := newMapping(t)
		x.insert(10, 4, 1000, false)
		for i := range extra {
			x.insert(100+2*i, 1, 1500+2*i, false)
		}
		m := extent.Open(x.m.J, nil, x.m.Inode(ino))
		for b, want := range map[uint64]uint64{0: 0, 5: 0, 10: 0, 12: 1002, 14: 1004, 50: 1004} {
			if got, err := m.Goal(b); err != nil || got != want {
				t.Errorf("beside %d others: goal for block %d is %d, %v, expected %d", extra, b, got, err, want)
			}
		}
	}
}

// TestExtentDamaged reads extents that lead out of the image.
func TestExtentDamaged(t *testing.T) {
	for _, e := range []layout.Extent{{Phys: 0, Len: 1}, {Phys: 5, Len: 0}, {Phys: 4096, Len: 1}, {Phys: 4095, Len: 2}, {Phys: 1 << 63, Len: 1}, {Phys: ^uint64(0), Len: ^uint32(0)}} {
		x := newMapping(t)
		in := x.m.Inode(ino)
		in.SetInlineExtent(0, e)
		in.SetInlineCount(1)
		m := extent.Open(x.m.J, nil, in)
		// An extent of no length ends before every block, so only a look that meets it can refuse it.
		if _, ok, err := m.Next(0); e.Len != 0 && !errors.Is(err, layout.ErrDamaged) || ok {
			t.Errorf("%+v is accepted: %v", e, err)
		}
	}
	x := newMapping(t)
	x.m.Inode(ino).SetInlineCount(60000)
	m := extent.Open(x.m.J, nil, x.m.Inode(ino))
	if _, _, err := m.Next(0); !errors.Is(err, nil) && !errors.Is(err, layout.ErrDamaged) {
		t.Error(err)
	}
}
