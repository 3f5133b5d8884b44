package tree

import (
	"fmt"

	"pmemfs/pmemfs/internal/layout"
)

// mergeBelow is the fill, in bytes, below which a node looks for a neighbour to merge with; mergeUpTo is how full the
// result may be, so that a merge is not followed by a split.
const (
	mergeBelow = layout.NodeCapacity / 4
	mergeUpTo  = layout.NodeCapacity * 3 / 4
)

// Delete removes a key. It frees nodes that become empty or fit into a neighbour. It allocates nothing but copies of shared nodes.
func (t *Tree) Delete(key uint64) error {
	var p path
	exact, err := t.descend(&p, key)
	if err != nil {
		return err
	}
	if !exact {
		return fmt.Errorf("%w: inode %d: key %#x to delete is not there", layout.ErrDamaged, t.Owner, key)
	}
	return t.deleteOwn(&p)
}

// DeleteAt is Delete for the key that a cursor is at.
func (t *Tree) DeleteAt(c *Cursor, key uint64) error {
	if !t.leads(c) {
		return t.Delete(key)
	}
	return t.deleteOwn(&c.p)
}

// deleteOwn removes a record from a leaf that becomes the live files' own.
func (t *Tree) deleteOwn(p *path) error {
	if err := t.own(p, 0); err != nil {
		return err
	}
	return t.deleteAt(p, 0)
}

// deleteAt removes the record p[level].index and repairs the levels above.
func (t *Tree) deleteAt(p *path, level int) error {
	s := &p[level]
	tx := t.Op.Tx
	root := level+1 == int(t.Root.Height)
	if tx.Patchable(s.block) && s.node.Count() > 2 && (root || s.node.UsedWithout(s.index) >= mergeBelow) {
		s.node.DeleteEdits(s.index, &tx.Edits)
		tx.PatchEdits(s.block)
		return nil
	}
	n := layout.Node(tx.Block(s.block))
	n.Delete(s.index)
	switch {
	case root && n.Count() == 0:
		t.Root = Root{}
		return t.free(n, s.block)
	case root && level > 0 && n.Count() == 1:
		t.Root = Root{n.Child(0), uint8(level)}
		return t.free(n, s.block)
	case root:
		return nil
	case n.Count() == 0:
		if err := t.free(n, s.block); err != nil {
			return err
		}
		return t.deleteAt(p, level+1)
	case n.Used() < mergeBelow:
		return t.merge(p, level, n)
	}
	return nil
}

// merge joins the node with a neighbour below the same parent if there is one with room.
func (t *Tree) merge(p *path, level int, n layout.Node) error {
	parent := &p[level+1]
	up, err := t.node(parent.block, uint8(level+1))
	if err != nil {
		return err
	}
	for _, left := range [2]int{parent.index, parent.index - 1} {
		if left < 0 || left+1 >= up.Count() {
			continue
		}
		other := left + 1
		if left != parent.index {
			other = left
		}
		m, err := t.node(up.Child(other), uint8(level))
		if err != nil {
			return err
		}
		if n.Used()+m.Used() > mergeUpTo {
			continue
		}
		if other == left && t.shared(m) { // what the records move to
			_, block, err := t.copyNode(m, up.Child(left))
			if err != nil {
				return err
			}
			up = layout.Node(t.Op.Tx.Block(parent.block))
			up.SetChild(left, block)
		}
		l, r := layout.Node(t.Op.Tx.Block(up.Child(left))), layout.Node(t.Op.Tx.Block(up.Child(left+1)))
		if level > 0 {
			r.SetKey(0, up.Key(left+1)) // the first key of an inner node need not be a bound; its parent's is
		}
		r.MoveTail(0, l)
		gone := up.Child(left + 1)
		if err := t.free(r, gone); err != nil {
			return err
		}
		parent.index = left + 1
		return t.deleteAt(p, level+1)
	}
	return nil
}

// free gives up a node, which is a shadow or the medium's.
func (t *Tree) free(n layout.Node, block uint64) error {
	t.Nodes--
	if birth := n.Birth(); t.Op.Shared(t.Owner, birth) {
		return t.Op.Release(t.Owner, block, 1, birth, true)
	}
	return t.Op.FreeNode(block)
}
