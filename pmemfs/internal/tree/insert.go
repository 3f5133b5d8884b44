package tree

import (
	"encoding/binary"
	"fmt"

	"pmemfs/pmemfs/internal/layout"
)

// newNode allocates and formats a node near another block.
func (t *Tree) newNode(level uint8, near uint64) (layout.Node, uint64, error) {
	block, err := t.Op.AllocNode(near)
	if err != nil {
		return nil, 0, err
	}
	t.Nodes++
	n := layout.Node(t.Op.Tx.NewBlock(block, layout.EntryNode))
	layout.InitNode(n, level, t.Kind, t.Owner, block, t.Op.Epoch())
	return n, block, nil
}

// Insert adds a key that is absent. It may allocate nodes, one for each level that splits.
func (t *Tree) Insert(key uint64, payload []byte) error {
	if t.Root.Height == 0 {
		n, block, err := t.newNode(0, 0)
		if err != nil {
			return err
		}
		n.Insert(0, key, payload)
		t.Root = Root{block, 1}
		return nil
	}
	var p path
	exact, err := t.descend(&p, key)
	if err != nil {
		return err
	}
	if exact {
		return fmt.Errorf("%w: inode %d: key %#x is already there", layout.ErrDamaged, t.Owner, key)
	}
	return t.insertOwn(&p, key, payload)
}

// InsertAt is Insert for the key that a search has just not found, which spares another search.
func (t *Tree) InsertAt(c *Cursor, key uint64, payload []byte) error {
	if !c.here || !t.leads(c) {
		return t.Insert(key, payload)
	}
	return t.insertOwn(&c.p, key, payload)
}

// insertOwn adds a record at a leaf that becomes the live files' own.
func (t *Tree) insertOwn(p *path, key uint64, payload []byte) error {
	if err := t.own(p, 0); err != nil {
		return err
	}
	return t.insertAt(p, 0, key, payload)
}

// insertAt adds a record at p[level].index, splitting the node and going on in its parent when it is full.
func (t *Tree) insertAt(p *path, level int, key uint64, payload []byte) error {
	s := &p[level]
	tx := t.Op.Tx
	if tx.Patchable(s.block) && s.node.InsertEdits(s.index, key, payload, &tx.Edits) {
		tx.PatchEdits(s.block)
		return nil
	}
	n := layout.Node(tx.Block(s.block))
	if n.Fits(len(payload)) {
		n.Insert(s.index, key, payload)
		return nil
	}
	right, block, err := t.newNode(uint8(level), s.block+1)
	if err != nil {
		return err
	}
	split, inRight := splitPoint(n, s.index, len(payload))
	n.MoveTail(split, right)
	if inRight {
		right.Insert(s.index-split, key, payload)
	} else {
		n.Insert(s.index, key, payload)
	}
	var child [layout.ChildPayload]byte
	binary.LittleEndian.PutUint64(child[:], block)
	if level+1 < int(t.Root.Height) {
		up := layout.Node(t.Op.Tx.Block(p[level+1].block))
		if i := p[level+1].index; up.Key(i) > n.Key(0) {
			up.SetKey(i, n.Key(0)) // the first record of an inner node may have lagged behind; now it gets a neighbour
		}
		p[level+1].index++
		return t.insertAt(p, level+1, right.Key(0), child[:])
	}
	if level+2 > layout.MaxHeight {
		return fmt.Errorf("%w: inode %d: tree is too high", layout.ErrDamaged, t.Owner)
	}
	root, rootBlock, err := t.newNode(uint8(level+1), block+1)
	if err != nil {
		return err
	}
	root.Insert(0, right.Key(0), child[:])
	binary.LittleEndian.PutUint64(child[:], s.block)
	root.Insert(0, n.Key(0), child[:])
	t.Root = Root{rootBlock, uint8(level + 2)}
	return nil
}

// splitPoint returns the slot from which records move to the right node so that a new record of size payload bytes at
// slot at divides the bytes evenly, and on which side it goes. A record that continues an ascending run, as extents of
// a growing file do, goes alone to the right, which leaves full nodes behind.
func splitPoint(n layout.Node, at, size int) (split int, inRight bool) {
	count := n.Count()
	if at == count {
		return count, true
	}
	const overhead = layout.NodeRecordOverhead
	half, sum := (n.Used()+size+overhead)/2, 0
	for i := range count {
		if i == at {
			if sum+(size+overhead)/2 > half && i > 0 {
				return i, true
			}
			sum += size + overhead
		}
		rec := len(n.Payload(i)) + overhead
		if sum+rec/2 > half && i > 0 {
			return i, at > i
		}
		sum += rec
	}
	return count - 1, at > count-1
}
