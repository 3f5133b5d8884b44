package tree

import (
	"fmt"

	"pmemfs/pmemfs/internal/layout"
)

// Walk is a walk over all nodes of a tree, from leaf to leaf. A walk with nothing but a key begins at the leaf where that
// belongs.
type Walk struct {
	Key  uint64 // the next leaf is the one where this belongs
	Done bool
	way  [layout.MaxHeight]uint64 // blocks on the way to the last leaf
	good bool                     // they are still as they were found
}

// Fresh says that the tree's lock was released since the last step, and that the tree may have changed.
func (w *Walk) Fresh() { w.good = false }

// Inspect makes one step of a walk: it verifies the nodes on the way to the next leaf, as a scrub does, except those that
// the last step has, and calls leaf, if not nil, with the leaf. bad is called for a node that is damaged; what is below it
// is passed over. It returns how many nodes were new. The caller holds the lock of the inode that owns the tree, shared.
func (t *Tree) Inspect(w *Walk, leaf func(n layout.Node), bad func(block uint64, err error)) (read int) {
	bound, bounded := uint64(0), false
	defer func() { w.Key, w.Done = bound, !bounded }()
	if t.Root.Height > layout.MaxHeight {
		bad(t.Root.Block, fmt.Errorf("%w: inode %d: a tree of height %d", layout.ErrDamaged, t.Owner, t.Root.Height))
		return 0
	}
	good := w.good
	w.good = true
	block := t.Root.Block
	for level := int(t.Root.Height) - 1; level >= 0; level-- {
		if w.way[level] != block {
			read, good = read+1, false
		}
		if !good {
			if err := t.inspectNode(block, uint8(level)); err != nil {
				w.way[level] = 0
				bad(block, err)
				return read
			}
		}
		w.way[level] = block
		off := layout.BlockOffset(block)
		n := layout.Node(t.J.Region().Bytes()[off : off+layout.BlockSize])
		if level == 0 {
			if leaf != nil {
				leaf(n)
			}
			return read
		}
		i := n.ChildIndex(w.Key)
		if i+1 < n.Count() {
			bound, bounded = n.Key(i+1), true
		}
		block = n.Child(i)
	}
	return read
}

// inspectNode verifies one node, whatever is known of it.
func (t *Tree) inspectNode(block uint64, level uint8) error {
	if block == 0 || block >= uint64(t.J.Region().Size())>>layout.BlockShift {
		return fmt.Errorf("%w: inode %d: node pointer to block %d", layout.ErrDamaged, t.Owner, block)
	}
	return t.J.Inspect(block, func(b []byte) error {
		n := layout.Node(b)
		if err := n.Validate(block); err != nil {
			return err
		}
		if !t.owns(n, level) {
			return t.misplaced(n, block, level)
		}
		return nil
	})
}
