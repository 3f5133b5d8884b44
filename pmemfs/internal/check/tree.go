package check

import (
	"fmt"
	"math"

	"pmemfs/pmemfs/internal/layout"
)

// tree is the walk of one tree.
type tree struct {
	c      *checker
	kind   uint8
	ino    uint64
	part   uint8
	birth  uint64                         // of what points to its root
	leaf   func(n layout.Node, off int64) // called with each leaf, in key order
	nodes  uint64
	broken bool // a part of it could not be walked
}

// kindName names what a tree belongs to.
func (t *tree) of() string {
	switch t.kind {
	case layout.TreeDir:
		return fmt.Sprintf("directory %d", t.ino)
	case layout.TreeOrphan:
		return "orphan index"
	case layout.TreeAccounts:
		return "accounts of quotas"
	case layout.TreeSnapshot:
		return "table of snapshots"
	case layout.TreeKeptInode:
		return "kept inodes"
	case layout.TreeKeptBlock:
		return "kept blocks"
	case layout.TreeXattr:
		return fmt.Sprintf("attributes of inode %d", t.ino)
	}
	return fmt.Sprintf("extents of inode %d", t.ino)
}

func (t *tree) name(block uint64) string { return fmt.Sprintf("node at block %d (%s)", block, t.of()) }

// walk visits the tree below a root that is kept at byte offset from. A height of 0 is an empty tree.
func (t *tree) walk(root uint64, height uint8, from int64) {
	if height > 0 {
		t.visit(root, int(height)-1, 0, math.MaxUint64, from, t.birth)
	}
	if t.broken {
		t.c.lost = true
	}
}

// visit checks the node at a block, whose keys must be in [lo, hi], and goes on below it. from is where its pointer is, birth the birth
// epoch of what that belongs to.
func (t *tree) visit(block uint64, level int, lo, hi uint64, from int64, birth uint64) {
	c, off := t.c, layout.BlockOffset(block)
	if block == 0 || block >= c.sb.Blocks {
		t.broken = true
		c.fault(NodePointer, from, t.of(), fmt.Sprintf("node pointers between 1 and %d", c.sb.Blocks-1), fmt.Sprint(block))
		return
	}
	if !c.claim(block, 1, owner{ino: t.ino, part: t.part}) {
		t.broken = true // a node is never visited twice, so that every walk ends
		return
	}
	t.nodes++
	n := layout.Node(c.block(block))
	if !t.vet(n, block, level, off) {
		t.broken = true
		return
	}
	t.vetKeys(n, block, lo, hi, off)
	c.vetBirth(t.ino, n.Birth(), birth, NodeBirth, off, func() string { return t.name(block) })
	if c.snap.on && t.ino >= layout.RootIno {
		c.snap.nodes.set(block)
	}
	if level == 0 {
		t.leaf(n, off)
		return
	}
	for i := range n.Count() {
		first, last := lo, hi
		if i > 0 {
			first = n.Key(i)
		}
		if i+1 < n.Count() {
			last = n.Key(i+1) - 1
		}
		t.visit(n.Child(i), level-1, first, last, off, n.Birth())
	}
}

// vet checks a node's identity and everything that its accessors rely on.
func (t *tree) vet(n layout.Node, block uint64, level int, off int64) bool {
	c := t.c
	if !c.sealed(block) {
		c.fault(NodeChecksum, off, t.name(block), "a valid checksum", "a wrong one")
		return false
	}
	if err := n.Validate(block); err != nil {
		c.fault(NodeMalformed, off, t.name(block), "a well-formed node", err.Error())
		return false
	}
	if n.Kind() != t.kind || n.Owner() != t.ino || int(n.Level()) != level {
		c.fault(NodeIdentity, off, t.name(block), fmt.Sprintf("kind %d, owner %d, level %d", t.kind, t.ino, level),
			fmt.Sprintf("kind %d, owner %d, level %d", n.Kind(), n.Owner(), n.Level()))
		return false
	}
	if n.Count() == 0 {
		c.fault(NodeEmpty, off, t.name(block), "at least one record", "none")
		return false
	}
	if n.Overlap() {
		c.fault(NodeOverlap, off, t.name(block), "records that do not overlap", "two that do")
		return false
	}
	if n.Reserved() {
		c.fault(NodeReserved, off, t.name(block), "zeros in its reserved bytes", "something else")
	}
	return true
}

// vetKeys checks that a node's keys are in the range that its parents give. The key of record 0 of an inner node bounds
// nothing.
func (t *tree) vetKeys(n layout.Node, block, lo, hi uint64, off int64) {
	first := 0
	if n.Level() > 0 {
		first = 1
	}
	if first >= n.Count() {
		return
	}
	if a, b := n.Key(first), n.Key(n.Count()-1); a < lo || b > hi {
		t.c.fault(NodeKeys, off, t.name(block), fmt.Sprintf("keys from %#x to %#x", lo, hi), fmt.Sprintf("keys from %#x to %#x", a, b))
	}
}

// finish counts the nodes and returns them.
func (t *tree) finish() uint64 {
	t.c.report.Nodes += t.nodes
	return t.nodes
}
