package tree

import "pmemfs/pmemfs/internal/layout"

// Leaves calls f with the block of each leaf, in order. It does not read them.
func (t *Tree) Leaves(f func(block uint64)) error {
	if t.Root.Height == 0 {
		return nil
	}
	return t.leavesBelow(t.Root.Block, t.Root.Height-1, f)
}

func (t *Tree) leavesBelow(block uint64, level uint8, f func(block uint64)) error {
	if level == 0 {
		f(block)
		return nil
	}
	n, err := t.node(block, level)
	if err != nil {
		return err
	}
	for i := range n.Count() {
		if err := t.leavesBelow(n.Child(i), level-1, f); err != nil {
			return err
		}
	}
	return nil
}

// Leaf returns the leaf at a block, verified.
func (t *Tree) Leaf(block uint64) (layout.Node, error) { return t.node(block, 0) }
