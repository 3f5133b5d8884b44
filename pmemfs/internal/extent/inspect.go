package extent

import (
	"fmt"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/tree"
)

// Inspect makes one step of a walk over the map, as tree.Inspect does over its nodes, and calls each with the extents that
// it comes by, in order. bad is called for a node, or for the node or inode with an extent, that is damaged; block is 0 for
// the inode. The caller holds the inode's lock, shared.
func (m *Map) Inspect(w *tree.Walk, each func(e layout.Extent), bad func(block uint64, err error)) (nodes int) {
	if m.inline() {
		w.Done = true
		for i := range min(m.in.InlineCount(), layout.InlineExtents) {
			m.inspect(m.in.InlineExtent(i), 0, each, bad)
		}
		return 0
	}
	return m.t.Inspect(w, func(n layout.Node) {
		for i := range n.Count() {
			if p := n.Payload(i); len(p) == layout.ExtentPayload {
				m.inspect(layout.DecodeExtent(n.Key(i), p), n.Self(), each, bad)
			} else {
				bad(n.Self(), fmt.Errorf("%w: inode %d: extent record of %d bytes", layout.ErrDamaged, m.Ino(), len(p)))
			}
		}
	}, bad)
}

func (m *Map) inspect(e layout.Extent, block uint64, each func(e layout.Extent), bad func(block uint64, err error)) {
	if _, _, err := m.vet(e); err != nil {
		bad(block, err)
		return
	}
	each(e)
}
