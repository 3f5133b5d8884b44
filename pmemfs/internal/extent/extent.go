// Package extent maps the blocks of a file to blocks of the image.
//
// Up to layout.InlineExtents extents live in the inode; more of them in a tree. Neighbours that continue each other are
// joined. The caller holds the inode's lock and passes the inode's bytes: a shadow to change the map, the medium's own
// to read it.
package extent

import (
	"fmt"

	"pmemfs/pmemfs/internal/alloc"
	"pmemfs/pmemfs/internal/journal"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/tree"
)

// blockMax bounds the blocks of a file, so that no sum of them overflows.
const blockMax = 1 << 52

// Map is the extent map of one file for the length of one operation.
type Map struct {
	t      tree.Tree
	in     layout.Inode
	blocks uint64 // of the image, to bound what the medium says
}

// Open returns the map of inode in. op is nil for reading only.
func Open(j *journal.Journal, op *alloc.Op, in layout.Inode) Map {
	block, height := in.DataRoot()
	return Map{
		t:      tree.Tree{J: j, Op: op, Kind: layout.TreeExtent, Owner: in.Ino(), Root: tree.Root{Block: block, Height: height}},
		in:     in,
		blocks: uint64(j.Region().Size()) >> layout.BlockShift,
	}
}

// Ino returns the number of the inode whose map it is.
func (m *Map) Ino() uint64 { return m.t.Owner }

func (m *Map) inline() bool { return m.t.Root.Height == 0 }

// save stores the tree's root and the count of its nodes in the inode.
func (m *Map) save() {
	m.in.SetDataRoot(m.t.Root.Block, m.t.Root.Height)
	m.in.AddBlocks(m.t.Nodes)
	m.t.Nodes = 0
}

// HasNode reports whether a block is a node of the map's tree.
func (m *Map) HasNode(block uint64) (bool, error) { return m.t.Has(block) }

// Find returns the file block that an image block is mapped to. It visits all extents, at most limit of them.
func (m *Map) Find(block uint64, limit int) (logical uint64, ok bool, err error) {
	b := uint64(0)
	for range limit {
		e, more, err := m.Next(b)
		if err != nil || !more {
			return 0, false, err
		}
		if block >= e.Phys && block-e.Phys < uint64(e.Len) {
			return e.Logical + block - e.Phys, true, nil
		}
		b = e.End()
	}
	return 0, false, nil
}

// vet bounds an extent read from the medium.
func (m *Map) vet(e layout.Extent) (layout.Extent, bool, error) {
	if e.Len == 0 || e.Logical > blockMax-uint64(e.Len) || e.Phys == 0 || e.Phys >= m.blocks || uint64(e.Len) > m.blocks-e.Phys {
		return e, false, fmt.Errorf("%w: inode %d: extent of block %d: %d blocks at %d", layout.ErrDamaged, m.in.Ino(), e.Logical, e.Len, e.Phys)
	}
	return e, true, nil
}

// Next returns the first extent that ends after file block b.
func (m *Map) Next(b uint64) (layout.Extent, bool, error) {
	if m.inline() {
		for i := range min(m.in.InlineCount(), layout.InlineExtents) {
			if e := m.in.InlineExtent(i); e.End() > b {
				return m.vet(e)
			}
		}
		return layout.Extent{}, false, nil
	}
	var c tree.Cursor
	if err := m.t.SeekLE(&c, b); err != nil {
		return layout.Extent{}, false, err
	}
	if c.Valid() {
		if e, ok, err := m.at(&c); err != nil || ok && e.End() > b {
			return e, ok, err
		}
	}
	if err := m.t.SeekGE(&c, b); err != nil {
		return layout.Extent{}, false, err
	}
	return m.at(&c)
}

// at decodes the extent under a cursor.
func (m *Map) at(c *tree.Cursor) (layout.Extent, bool, error) {
	if !c.Valid() {
		return layout.Extent{}, false, nil
	}
	p := c.Payload()
	if len(p) != layout.ExtentPayload {
		return layout.Extent{}, false, fmt.Errorf("%w: inode %d: extent record of %d bytes", layout.ErrDamaged, m.in.Ino(), len(p))
	}
	return m.vet(layout.DecodeExtent(c.Key(), p))
}

// Goal returns the block that would continue the extent before file block b, or 0.
func (m *Map) Goal(b uint64) (uint64, error) {
	if b == 0 {
		return 0, nil
	}
	if m.inline() {
		goal := uint64(0)
		for i := range min(m.in.InlineCount(), layout.InlineExtents) {
			if e := m.in.InlineExtent(i); e.Logical < b {
				goal = e.Phys + min(uint64(e.Len), b-e.Logical)
			}
		}
		return goal, nil
	}
	var c tree.Cursor
	if err := m.t.SeekLE(&c, b-1); err != nil {
		return 0, err
	}
	e, ok, err := m.at(&c)
	if !ok {
		return 0, err
	}
	return e.Phys + min(uint64(e.Len), b-e.Logical), nil
}

// joins reports whether b continues a.
func joins(a, b layout.Extent) bool {
	return a.End() == b.Logical && a.Phys+uint64(a.Len) == b.Phys && a.Flags == b.Flags && a.Birth == b.Birth &&
		a.Len+b.Len <= layout.ExtentMaxLen
}

// Insert maps a range that is a hole.
func (m *Map) Insert(e layout.Extent) error {
	defer m.save()
	if m.inline() {
		return m.insertInline(e)
	}
	return m.insertTree(e)
}

func (m *Map) insertInline(e layout.Extent) error {
	var list [layout.InlineExtents + 1]layout.Extent
	n, count := 0, min(m.in.InlineCount(), layout.InlineExtents)
	add := func(x layout.Extent) {
		if n > 0 && joins(list[n-1], x) {
			list[n-1].Len += x.Len
			return
		}
		list[n] = x
		n++
	}
	placed := false
	for i := range count {
		old := m.in.InlineExtent(i)
		if !placed && e.Logical < old.Logical {
			add(e)
			placed = true
		}
		add(old)
	}
	if !placed {
		add(e)
	}
	if n <= layout.InlineExtents {
		m.setInline(list[:n])
		return nil
	}
	m.setInline(nil)
	for _, x := range list[:n] {
		var p [layout.ExtentPayload]byte
		layout.EncodeExtent(p[:], x)
		if err := m.t.Insert(x.Logical, p[:]); err != nil {
			return err
		}
	}
	return nil
}

// setInline stores list and clears the rest of the inline area.
func (m *Map) setInline(list []layout.Extent) {
	for i, x := range list {
		m.in.SetInlineExtent(i, x)
	}
	clear(m.in.Inline()[len(list)*layout.ExtentSize:])
	m.in.SetInlineCount(len(list))
}

func (m *Map) insertTree(e layout.Extent) error {
	var c tree.Cursor
	grown := false
	if err := m.t.SeekLE(&c, e.Logical); err != nil {
		return err
	}
	prev, ok, err := m.at(&c)
	if err != nil {
		return err
	}
	if ok && joins(prev, e) {
		prev.Len += e.Len
		e, grown = prev, true
	}
	if err := m.t.SeekGE(&c, e.End()); err != nil {
		return err
	}
	next, ok, err := m.at(&c)
	if err != nil {
		return err
	}
	if ok && joins(e, next) {
		e.Len += next.Len
		if err := m.t.Delete(next.Logical); err != nil {
			return err
		}
	}
	return m.put(e, grown)
}

// put stores e in the tree, over the record of the same key when update is set.
func (m *Map) put(e layout.Extent, update bool) error {
	var p [layout.ExtentPayload]byte
	layout.EncodeExtent(p[:], e)
	if update {
		return m.t.Update(e.Logical, p[:])
	}
	return m.t.Insert(e.Logical, p[:])
}
