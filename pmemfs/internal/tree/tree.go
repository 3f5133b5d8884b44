// Package tree is the B+tree of the medium: directories, extents, extended attributes and the orphan index.
//
// Keys are 64-bit and unique. Leaves hold records of any length up to layout.PayloadMax. Every change goes through the
// shadows of one transaction, so a split or a merge of any number of levels is atomic with the operation that caused
// it. Lookups read the medium in place: no node is cached in DRAM.
//
// The caller holds the lock of the inode that owns the tree, shared to read and exclusively to change it.
package tree

import (
	"fmt"

	"pmemfs/pmemfs/internal/alloc"
	"pmemfs/pmemfs/internal/journal"
	"pmemfs/pmemfs/internal/layout"
)

// Root is the root of a tree as its inode has it. Height 0 is an empty tree.
type Root struct {
	Block  uint64
	Height uint8
}

// Tree names a tree for the length of one operation. Op is nil for reading only.
type Tree struct {
	J     *journal.Journal
	Op    *alloc.Op
	Kind  uint8
	Owner uint64 // inode number, checked in every node
	Root  Root
	Nodes int64 // nodes added minus nodes freed by this operation
}

func (t *Tree) tx() *journal.Tx {
	if t.Op == nil {
		return nil
	}
	return t.Op.Tx
}

// node returns a node to read, verified against what its parent says of it.
func (t *Tree) node(block uint64, level uint8) (layout.Node, error) {
	if block == 0 || block >= uint64(t.J.Region().Size())>>layout.BlockShift {
		return nil, fmt.Errorf("%w: inode %d: node pointer to block %d", layout.ErrDamaged, t.Owner, block)
	}
	n := layout.Node(journal.View(t.J, t.tx(), layout.BlockOffset(block), layout.BlockSize))
	live := &n[0] == &t.J.Region().Bytes()[layout.BlockOffset(block)]
	if live && !t.J.Verified(block) {
		if err := t.J.Verify(block, func(b []byte) error { return layout.Node(b).Validate(block) }); err != nil {
			return nil, err
		}
	}
	if !t.owns(n, level) {
		return nil, t.misplaced(n, block, level)
	}
	return n, nil
}

// owns checks a node against what its parent says of it.
func (t *Tree) owns(n layout.Node, level uint8) bool {
	return n.Level() == level && n.Kind() == t.Kind && n.Owner() == t.Owner && (level == 0 || n.Count() > 0)
}

func (t *Tree) misplaced(n layout.Node, block uint64, level uint8) error {
	return fmt.Errorf("%w: node at block %d: kind %d, owner %d, level %d, expected kind %d, owner %d, level %d",
		layout.ErrDamaged, block, n.Kind(), n.Owner(), n.Level(), t.Kind, t.Owner, level)
}

// Get returns the payload of key, aliasing the medium or a shadow, or nil when it is absent.
func (t *Tree) Get(key uint64) ([]byte, error) {
	block := t.Root.Block
	for level := int(t.Root.Height) - 1; level >= 0; level-- {
		n, err := t.node(block, uint8(level))
		if err != nil {
			return nil, err
		}
		if level > 0 {
			block = n.Child(n.ChildIndex(key))
			continue
		}
		if i, ok := n.Search(key); ok {
			return n.Payload(i), nil
		}
	}
	return nil, nil
}

// hasNodes bounds the nodes that Has reads: a made-up tree could name some again and again.
const hasNodes = 1 << 16

// Has reports whether a block is a node of the tree. It reads no leaves, and not that block, whose memory may be bad; of a
// very large tree not all.
func (t *Tree) Has(block uint64) (bool, error) {
	if t.Root.Height == 0 || t.Root.Block == block {
		return t.Root.Height > 0, nil
	}
	nodes := hasNodes
	return t.below(t.Root.Block, t.Root.Height-1, block, &nodes)
}

// below reports whether a block is below another one, which is a node of a level.
func (t *Tree) below(parent uint64, level uint8, block uint64, nodes *int) (bool, error) {
	if *nodes--; level == 0 || *nodes < 0 {
		return false, nil
	}
	n, err := t.node(parent, level)
	if err != nil {
		return false, err
	}
	for i := range n.Count() {
		if n.Child(i) == block {
			return true, nil
		}
	}
	for i := range n.Count() {
		if found, err := t.below(n.Child(i), level-1, block, nodes); found || err != nil {
			return found, err
		}
	}
	return false, nil
}

// step is one node on the way from the root to a leaf.
type step struct {
	node  layout.Node
	block uint64
	index int
}

// path is the way to a leaf; path[0] is the leaf.
type path [layout.MaxHeight]step

// descend fills p with the way to the leaf where key belongs; p[0].index is where Search points.
func (t *Tree) descend(p *path, key uint64) (exact bool, err error) {
	block := t.Root.Block
	for level := int(t.Root.Height) - 1; level >= 0; level-- {
		n, err := t.node(block, uint8(level))
		if err != nil {
			return false, err
		}
		p[level] = step{node: n, block: block}
		if level == 0 {
			p[0].index, exact = n.Search(key)
			return exact, nil
		}
		p[level].index = n.ChildIndex(key)
		block = n.Child(p[level].index)
	}
	return false, nil
}

// Update replaces the payload of an existing key by one of the same length.
func (t *Tree) Update(key uint64, payload []byte) error {
	var p path
	exact, err := t.descend(&p, key)
	if err != nil {
		return err
	}
	if !exact || len(p[0].node.Payload(p[0].index)) != len(payload) {
		return fmt.Errorf("%w: inode %d: key %#x to update is not there", layout.ErrDamaged, t.Owner, key)
	}
	if err := t.own(&p, 0); err != nil {
		return err
	}
	if leaf := &p[0]; t.Op.Tx.Patchable(leaf.block) {
		t.Op.Tx.Patch(leaf.block, leaf.node.PayloadOffset(leaf.index), payload)
		return nil
	}
	layout.Node(t.Op.Tx.Block(p[0].block)).Replace(p[0].index, payload)
	return nil
}
