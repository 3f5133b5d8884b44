package check

import (
	"cmp"
	"fmt"
	"slices"

	"pmemfs/pmemfs/internal/layout"
)

// shard is a share of what snapshots hold.
type shard struct {
	index   int
	off     int64 // of its line
	known   bool  // all of both trees could be read
	inodes  []pastInode
	noted   []pastNote // kept inodes by its list of kept blocks
	entries []pastEntry
	blocks  uint64
}

// pastInode is an inode as it was until an epoch.
type pastInode struct {
	ino, until uint64
	in         layout.Inode
	at         int64 // of the node that it lies in
}

// pastNote is an entry of a list of kept blocks for a kept inode.
type pastNote struct {
	ino, until, birth uint64
	at                int64
}

// pastEntry is a run of blocks that only snapshots hold.
type pastEntry struct {
	layout.Kept
	until    uint64
	at       int64
	lo, hi   uint64 // of the run: what versions refer to
	verified bool   // its data was read
}

func (e *pastEntry) end() uint64 { return e.Start + uint64(e.Len) }

func pastName(ino, until uint64) string {
	return fmt.Sprintf("inode %d as it was until epoch %d", ino, until)
}

// shards checks what snapshots hold: the shard table and the two trees of each shard, and then every inode as it was.
func (c *checker) shards() {
	s := &c.snap
	block, count := s.table.Shards, s.table.Count
	if count == 0 {
		return // there was no state
	}
	if block == 0 || block >= c.sb.Blocks {
		c.noShards(s.at, fmt.Sprintf("a block between 1 and %d", c.sb.Blocks-1), fmt.Sprint(block))
		return
	}
	off := layout.BlockOffset(block)
	if !c.claim(block, 1, owner{ino: layout.SnapshotIno, part: ownsTable}) {
		s.known, c.lost = false, true
		return
	}
	t := layout.ShardTable(c.block(block))
	switch {
	case !c.sealed(block):
		c.noShards(off, "a valid checksum", "a wrong one")
		return
	case !t.Is(block, count):
		c.noShards(off, fmt.Sprintf("a shard table of %d shards", count), "something else")
		return
	case t.Reserved(count):
		c.fault(ShardTable, off, "shard table", "zeros in its reserved bytes", "something else")
	}
	for i := range int(count) {
		s.shards = append(s.shards, c.shard(t, i, off))
	}
	for i := range s.shards {
		s.kept = append(s.kept, s.shards[i].inodes...)
	}
	slices.SortFunc(s.kept, func(a, b pastInode) int { return cmp.Or(cmp.Compare(a.ino, b.ino), cmp.Compare(a.until, b.until)) })
	for i := range s.shards {
		c.vetShard(&s.shards[i])
		s.shards[i].entries = nil
	}
	c.pastNames()
}

// noShards reports that what snapshots hold cannot be found.
func (c *checker) noShards(off int64, expected, found string) {
	c.fault(ShardTable, off, "shard table", expected, found)
	c.snap.known, c.lost = false, true
}

// shard reads the trees of a shard.
func (c *checker) shard(t layout.ShardTable, i int, off int64) shard {
	line := t.Shard(i)
	s := shard{index: i, off: off + int64(layout.ShardOffset(i)), known: true}
	nodes := uint64(0)
	each := func(kind uint8, root uint64, height uint8, leaf func(n layout.Node, off int64)) {
		w := tree{c: c, kind: kind, ino: layout.SnapshotIno, part: ownsNode, leaf: leaf}
		if height > layout.MaxHeight || (height == 0) != (root == 0) {
			c.fault(ShardTable, s.off, s.name(), "roots with their heights", fmt.Sprintf("block %d with height %d", root, height))
			s.known, c.lost = false, true
			return
		}
		w.walk(root, height, s.off)
		nodes += w.finish()
		s.known = s.known && !w.broken
	}
	each(layout.TreeKeptInode, line.Inodes, line.InodesHeight, func(n layout.Node, at int64) { c.pastInodes(&s, n, at) })
	each(layout.TreeKeptBlock, line.Blocks, line.BlocksHeight, func(n layout.Node, at int64) { c.pastBlocks(&s, n, at) })
	if !s.known {
		return s
	}
	for _, x := range [...]struct {
		what         string
		said, counts uint64
	}{{"nodes", line.Nodes, nodes}, {"kept inodes", line.KeptInodes, uint64(len(s.inodes))}, {"kept blocks", line.KeptBlocks, s.blocks}} {
		if x.said != x.counts {
			c.fault(ShardCounts, s.off, s.name(), fmt.Sprintf("%d %s, as its trees have", x.counts, x.what), fmt.Sprint(x.said))
		}
	}
	return s
}

func (s *shard) name() string { return fmt.Sprintf("shard %d", s.index) }

// belongs checks that what is kept of an inode is in its shard.
func (c *checker) belongs(s *shard, ino uint64, at int64, name string) {
	if want := layout.ShardOf(ino, c.snap.table.Count); want != s.index {
		c.fault(KeptShard, at, name, fmt.Sprintf("in shard %d", want), fmt.Sprintf("in shard %d", s.index))
	}
}

// pastInodes reads a leaf of a tree of kept inodes.
func (c *checker) pastInodes(s *shard, n layout.Node, at int64) {
	for i := range n.Count() {
		ino, until := layout.KeptInodeOf(n.Key(i))
		name, p := pastName(ino, until), n.Payload(i)
		if len(p) != layout.InodeSize || ino < layout.RootIno || !layout.Inode(p).Sealed(ino) || layout.Inode(p).Free() || layout.Inode(p).BirthEpoch() > until || until >= c.birthMax {
			s.known = false
			c.fault(KeptInode, at, name, "an inode in use with a valid checksum, magic and number, born by then, which is over", "something else")
			continue
		}
		c.belongs(s, ino, at, name)
		s.inodes = append(s.inodes, pastInode{ino, until, layout.Inode(p), at})
	}
}

// pastBlocks reads a leaf of a list of kept blocks.
func (c *checker) pastBlocks(s *shard, n layout.Node, at int64) {
	for i := range n.Count() {
		until, number := layout.KeptBlockOf(n.Key(i))
		name := fmt.Sprintf("entry %d of epoch %d in the list of kept blocks of shard %d", number, until, s.index)
		k, ok := layout.DecodeKept(n.Payload(i))
		if !ok || k.Flags&^(layout.KeptInode|layout.KeptMeta) != 0 || k.Owner < layout.RootIno || k.Birth > until || until >= c.birthMax {
			s.known, c.lost = false, true
			c.fault(KeptRecord, at, name, "a well-formed entry", fmt.Sprintf("%x", n.Payload(i)))
			continue
		}
		c.belongs(s, k.Owner, at, name)
		if c.snap.known && !inOne(c.snap.lines, k.Birth, until) {
			c.fault(KeptUnneeded, at, name, fmt.Sprintf("a snapshot from epoch %d to %d that needs it", k.Birth, until), "none")
		}
		if k.Flags&layout.KeptInode != 0 {
			s.noted = append(s.noted, pastNote{k.Owner, until, k.Birth, at})
			continue
		}
		last := k.Start + uint64(k.Len) - 1
		if k.Start == 0 || k.Start >= c.sb.Blocks || last >= c.sb.Blocks || k.Flags&layout.KeptMeta != 0 && k.Len != 1 {
			s.known, c.lost = false, true
			c.fault(KeptPlace, at, name, "blocks of the image, one for a node", fmt.Sprintf("%d blocks at %d", k.Len, k.Start))
			continue
		}
		c.claim(k.Start, uint64(k.Len), owner{ino: k.Owner, part: ownsKept})
		s.blocks += uint64(k.Len)
		s.entries = append(s.entries, pastEntry{Kept: k, until: until, at: at})
	}
}

// vetShard compares the two trees of a shard, and what they have with the live files.
func (c *checker) vetShard(s *shard) {
	if s.known {
		c.vetNotes(s)
	}
	slices.SortFunc(s.entries, func(a, b pastEntry) int { return cmp.Or(cmp.Compare(a.Owner, b.Owner), cmp.Compare(a.Start, b.Start)) })
	e := s.entries
	for i := 0; i < len(s.inodes); {
		ino, n := s.inodes[i].ino, 1
		for i+n < len(s.inodes) && s.inodes[i+n].ino == ino {
			n++
		}
		from, _ := slices.BinarySearchFunc(e, ino, func(e pastEntry, ino uint64) int { return cmp.Compare(e.Owner, ino) })
		to := from
		for to < len(e) && e[to].Owner == ino {
			to++
		}
		c.versions(s, ino, s.inodes[i:i+n], e[from:to])
		i += n
	}
	for i := range e {
		if k := &e[i]; s.known && c.snap.known && k.hi-k.lo != uint64(k.Len) && inOne(c.snap.alive, k.Birth, k.until) {
			c.fault(KeptUnreferenced, k.at, blockRun(k.Start, uint64(k.Len)), fmt.Sprintf("an inode %d of a snapshot that has them", k.Owner), "none that has all of them")
		}
	}
}

// vetNotes compares the kept inodes with the list's entries for them.
func (c *checker) vetNotes(s *shard) {
	slices.SortFunc(s.noted, func(a, b pastNote) int { return cmp.Or(cmp.Compare(a.ino, b.ino), cmp.Compare(a.until, b.until)) })
	noted := s.noted
	for _, k := range s.inodes {
		for len(noted) > 0 && cmp.Or(cmp.Compare(noted[0].ino, k.ino), cmp.Compare(noted[0].until, k.until)) < 0 {
			c.strayNote(&noted[0])
			noted = noted[1:]
		}
		if len(noted) == 0 || noted[0].ino != k.ino || noted[0].until != k.until || noted[0].birth != k.in.BirthEpoch() {
			c.fault(KeptInodeEntry, k.at, pastName(k.ino, k.until), fmt.Sprintf("an entry of birth epoch %d in the list of kept blocks", k.in.BirthEpoch()), "none")
			continue
		}
		noted = noted[1:]
	}
	for i := range noted {
		c.strayNote(&noted[i])
	}
}

func (c *checker) strayNote(n *pastNote) {
	c.fault(KeptInodeEntry, n.at, pastName(n.ino, n.until), "a kept inode: the list of kept blocks has an entry for it", "none, or another entry for it")
}
