package tree

import (
	"encoding/binary"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/mutation"
)

// shared reports whether a snapshot has a node, which must stay as it is then.
func (t *Tree) shared(n layout.Node) bool { return t.Op.Shared(t.Owner, n.Birth()) }

// own makes the nodes on a way, from the root down to a level, the live files' own: shared ones are copied, and the copies take their
// places. A parent is never older than its child, so where a node is not shared none above it is.
func (t *Tree) own(p *path, level int) error {
	if !t.shared(p[level].node) || mutation.SnapshotNodes.Off() {
		return nil
	}
	for l := int(t.Root.Height) - 1; l >= level; l-- {
		if !t.shared(p[l].node) {
			continue
		}
		n, block, err := t.copyNode(p[l].node, p[l].block)
		if err != nil {
			return err
		}
		p[l].node, p[l].block = n, block
		if l+1 == int(t.Root.Height) {
			t.Root.Block = block
		} else {
			t.setChild(&p[l+1], block)
		}
	}
	return nil
}

// copyNode copies a shared node, which the live files give up, to a new block.
func (t *Tree) copyNode(n layout.Node, block uint64) (layout.Node, uint64, error) {
	to, err := t.Op.AllocNode(block)
	if err != nil {
		return nil, 0, err
	}
	b := layout.Node(t.Op.Tx.NewBlock(to, layout.EntryNode))
	b.CopyOf(n, to, t.Op.Epoch())
	return b, to, t.Op.Release(t.Owner, block, 1, n.Birth(), true)
}

// setChild makes a block the child at the index of a step, whose node is not shared.
func (t *Tree) setChild(s *step, block uint64) {
	tx := t.Op.Tx
	if !tx.Patchable(s.block) {
		layout.Node(tx.Block(s.block)).SetChild(s.index, block)
		return
	}
	var child [layout.ChildPayload]byte
	binary.LittleEndian.PutUint64(child[:], block)
	tx.Patch(s.block, s.node.PayloadOffset(s.index), child[:])
}
