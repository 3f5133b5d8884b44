package pmemfs

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"pmemfs/pmemfs/internal/check"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/testpart"
)

// snapped makes a medium with three snapshots, between which much has changed.
func snapped(t testing.TB, replay, sums bool) *surgery {
	t.Helper()
	return operateThen(t, memFSWith(t, 16<<20, sums), 600, 400, replay, (*builder).snapshots)
}

// snapshots makes three snapshots and changes things between them.
func (b *builder) snapshots(s *surgery) {
	take := func(name string) {
		b.t.Helper()
		_, err := b.fs.CreateSnapshot(name, "described")
		b.ok(err)
	}
	d := b.find("dir")
	take("one")
	plain, frag, attrs := b.find("dir", "plain"), b.find("dir", "frag"), b.find("dir", "attrs")
	b.write(plain, 100, 3000)
	b.ok(b.fs.PunchHole(root, nil, frag, 40<<12, 60<<12))
	for i := range 20 {
		b.ok(b.fs.Unlink(root, nil, d, fmt.Appendf(nil, "name%d", 7*i)))
	}
	b.ok(b.fs.SetXattr(root, nil, attrs, []byte("large"), bytes.Repeat([]byte("other"), 2100), 0))
	b.ok(b.fs.Rename(root, nil, d, []byte("empty"), b.fs.Root(), []byte("moved"), 0))
	take("two")
	b.write(plain, 4096, 900)
	b.write(frag, 0, 64<<12)
	b.file(d, "new", 9000)
	b.ok(b.fs.Unlink(root, nil, d, fmt.Appendf(nil, "link%d", 500)))
	_, err := b.fs.Symlink(root, nil, d, []byte("link500"), bytes.Repeat([]byte{'y'}, 400), nil)
	b.ok(err)
	a, err := b.fs.Lookup(root, nil, d, []byte("link500"))
	b.ok(err)
	s.long = a.Ino
	take("three")
	b.write(plain, 0, 50)
	b.ok(b.fs.RemoveXattr(root, nil, attrs, []byte("large")))
	b.ok(b.fs.SetXattr(root, nil, attrs, []byte("large"), bytes.Repeat([]byte("third"), 2000), 0))
	b.ok(b.fs.Unlink(root, nil, d, []byte("new")))
	_, err = b.fs.Setattr(root, nil, b.find("dir", "linked"), &SetAttr{Mask: SetMode, Mode: 0o600})
	b.ok(err)
}

// find returns the handle of a path.
func (b *builder) find(names ...string) Handle {
	b.t.Helper()
	h := b.fs.Root()
	for _, name := range names {
		a, err := b.fs.Lookup(root, nil, h, []byte(name))
		b.ok(err)
		h = a.Handle
	}
	return h
}

// shards returns the state of the snapshots and the shard table.
func (s *surgery) shards() (layout.Table, layout.ShardTable) {
	n := layout.Node(s.block(s.leaf(layout.SnapshotIno)))
	t, ok := layout.DecodeTable(n.Payload(0))
	if !ok || n.Key(0) != 0 {
		s.t.Fatal("no state of the snapshots")
	}
	return t, layout.ShardTable(s.block(t.Shards))
}

// pastNode returns the leaf and the index of the first record of a shard's tree that f likes.
func (s *surgery) pastNode(ino uint64, kind uint8, f func(key uint64, payload []byte) bool) (block uint64, index int) {
	t, table := s.shards()
	line := table.Shard(layout.ShardOf(ino, t.Count))
	top := line.Inodes
	if kind == layout.TreeKeptBlock {
		top = line.Blocks
	}
	var visit func(b uint64) bool
	visit = func(b uint64) bool {
		n := layout.Node(s.block(b))
		for i := range n.Count() {
			if n.Level() > 0 {
				if visit(n.Child(i)) {
					return true
				}
			} else if f(n.Key(i), n.Payload(i)) {
				block, index = b, i
				return true
			}
		}
		return false
	}
	if !visit(top) {
		s.t.Fatalf("nothing is kept of inode %d", ino)
	}
	return block, index
}

// pastInode returns where the first kept inode of a number lies, and until when it was so.
func (s *surgery) pastInode(ino uint64) (block uint64, index int, until uint64) {
	block, index = s.pastNode(ino, layout.TreeKeptInode, func(key uint64, _ []byte) bool {
		n, u := layout.KeptInodeOf(key)
		until = u
		return n == ino
	})
	return block, index, until
}

// pastRun returns where the first entry for blocks of an inode lies.
func (s *surgery) pastRun(ino uint64, flags uint32) (block uint64, index int, k layout.Kept) {
	block, index = s.pastNode(ino, layout.TreeKeptBlock, func(_ uint64, p []byte) bool {
		k, _ = layout.DecodeKept(p)
		return k.Owner == ino && k.Flags == flags
	})
	return block, index, k
}

// entryName is how the check names an entry of a list of kept blocks.
func (s *surgery) entryName(ino, block uint64, i int) string {
	until, number := layout.KeptBlockOf(layout.Node(s.block(block)).Key(i))
	t, _ := s.shards()
	return fmt.Sprintf("entry %d of epoch %d in the list of kept blocks of shard %d", number, until, layout.ShardOf(ino, t.Count))
}

// pastEntry is a damage of the first entry for data of the plain file.
func pastEntry(name string, f func(s *surgery, k *layout.Kept)) damage {
	return damage{name, func(s *surgery) (string, int64) {
		b, i, k := s.pastRun(s.plain, 0)
		f(s, &k)
		p := layout.EncodeKept(&k)
		object := s.entryName(s.plain, b, i)
		_, off := s.node(b, "", func(n layout.Node) { n.Replace(i, p[:]) })
		return object, off
	}}
}

// pastField is a damage of the plain file as it was.
func pastField(name string, f func(s *surgery, in layout.Inode)) damage {
	return damage{name, func(s *surgery) (string, int64) {
		b, i, until := s.pastInode(s.plain)
		_, off := s.node(b, "", func(n layout.Node) {
			in := layout.Inode(n.Payload(i))
			f(s, in)
			in.Seal()
		})
		return fmt.Sprintf("inode %d as it was until epoch %d", s.plain, until), off
	}}
}

// snapLine is a damage of the line of a snapshot.
func snapLine(name string, epoch uint64, f func(s *surgery, x *layout.Snapshot)) damage {
	return damage{name, func(s *surgery) (string, int64) {
		_, off := s.node(s.leaf(layout.SnapshotIno), "", func(n layout.Node) {
			i, _ := n.Search(epoch)
			x, _ := layout.DecodeSnapshot(epoch, n.Payload(i))
			f(s, &x)
			n.Replace(i, layout.EncodeSnapshot(&x))
		})
		return fmt.Sprintf("snapshot of epoch %d", epoch), off
	}}
}

// snapState is a damage of the state of the snapshots.
func snapState(name, object string, f func(s *surgery, p []byte)) damage {
	return damage{name, func(s *surgery) (string, int64) {
		_, off := s.node(s.leaf(layout.SnapshotIno), "", func(n layout.Node) { f(s, n.Payload(0)) })
		return object, off
	}}
}

// shardLine is a damage of the line of the plain file's shard.
func shardLine(name string, f func(l *layout.Shard)) damage {
	return damage{name, func(s *surgery) (string, int64) {
		t, table := s.shards()
		i := layout.ShardOf(s.plain, t.Count)
		l := table.Shard(i)
		f(&l)
		line := layout.EncodeShard(&l)
		copy(table[layout.ShardOffset(i):], line[:])
		layout.Seal(table)
		return fmt.Sprintf("shard %d", i), layout.BlockOffset(t.Shards) + int64(layout.ShardOffset(i))
	}}
}

// snapDamage is damage of what snapshots are.
var snapDamage = []damage{
	inodeFault("data beside the table of snapshots", func(*surgery) uint64 { return layout.SnapshotIno }, func(_ *surgery, in layout.Inode) { in.SetSize(4096) }),
	inodeFault("blocks of the snapshots", func(*surgery) uint64 { return layout.SnapshotIno }, func(_ *surgery, in layout.Inode) { in.AddBlocks(3) }),
	{"inode of the snapshots", func(s *surgery) (string, int64) {
		s.inode(layout.SnapshotIno)[70] ^= 1
		return "inode 7", s.at(layout.SnapshotIno)
	}},
	{"snapshots without the feature", func(s *surgery) (string, int64) {
		sb := *s.sb
		sb.Incompat = 0
		layout.EncodeSuperblock(s.block(0), &sb)
		layout.EncodeSuperblock(s.block(sb.Backup), &sb)
		return "inode 7", s.at(layout.SnapshotIno)
	}},
	{"node of the table of snapshots", func(s *surgery) (string, int64) {
		b := s.leaf(layout.SnapshotIno)
		s.block(b)[3999] ^= 1
		return fmt.Sprintf("node at block %d (table of snapshots)", b), layout.BlockOffset(b)
	}},
	snapState("state of the snapshots", "state of the snapshots", func(_ *surgery, p []byte) { put64(p, 0) }),
	snapState("reserved bytes of the state", "state of the snapshots", func(_ *surgery, p []byte) { p[21] = 1 }),
	snapState("epoch of the state", "snapshot of epoch 3", func(_ *surgery, p []byte) { put64(p, 3) }),
	snapState("shard table outside", "shard table", func(s *surgery, p []byte) { put64(p[8:], s.sb.Blocks) }),
	snapState("rollback to nothing", "state of the snapshots", func(_ *surgery, p []byte) { put64(p[24:], 2); put64(p, 1<<20); put64(p[24:], 9) }),
	snapLine("flags of a snapshot", 2, func(_ *surgery, x *layout.Snapshot) { x.Flags = 6 }),
	snapLine("name of a snapshot", 2, func(_ *surgery, x *layout.Snapshot) { x.Name = "a/b" }),
	snapLine("two snapshots of a name", 3, func(_ *surgery, x *layout.Snapshot) { x.Name = "one" }),
	{"snapshot without a line", func(s *surgery) (string, int64) {
		s.node(s.leaf(layout.SnapshotIno), "", func(n layout.Node) {
			i, _ := n.Search(1)
			n.Delete(i)
		})
		b, i := s.pastNode(s.plain, layout.TreeKeptBlock, func(key uint64, _ []byte) bool {
			until, _ := layout.KeptBlockOf(key)
			return until == 1
		})
		return s.entryName(s.plain, b, i), layout.BlockOffset(b)
	}},
	{"shard table", func(s *surgery) (string, int64) {
		t, table := s.shards()
		table[100] ^= 1
		return "shard table", layout.BlockOffset(t.Shards)
	}},
	{"shard table of another size", func(s *surgery) (string, int64) {
		t, table := s.shards()
		put32(table[32:], t.Count/2)
		layout.Seal(table)
		return "shard table", layout.BlockOffset(t.Shards)
	}},
	{"reserved bytes of the shard table", func(s *surgery) (string, int64) {
		t, table := s.shards()
		table[40] = 1
		layout.Seal(table)
		return "shard table", layout.BlockOffset(t.Shards)
	}},
	shardLine("nodes of a shard", func(l *layout.Shard) { l.Nodes++ }),
	shardLine("kept inodes of a shard", func(l *layout.Shard) { l.KeptInodes-- }),
	shardLine("kept blocks of a shard", func(l *layout.Shard) { l.KeptBlocks += 5 }),
	shardLine("root of kept inodes", func(l *layout.Shard) { l.InodesHeight = 0 }),
	shardLine("root of kept blocks", func(l *layout.Shard) { l.BlocksHeight = 20 }),
}

// pastDamage is damage of what snapshots hold.
var pastDamage = []damage{
	{"node of kept inodes", func(s *surgery) (string, int64) {
		b, _, _ := s.pastInode(s.plain)
		s.block(b)[3999] ^= 1
		return fmt.Sprintf("node at block %d (kept inodes)", b), layout.BlockOffset(b)
	}},
	{"node of kept blocks", func(s *surgery) (string, int64) {
		b, _, _ := s.pastRun(s.plain, 0)
		s.block(b)[3999] ^= 1
		return fmt.Sprintf("node at block %d (kept blocks)", b), layout.BlockOffset(b)
	}},
	{"checksum of a kept inode", func(s *surgery) (string, int64) {
		b, i, until := s.pastInode(s.plain)
		_, off := s.node(b, "", func(n layout.Node) { n.Payload(i)[40] ^= 1 })
		return fmt.Sprintf("inode %d as it was until epoch %d", s.plain, until), off
	}},
	pastField("type of a kept inode", func(_ *surgery, in layout.Inode) { in.SetMode(0x3000) }),
	pastField("blocks of a kept inode", func(_ *surgery, in layout.Inode) { in.AddBlocks(1) }),
	pastField("birth of a kept inode", func(_ *surgery, in layout.Inode) { in.SetBirthEpoch(1 << 20) }),
	pastField("extent of a kept inode", func(s *surgery, in layout.Inode) { s.extent(in, func(e *layout.Extent) { e.Phys = s.freeBlock() }) }),
	pastField("extent of a kept inode outside", func(s *surgery, in layout.Inode) { s.extent(in, func(e *layout.Extent) { e.Phys = s.sb.Blocks }) }),
	pastField("length of an extent of a kept inode", func(s *surgery, in layout.Inode) { s.extent(in, func(e *layout.Extent) { e.Len = 0 }) }),
	pastField("extent of a kept inode in blocks of another file", func(s *surgery, in layout.Inode) {
		s.extent(in, func(e *layout.Extent) { e.Phys = s.inode(s.linked).InlineExtent(0).Phys })
	}),
	{"kept inode without an entry", func(s *surgery) (string, int64) {
		b, i := s.pastNode(s.plain, layout.TreeKeptBlock, func(_ uint64, p []byte) bool {
			k, _ := layout.DecodeKept(p)
			return k.Flags == layout.KeptInode && k.Owner == s.plain
		})
		until, _ := layout.KeptBlockOf(layout.Node(s.block(b)).Key(i))
		s.node(b, "", func(n layout.Node) { n.Delete(i) })
		at, _, _ := s.pastInode(s.plain)
		return fmt.Sprintf("inode %d as it was until epoch %d", s.plain, until), layout.BlockOffset(at)
	}},
	{"kept inode that is not there", func(s *surgery) (string, int64) {
		b, i, until := s.pastInode(s.plain)
		s.node(b, "", func(n layout.Node) { n.Delete(i) })
		at, _ := s.pastNode(s.plain, layout.TreeKeptBlock, func(key uint64, p []byte) bool {
			k, _ := layout.DecodeKept(p)
			u, _ := layout.KeptBlockOf(key)
			return k.Flags == layout.KeptInode && k.Owner == s.plain && u == until
		})
		return fmt.Sprintf("inode %d as it was until epoch %d", s.plain, until), layout.BlockOffset(at)
	}},
	pastEntry("entry of another shard", func(s *surgery, k *layout.Kept) {
		t, _ := s.shards()
		for k.Owner++; layout.ShardOf(k.Owner, t.Count) == layout.ShardOf(s.plain, t.Count); k.Owner++ {
		}
	}),
	pastEntry("flags of an entry", func(_ *surgery, k *layout.Kept) { k.Flags = 8 }),
	pastEntry("entry outside", func(s *surgery, k *layout.Kept) { k.Start = s.sb.Blocks - uint64(k.Len) + 1 }),
	pastEntry("birth of an entry", func(_ *surgery, k *layout.Kept) { k.Birth = 1 << 20 }),
	{"entry that nothing needs", func(s *surgery) (string, int64) {
		b, i, k := s.pastRun(s.plain, 0)
		k.Start, k.Len = s.freeBlock(), 1
		s.bit(1, int(k.Start), true)
		s.head(func(h *layout.Head) { h.FreeBlocks-- })
		p := layout.EncodeKept(&k)
		until, _ := layout.KeptBlockOf(layout.Node(s.block(b)).Key(i))
		_, off := s.node(b, "", func(n layout.Node) {
			at, _ := n.Search(layout.KeptBlockKey(until, 1<<30))
			n.Insert(at, layout.KeptBlockKey(until, 1<<30), p[:])
		})
		return fmt.Sprintf("block %d", k.Start), off
	}},
	{"entry too few", func(s *surgery) (string, int64) {
		b, i, k := s.pastRun(s.plain, 0)
		until, _ := layout.KeptBlockOf(layout.Node(s.block(b)).Key(i))
		s.node(b, "", func(n layout.Node) { n.Delete(i) })
		at, _ := s.pastNode(s.plain, layout.TreeKeptInode, func(key uint64, p []byte) bool {
			n, u := layout.KeptInodeOf(key)
			return n == s.plain && u == until && layout.Inode(p).InlineExtent(0).Phys <= k.Start
		})
		return fmt.Sprintf("inode %d as it was until epoch %d", s.plain, until), layout.BlockOffset(at)
	}},
	{"kept block of a live file", func(s *surgery) (string, int64) {
		_, _, k := s.pastRun(s.plain, 0)
		s.edit(s.linked, func(in layout.Inode) { s.extent(in, func(e *layout.Extent) { e.Phys = k.Start }) })
		return fmt.Sprintf("block %d", k.Start), layout.BlockOffset(k.Start)
	}},
	{"node of a kept directory", func(s *surgery) (string, int64) {
		_, _, k := s.pastRun(s.dir, layout.KeptMeta)
		s.block(k.Start)[3999] ^= 1
		return fmt.Sprintf("node at block %d (directory %d)", k.Start, s.dir), layout.BlockOffset(k.Start)
	}},
	{"node of a kept map", func(s *surgery) (string, int64) {
		_, _, k := s.pastRun(s.frag, layout.KeptMeta)
		return s.node(k.Start, fmt.Sprintf("extents of inode %d", s.frag), func(n layout.Node) { n[8]++ })
	}},
	{"name in a kept directory", func(s *surgery) (string, int64) {
		var k layout.Kept
		s.pastNode(s.dir, layout.TreeKeptBlock, func(_ uint64, p []byte) bool {
			k, _ = layout.DecodeKept(p)
			return k.Owner == s.dir && k.Flags == layout.KeptMeta && layout.Node(s.block(k.Start)).Level() == 0
		})
		_, _, name, _ := layout.DecodeDirent(layout.Node(s.block(k.Start)).Payload(3))
		object := fmt.Sprintf("entry %q of directory %d", name, s.dir)
		_, off := s.node(k.Start, "", func(n layout.Node) { put64(n.Payload(3), 710) })
		return object, off
	}},
	{"value of a kept attribute", func(s *surgery) (string, int64) {
		_, _, k := s.pastRun(s.attrs, layout.KeptMeta)
		n := layout.Node(s.block(k.Start))
		for i := range n.Count() {
			if x, _ := layout.DecodeXattr(n.Payload(i)); len(x.Blocks) > 0 {
				s.block(x.Blocks[1])[77] ^= 1
			}
		}
		var until uint64
		s.pastNode(s.attrs, layout.TreeKeptBlock, func(key uint64, p []byte) bool {
			e, _ := layout.DecodeKept(p)
			until, _ = layout.KeptBlockOf(key)
			return e.Start == k.Start && e.Flags == layout.KeptMeta
		})
		return fmt.Sprintf("attribute \"large\" of inode %d as it was until epoch %d", s.attrs, until), layout.BlockOffset(k.Start)
	}},
	{"node from the future", func(s *surgery) (string, int64) {
		return s.node(s.leaf(s.dir), fmt.Sprintf("directory %d", s.dir), func(n layout.Node) { put64(n[24:], 77) })
	}},
	{"attribute from the future", func(s *surgery) (string, int64) {
		i, x := s.large()
		x.Flags, x.Birth = layout.XattrBorn, 99
		_, off := s.node(s.attrNode(), "", func(n layout.Node) { n.Replace(i, layout.EncodeXattr(nil, &x)) })
		return fmt.Sprintf("attribute \"large\" of inode %d", s.attrs), off
	}},
	{"live inode older than what it was", func(s *surgery) (string, int64) {
		return s.edit(s.plain, func(in layout.Inode) { in.SetBirthEpoch(1) })
	}},
}

func TestCheckFindsSnapshotFaults(t *testing.T) {
	testpart.NotRace(t)
	healthy := snapped(t, false, false)
	checkMedium(t, healthy.medium)
	for _, d := range slices.Concat(snapDamage, pastDamage) {
		most := 6
		if slices.Contains([]string{"snapshots without the feature", "snapshot without a line", "epoch of the state"}, d.name) {
			most = 60 // each birth epoch, and all that was kept for it
		}
		t.Run(d.name, func(t *testing.T) { wantFaultAmong(t, healthy, d, most) })
	}
	if r := checkMedium(t, snapped(t, true, false).medium); r.ReplayedRecords == 0 {
		t.Fatal("the window is empty")
	}
}

// TestCheckDeletion checks an image in which a snapshot is being deleted.
func TestCheckDeletion(t *testing.T) {
	s := snapped(t, false, false)
	for _, epoch := range []uint64{1, 2, 3} {
		d := snapLine("", epoch, func(_ *surgery, x *layout.Snapshot) { x.Flags = layout.SnapshotDeleting })
		d.do(s)
		r, err := check.Run(s.medium, nil)
		reportFaults(t, checkReport(r), err)
	}
}
