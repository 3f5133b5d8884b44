package check

import (
	"fmt"
	"sort"

	"pmemfs/pmemfs/internal/layout"
)

// snapshots is what the image says of its snapshots.
type snapshots struct {
	on     bool // the image has the feature
	known  bool // all of the table could be read
	table  layout.Table
	at     int64    // where the state is
	lines  []uint64 // epochs of all snapshots, ascending, those being deleted included
	alive  []uint64 // of those that can be read
	shards []shard
	kept   []pastInode // of all shards, by number and epoch
	leaves []pastLeaf  // of directories as they were
	nodes  bitset      // sound nodes of the trees of live files
}

// from returns which of the snapshots that can be read is the first that has what was born in an epoch. Only in this may two births differ:
// what is changed in place keeps its birth epoch when no snapshot is left between.
func (s *snapshots) from(birth uint64) int {
	return sort.Search(len(s.alive), func(i int) bool { return s.alive[i] >= birth })
}

// upTo returns how many of them were made up to an epoch.
func (s *snapshots) upTo(until uint64) int {
	return sort.Search(len(s.alive), func(i int) bool { return s.alive[i] > until })
}

// inOne reports whether one of the snapshots in the table, or in alive, was made from birth to until.
func inOne(epochs []uint64, birth, until uint64) bool {
	i := sort.Search(len(epochs), func(i int) bool { return epochs[i] >= birth })
	return i < len(epochs) && epochs[i] <= until
}

// openSnapshots reads the table of snapshots.
func (c *checker) openSnapshots() {
	c.snap = snapshots{on: c.sb.Incompat&layout.IncompatSnapshots != 0, known: true}
	c.birthMax = c.sb.BirthEpoch
	in, off := c.slot(layout.SnapshotIno)
	if !c.snap.on {
		if !in.Unused() {
			c.fault(SnapshotFeature, off, inodeName(layout.SnapshotIno), "zeros: the superblock says that there are no snapshots", "an inode")
			c.lost = true
		}
		return
	}
	c.snap.nodes = newBitset(c.sb.Blocks)
	if in.Unused() {
		return // none was made yet
	}
	c.birthMax = layout.EpochMax
	if !in.Sealed(layout.SnapshotIno) || !c.vetSnapshotInode(in, off) {
		c.snap.known = false // slots says why
		return
	}
	c.snapshotTable(in, off)
}

// vetSnapshotInode checks that inode 7 has its tree and nothing else.
func (c *checker) vetSnapshotInode(in layout.Inode, off int64) bool {
	root, height := in.DataRoot()
	_, attrs := in.XattrRoot()
	if in.Size() != 0 || in.InlineCount() != 0 || attrs != 0 {
		c.fault(SnapshotData, off, inodeName(layout.SnapshotIno), "a tree, and no data or attributes beside it", fmt.Sprintf("size %d, %d inline extents", in.Size(), in.InlineCount()))
	}
	return height > 0 && height <= layout.MaxHeight && root != 0
}

// snapshotTable reads the tree of inode 7.
func (c *checker) snapshotTable(in layout.Inode, off int64) {
	s := &c.snap
	state, count := false, 0
	names := map[string]bool{}
	t := tree{c: c, kind: layout.TreeSnapshot, ino: layout.SnapshotIno, part: ownsNode}
	t.leaf = func(n layout.Node, at int64) {
		for i := range n.Count() {
			if n.Key(i) != 0 {
				count++
				c.snapshotLine(n.Key(i), n.Payload(i), at, names)
				continue
			}
			s.at = at
			if s.table, state = layout.DecodeTable(n.Payload(i)); !state || layout.TableReserved(n.Payload(i)) {
				c.fault(SnapshotState, at, "state of the snapshots", "a well-formed one", fmt.Sprintf("%x", n.Payload(i)))
			}
		}
	}
	root, height := in.DataRoot()
	t.walk(root, height, off)
	owned := t.finish() + 1
	if t.broken {
		s.known = false
	} else if !state {
		c.fault(SnapshotState, off, "state of the snapshots", "a well-formed one under key 0", "none")
	}
	if !state {
		s.known = false
		c.lost = true // what snapshots hold cannot be found
		return
	}
	c.birthMax = s.table.Epoch
	if count > layout.SnapshotMax {
		c.fault(SnapshotLine, off, "table of snapshots", fmt.Sprintf("up to %d snapshots", layout.SnapshotMax), fmt.Sprint(count))
	}
	for _, e := range s.lines {
		if e >= s.table.Epoch {
			c.fault(SnapshotLine, s.at, snapshotName(e), fmt.Sprintf("an epoch below the present one, %d", s.table.Epoch), fmt.Sprint(e))
		}
	}
	if s.table.Rollback != 0 && s.known && !inOne(s.alive, s.table.Rollback, s.table.Rollback) {
		c.fault(SnapshotState, s.at, "state of the snapshots", "a rollback to a snapshot that is there", snapshotName(s.table.Rollback))
	}
	if !t.broken {
		c.vetOwned(in, layout.SnapshotIno, off, owned)
	}
}

// snapshotName names a snapshot by its epoch.
func snapshotName(epoch uint64) string { return fmt.Sprintf("snapshot of epoch %d", epoch) }

// snapshotLine checks a snapshot's line in the table.
func (c *checker) snapshotLine(epoch uint64, payload []byte, at int64, names map[string]bool) {
	s := &c.snap
	line, ok := layout.DecodeSnapshot(epoch, payload)
	if !ok || layout.SnapshotReserved(payload) {
		c.fault(SnapshotLine, at, snapshotName(epoch), "a well-formed line in the table", fmt.Sprintf("%d bytes", len(payload)))
	}
	if !ok {
		s.known = false
		return
	}
	s.lines = append(s.lines, epoch)
	if line.Flags&layout.SnapshotDeleting != 0 {
		return
	}
	s.alive = append(s.alive, epoch)
	if names[line.Name] {
		c.fault(SnapshotTwice, at, snapshotName(epoch), "a name of its own", fmt.Sprintf("%q again", line.Name))
	}
	names[line.Name] = true
}

// bornAfter reports whether what was born in an epoch cannot belong to what was born in another one.
func (c *checker) bornAfter(birth, parent uint64) bool {
	return c.snap.on && birth > parent && c.snap.from(birth) > c.snap.from(parent)
}

// vetBirth checks the birth epoch of a part of an inode, of which parent is what points to it.
func (c *checker) vetBirth(ino, birth, parent uint64, class Class, off int64, name func() string) {
	switch {
	case ino < layout.RootIno && c.snap.on:
	case birth > c.birthMax:
		c.fault(class, off, name(), fmt.Sprintf("a birth epoch up to %d", c.birthMax), fmt.Sprint(birth))
	case c.bornAfter(birth, parent):
		c.fault(class, off, name(), fmt.Sprintf("a birth epoch up to %d, which what points to it has", parent), fmt.Sprint(birth))
	}
}
