package repair

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
	"sort"

	"pmemfs/pmemfs/internal/layout"
)

// remember keeps a live inode as it is before the repair changes it.
func (f *fixer) remember(ino uint64) {
	s := f.snap
	if s == nil || s.before == nil || ino < layout.RootIno || ino >= f.file.limit || !f.good.has(ino) {
		return
	}
	if _, ok := s.before[ino]; !ok {
		s.before[ino] = [layout.InodeSize]byte(f.slot(ino))
	}
}

// spoil notes that something is damaged of a live inode itself, which snapshots have as well if they share it.
func (f *fixer) spoil(ino uint64) {
	if f.snap != nil {
		f.snap.spoiled.set(ino)
	}
}

// snapshots stores what snapshots hold, if anything of it changes, now that the live files are as they will be.
func (f *fixer) snapshots() {
	s := f.snap
	if s == nil {
		return
	}
	f.keepChanged()
	var derived []entryOf
	for alive := -1; alive != len(s.alive); { // names may cost some
		alive = len(s.alive)
		derived = f.toKeep()
	}
	if s.rewrite || !s.holds(derived) {
		s.versions = slices.DeleteFunc(s.versions, func(v version) bool { return !s.needed(v.in.BirthEpoch(), v.until) })
		f.rewriteSnapshots(derived)
	}
}

// keepChanged keeps the inodes that the repair has changed as they were, for the snapshots that have them: as the engine does it. Those of
// which something is damaged cost these snapshots.
func (f *fixer) keepChanged() {
	s := f.snap
	for ino := uint64(layout.RootIno); ino < f.file.limit; ino++ {
		if s.spoiled.has(ino) {
			f.remember(ino)
		}
	}
	var numbers []uint64
	for ino := range s.before {
		numbers = append(numbers, ino)
	}
	slices.Sort(numbers)
	for _, ino := range numbers {
		b := s.before[ino]
		old := layout.Inode(b[:])
		newest, spoiled := s.newest(), s.spoiled.has(ino)
		if old.BirthEpoch() > newest || !spoiled && bytes.Equal(old[4:], f.slot(ino)[4:]) {
			continue
		}
		v := version{ino, newest, bytes.Clone(old)}
		at, there := slices.BinarySearchFunc(s.versions, v, byVersion)
		if there {
			continue // of a repair that was cut short
		}
		p := f.newPast(ino)
		p.use = func(start, n, birth uint64, _ bool, _ uint64) bool { return f.mayUse(p, start, n, birth) }
		blocks, ok := p.version(&v)
		if spoiled || !ok || !f.sound(old, ino) {
			f.kill(old.BirthEpoch(), newest, "inode %d is damaged, or what it had", ino)
			continue
		}
		v.in.AddBlocks(int64(blocks - v.in.Blocks()))
		v.in.Seal()
		s.versions = slices.Insert(s.versions, at, v)
		s.rewrite = true
	}
	for _, ino := range numbers {
		f.rejuvenate(ino)
	}
}

// rejuvenate gives a live inode that was kept the present birth epoch.
func (f *fixer) rejuvenate(ino uint64) {
	if last := f.snap.lastUntil(ino); last == 0 || !f.good.has(ino) || f.slot(ino).BirthEpoch() > last {
		return
	}
	in := f.change(ino)
	in.SetBirthEpoch(f.birth)
	in.Seal()
}

// toKeep returns what is to be in the lists of kept blocks: all that versions refer to and the live inode does not have.
func (f *fixer) toKeep() (list []entryOf) {
	s := f.snap
	done := newBitset(f.sb.Blocks)
	s.ofInode(func(versions []version) {
		p := f.newPast(versions[0].ino)
		p.names = true
		p.use = func(start, n, birth uint64, meta bool, until uint64) bool {
			for b := start; b < start+n; b++ {
				if p.isLive(b, birth) || done.has(b) {
					continue
				}
				done.set(b)
				k := layout.Kept{Start: b, Len: 1, Birth: birth, Owner: p.ino}
				if meta {
					k.Flags = layout.KeptMeta
				}
				if i := len(list) - 1; i >= 0 && !meta && joins(&list[i], &k, until) {
					list[i].Len++
					continue
				}
				list = append(list, entryOf{k, until})
			}
			return true
		}
		for i := len(versions) - 1; i >= 0; i-- { // the last one that has a block says until when it is kept
			if v := &versions[i]; s.needed(v.in.BirthEpoch(), v.until) {
				p.version(v)
			}
		}
	})
	return list
}

// joins reports whether a block can be added to a run that is kept.
func joins(e *entryOf, k *layout.Kept, until uint64) bool {
	return e.Flags == 0 && e.Owner == k.Owner && e.Birth == k.Birth && e.until == until && e.Start+uint64(e.Len) == k.Start &&
		k.Start/layout.GroupBlocks == e.Start/layout.GroupBlocks
}

// holds reports whether the lists of kept blocks have what was derived, and nothing else that a snapshot needs.
func (s *snaps) holds(derived []entryOf) bool {
	need, have := uint64(0), uint64(0)
	for i := range s.entries {
		if e := &s.entries[i]; s.needed(e.Birth, e.until) {
			have += uint64(e.Len)
		}
	}
	for _, d := range derived {
		need += uint64(d.Len)
		for b := d.Start; b < d.Start+uint64(d.Len); {
			i := sort.Search(len(s.entries), func(i int) bool { return s.entries[i].Start+uint64(s.entries[i].Len) > b })
			if i == len(s.entries) || s.entries[i].Start > b {
				return false
			}
			e := &s.entries[i]
			if e.Owner != d.Owner || e.Flags != d.Flags || s.from(e.Birth) > s.from(d.Birth) || s.upTo(e.until) < s.upTo(d.until) {
				return false
			}
			b = min(d.Start+uint64(d.Len), e.Start+uint64(e.Len))
		}
	}
	return need == have
}

// rewriteSnapshots makes the table and all shards anew, in blocks that nobody has, so that inode 7 goes from the old ones to the new ones
// in one store. Without room for that there are no snapshots any more.
func (f *fixer) rewriteSnapshots(derived []entryOf) {
	s := f.snap
	for _, r := range s.claimed {
		f.owned.clear(r.start)
		f.released.set(r.start)
	}
	for i := range derived {
		for b := derived[i].Start; b < derived[i].Start+uint64(derived[i].Len); b++ {
			f.owned.set(b)
			f.released.clear(b)
		}
	}
	table := layout.Table{Epoch: max(f.birth, s.newest()+1), Count: f.shardCount()}
	if s.found {
		table.Count = s.table.Count
		if i := s.from(s.table.Rollback); s.table.Rollback != 0 && i < len(s.alive) && s.alive[i] == s.table.Rollback {
			table.Rollback, table.Next = s.table.Rollback, s.table.Next
		}
	}
	block, ok := f.writeShards(derived, table.Count)
	table.Shards = block
	records := []record{{key: 0, payload: layout.EncodeTable(&table)}}
	for i := range s.lines {
		records = append(records, record{key: s.lines[i].Epoch, payload: layout.EncodeSnapshot(&s.lines[i])})
	}
	var root uint64
	var height uint8
	var made []uint64
	if ok {
		root, height, made, ok = f.build(tree{layout.SnapshotIno, layout.TreeSnapshot}, records)
	}
	if !ok {
		f.lose("snapshots", "nothing yet: there is no room to make their tables anew")
		f.plan.dropSnapshots = true
		return
	}
	for _, b := range s.nodes {
		f.release(b)
	}
	in := f.change(layout.SnapshotIno)
	gen := in.Gen()
	if !in.Sealed(layout.SnapshotIno) || gen == 0 {
		gen = f.newGen()
	}
	layout.InitInode(in, layout.SnapshotIno, gen)
	in.SetMode(layout.ModeRegular | 0o600)
	in.SetNlink(1)
	in.SetBirthEpoch(1)
	in.SetDataRoot(root, height)
	in.AddBlocks(int64(len(made)) + 1)
	in.Seal()
	f.good.set(layout.SnapshotIno)
}

// shardCount returns how many shards a table that is made anew has.
func (f *fixer) shardCount() uint32 {
	count := uint32(layout.ShardsMax)
	for count > 1 && uint64(count)*1024 > f.sb.Blocks {
		count /= 2
	}
	return count
}

// writeShards makes the trees of all shards, and the shard table.
func (f *fixer) writeShards(derived []entryOf, count uint32) (block uint64, ok bool) {
	s := f.snap
	if block = f.take(); block == 0 {
		return 0, false
	}
	inodes, blocks := make([][]record, count), make([][]entryOf, count)
	lines := make([]layout.Shard, count)
	for _, v := range s.versions {
		i := layout.ShardOf(v.ino, count)
		inodes[i] = append(inodes[i], record{key: layout.KeptInodeKey(v.ino, v.until), payload: v.in})
		blocks[i] = append(blocks[i], entryOf{layout.Kept{Start: v.ino, Flags: layout.KeptInode, Birth: v.in.BirthEpoch(), Owner: v.ino}, v.until})
	}
	for _, d := range derived {
		i := layout.ShardOf(d.Owner, count)
		blocks[i] = append(blocks[i], d)
		lines[i].KeptBlocks += uint64(d.Len)
	}
	for i := range lines {
		l := &lines[i]
		l.KeptInodes = uint64(len(inodes[i]))
		var a, b []uint64
		if l.Inodes, l.InodesHeight, a, ok = f.build(tree{layout.SnapshotIno, layout.TreeKeptInode}, inodes[i]); !ok {
			return 0, false
		}
		if l.Blocks, l.BlocksHeight, b, ok = f.build(tree{layout.SnapshotIno, layout.TreeKeptBlock}, entryRecords(blocks[i])); !ok {
			return 0, false
		}
		l.Nodes = uint64(len(a) + len(b))
	}
	t := layout.ShardTable(f.fresh(block))
	layout.InitShardTable(t, block, f.birth, count)
	for i := range lines {
		line := layout.EncodeShard(&lines[i])
		copy(t[layout.ShardOffset(i):], line[:])
	}
	layout.Seal(t)
	return block, true
}

// entryRecords returns the records of a list of kept blocks.
func entryRecords(list []entryOf) (records []record) {
	slices.SortStableFunc(list, func(a, b entryOf) int { return cmp.Compare(a.until, b.until) })
	number := uint64(0)
	for i := range list {
		if i > 0 && list[i].until != list[i-1].until {
			number = 0
		}
		p := layout.EncodeKept(&list[i].Kept)
		records = append(records, record{key: layout.KeptBlockKey(list[i].until, number), payload: p[:]})
		number++
	}
	return records
}

// setBirth changes the birth epoch of a node.
func setBirth(n layout.Node, birth uint64) { binary.LittleEndian.PutUint64(n[24:], birth) }
