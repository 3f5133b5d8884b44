package repair

import (
	"encoding/binary"

	"pmemfs/pmemfs/internal/layout"
)

// plant makes a tree of an inode anew from records in key order, gives the old nodes back, and returns false, having
// changed nothing but the blocks that were free, when there is no room for it.
func (f *fixer) plant(t tree, records []record) bool {
	in := f.slot(t.ino)
	old := f.nodesOf(in, t)
	block, height, made, ok := f.build(t, records)
	if !ok { // a full image: the old nodes are all that is left
		for _, b := range made {
			f.release(b)
		}
		for _, b := range old {
			f.release(b)
		}
		old = nil
		if block, height, made, ok = f.build(t, records); !ok {
			for _, b := range made {
				f.release(b)
			}
			return false
		}
	}
	for _, b := range old {
		f.release(b)
	}
	in = f.change(t.ino)
	if t.kind == layout.TreeXattr {
		in.SetXattrRoot(block, height)
	} else {
		in.SetDataRoot(block, height)
	}
	in.Seal()
	f.blocks[t.ino] += uint64(len(made))
	f.broken(t.kind).clear(t.ino)
	return true
}

// nodesOf returns the nodes that belong to a tree, those that a scan found included, and takes them off the inode's count.
func (f *fixer) nodesOf(in layout.Inode, t tree) (list []uint64) {
	visited := map[uint64]bool{}
	w := walk{f: f, tree: t, leaf: func(layout.Node) {}}
	w.claim = func(b uint64) bool {
		if visited[b] || f.taken.has(b) || !f.owned.has(b) {
			return false
		}
		visited[b] = true
		list = append(list, b)
		return true
	}
	w.run(root(in, t.kind))
	f.blocks[t.ino] -= uint64(len(list))
	for _, b := range f.leaves[t] {
		if !visited[b] {
			list = append(list, b)
		}
	}
	delete(f.leaves, t)
	return list
}

// build writes the nodes of a tree, the leaves first, each as full as it gets. made is all that it took.
func (f *fixer) build(t tree, records []record) (block uint64, height uint8, made []uint64, ok bool) {
	for level := uint8(0); ; level++ {
		var above []record
		var n layout.Node
		for _, r := range records {
			if n == nil || !n.Fits(len(r.payload)) {
				if n != nil {
					layout.Seal(n)
				}
				if block = f.take(); block == 0 {
					return 0, 0, made, false
				}
				made = append(made, block)
				n = layout.Node(f.fresh(block))
				layout.InitNode(n, level, t.kind, t.ino, block, f.birth)
				above = append(above, record{key: r.key, payload: binary.LittleEndian.AppendUint64(nil, block)})
			}
			n.Insert(n.Count(), r.key, r.payload)
		}
		if n != nil {
			layout.Seal(n)
		}
		height = level + 1
		switch {
		case len(above) == 0:
			return 0, 0, made, true
		case len(above) == 1:
			return block, height, made, true
		}
		records = above
	}
}
