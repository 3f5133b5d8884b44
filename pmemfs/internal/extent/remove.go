package extent

import "pmemfs/pmemfs/internal/layout"

// Remove unmaps the file blocks [from, to). free is called with each run of image blocks that was mapped, and
// its birth epoch. At most limit
// extents are changed; next is the file block from which to go on, to when all is done.
func (m *Map) Remove(from, to uint64, limit int, free func(phys, n, birth uint64) error) (next uint64, err error) {
	defer m.save()
	for n := 0; from < to; n++ {
		e, ok, err := m.Next(from)
		if err != nil {
			return from, err
		}
		if !ok || e.Logical >= to {
			return to, nil
		}
		if n == limit {
			return from, nil
		}
		lo, hi := max(from, e.Logical), min(to, e.End())
		if err := m.cut(e, lo, hi); err != nil {
			return from, err
		}
		if err := free(e.Phys+lo-e.Logical, hi-lo, e.Birth); err != nil {
			return from, err
		}
		from = hi
	}
	return to, nil
}

// cut takes the file blocks [lo, hi) out of extent e, leaving what is before and after.
func (m *Map) cut(e layout.Extent, lo, hi uint64) error {
	left, right := e, e
	left.Len = uint32(lo - e.Logical)
	right.Logical, right.Phys, right.Len = hi, e.Phys+hi-e.Logical, uint32(e.End()-hi)
	if m.inline() {
		return m.cutInline(e, left, right)
	}
	if left.Len > 0 {
		if err := m.put(left, true); err != nil {
			return err
		}
	} else if err := m.t.Delete(e.Logical); err != nil {
		return err
	}
	if right.Len > 0 {
		// An emptied tree leaves the map inline again.
		if m.inline() {
			return m.insertInline(right)
		}
		return m.put(right, false)
	}
	return nil
}

func (m *Map) cutInline(e, left, right layout.Extent) error {
	var list [layout.InlineExtents]layout.Extent
	n := 0
	for i := range min(m.in.InlineCount(), layout.InlineExtents) {
		if x := m.in.InlineExtent(i); x.Logical != e.Logical {
			list[n] = x
			n++
		} else if left.Len > 0 {
			list[n] = left
			n++
		}
	}
	m.setInline(list[:n])
	if right.Len > 0 {
		return m.insertInline(right)
	}
	return nil
}

// Height returns 0 for a map that lives in the inode, else the height of its tree.
func (m *Map) Height() uint8 { return m.t.Root.Height }
