package check

import (
	"fmt"

	"pmemfs/pmemfs/internal/layout"
)

// orphans checks the index of inodes whose blocks are still to be freed: files without a name, and regular files that
// are being truncated.
func (c *checker) orphans() {
	if !c.good.has(layout.OrphanIno) {
		// Without the index nobody can tell an orphan from a lost file.
		c.lost, c.lostNames = true, true
		c.orphan = allOf(c.file.limit)
		return
	}
	in, off := c.slot(layout.OrphanIno)
	t := tree{c: c, kind: layout.TreeOrphan, ino: layout.OrphanIno, part: ownsNode, leaf: c.orphanLeaf}
	root, height := in.DataRoot()
	t.walk(root, height, off)
	if owned := t.finish(); !t.broken {
		c.vetOwned(in, layout.OrphanIno, off, owned)
	} else {
		c.orphan = allOf(c.file.limit)
	}
	if in.Size() != 0 || in.InlineCount() != 0 {
		c.fault(OrphanIndexData, off, inodeName(layout.OrphanIno), "no data beside its tree", fmt.Sprintf("size %d, %d inline extents", in.Size(), in.InlineCount()))
	}
}

// allOf returns a set of all numbers below n.
func allOf(n uint64) bitset {
	s := newBitset(n)
	s.add(0, n, func(uint64, uint64) {})
	return s
}

func (c *checker) orphanLeaf(n layout.Node, off int64) {
	for i := range n.Count() {
		ino, name := n.Key(i), fmt.Sprintf("entry %d of the orphan index", n.Key(i))
		c.report.Orphans++
		if size := len(n.Payload(i)); size != 0 {
			c.fault(OrphanPayload, off, name, "no payload", fmt.Sprintf("%d bytes", size))
		}
		if ino == layout.RootIno || !c.inUse(ino) {
			c.fault(OrphanDangling, off, name, "the number of an inode in use", fmt.Sprint(ino))
			continue
		}
		c.orphan.set(ino)
		if !c.good.has(ino) {
			continue
		}
		if in, _ := c.slot(ino); in.Nlink() > 0 && in.Mode()&layout.ModeType != layout.ModeRegular {
			c.fault(OrphanType, off, name, "a file without a name, or a regular one", fmt.Sprintf("inode with mode %#o and %d links", in.Mode(), in.Nlink()))
		}
	}
}
