package repair

import (
	"bytes"
	"cmp"
	"slices"
	"sort"

	"pmemfs/pmemfs/internal/layout"
)

// entryOf is an entry of a list of kept blocks.
type entryOf struct {
	layout.Kept
	until uint64
}

// note is an entry of a list of kept blocks for a kept inode.
type note struct{ ino, until, birth uint64 }

// version is an inode as it was until an epoch.
type version struct {
	ino, until uint64
	in         layout.Inode
}

func byVersion(a, b version) int {
	return cmp.Or(cmp.Compare(a.ino, b.ino), cmp.Compare(a.until, b.until))
}

// readSnapshots reads what snapshots hold. The nodes of their trees say whose they are, and are claimed.
func (f *fixer) readSnapshots() {
	s := f.snap
	if s == nil {
		return
	}
	for _, b := range s.nodes {
		if f.owned.has(b) {
			s.rewrite = true
		}
		f.owned.set(b)
	}
	f.blocks[layout.SnapshotIno] = uint64(len(s.nodes)) + 1
	if !f.plan.dropSnapshots && s.found {
		f.readShards()
	}
	slices.SortFunc(s.versions, byVersion)
	for _, v := range s.versions {
		f.birth = max(f.birth, v.until+1)
	}
	for _, e := range s.entries {
		f.birth = max(f.birth, e.until+1)
		if e.Flags&layout.KeptMeta != 0 {
			s.meta.set(e.Start)
		}
	}
	if s.unsure {
		f.findKeptNodes()
	}
	slices.SortFunc(s.notes, func(a, b note) int { return cmp.Or(cmp.Compare(a.ino, b.ino), cmp.Compare(a.until, b.until)) })
	slices.SortFunc(s.entries, func(a, b entryOf) int { return cmp.Compare(a.Start, b.Start) })
}

// findKeptNodes finds the nodes that only snapshots have by what refers to them, for want of a list.
func (f *fixer) findKeptNodes() {
	s := f.snap
	s.ofInode(func(list []version) {
		p := &past{f: f, ino: list[0].ino, seen: map[uint64]verdict{}}
		p.use = func(start, n, _ uint64, meta bool, until uint64) bool {
			if meta {
				s.meta.set(start)
			}
			return true
		}
		for i := range list {
			p.version(&list[i])
		}
	})
	for ino := uint64(layout.RootIno); ino < f.file.limit; ino++ {
		if !f.good.has(ino) {
			continue
		}
		in := f.slot(ino)
		for _, t := range []tree{{ino, layout.TreeDir}, {ino, layout.TreeExtent}, {ino, layout.TreeXattr}} {
			if own, ok := dataTree(in, ino); t.kind == layout.TreeXattr || ok && own == t {
				w := walk{f: f, tree: t, leaf: func(layout.Node) {}, claim: func(b uint64) bool {
					was := s.meta.has(b)
					s.meta.clear(b)
					return was
				}}
				w.run(root(in, t.kind))
			}
		}
	}
}

// judgeSnapshots finds the snapshots that can be kept, now that all live files have claimed what is theirs. Their blocks are nobody else's
// from here on.
func (f *fixer) judgeSnapshots() {
	s := f.snap
	if s == nil {
		return
	}
	for i := range s.entries {
		f.claimEntry(&s.entries[i])
	}
	f.missingVersions()
	f.lostNames()
	f.judgeVersions()
	f.judgeRoots()
}

// claimEntry claims the blocks of an entry, as far as nobody has them.
func (f *fixer) claimEntry(e *entryOf) {
	s := f.snap
	for b := e.Start; b < e.Start+uint64(e.Len); b++ {
		if f.owned.has(b) || f.refused[b] {
			s.conflict.set(b)
			s.rewrite = true
			continue
		}
		f.owned.set(b)
		s.claimed = append(s.claimed, run{start: b, n: 1})
	}
}

// readShards reads the shard table and the trees of all shards.
func (f *fixer) readShards() {
	s := f.snap
	block, count := s.table.Shards, s.table.Count
	t := layout.ShardTable(zeroBlock[:])
	if block > 0 && block < f.sb.Blocks && !f.owned.has(block) {
		t = f.block(block)
	}
	if !t.Is(block, count) || !layout.Sealed(t) && !f.stale {
		f.kill(0, layout.EpochMax, "the shard table is damaged")
		s.rewrite = true
		return
	}
	s.rewrite = s.rewrite || !layout.Sealed(t) || t.Reserved(count)
	f.owned.set(block)
	s.nodes = append(s.nodes, block)
	for i := range int(count) {
		f.readShard(t.Shard(i), i)
	}
}

// readShard reads the trees of one shard. Each of them says what the other one has, so that only what both have lost is not known.
func (f *fixer) readShard(line layout.Shard, i int) {
	s := f.snap
	nodes, inodes, blocks := uint64(0), uint64(0), uint64(0)
	read := func(kind uint8, root uint64, height uint8, leaf func(n layout.Node)) bool {
		w := walk{f: f, tree: tree{layout.SnapshotIno, kind}, leaf: leaf, claim: func(b uint64) bool {
			if f.owned.has(b) {
				return false
			}
			f.owned.set(b)
			s.nodes = append(s.nodes, b)
			nodes++
			return true
		}}
		return height <= layout.MaxHeight && (height == 0) == (root == 0) && w.run(root, height)
	}
	wholeInodes := read(layout.TreeKeptInode, line.Inodes, line.InodesHeight, func(n layout.Node) {
		for r := range n.Count() {
			ino, until := layout.KeptInodeOf(n.Key(r))
			in := layout.Inode(n.Payload(r))
			inodes++
			if len(in) != layout.InodeSize || ino < layout.RootIno || !f.sound(in, ino) || in.BirthEpoch() > until || layout.ShardOf(ino, s.table.Count) != i {
				s.rewrite = true // its entry says which it was
				continue
			}
			s.versions = append(s.versions, version{ino, until, bytes.Clone(in)})
		}
	})
	wholeBlocks := read(layout.TreeKeptBlock, line.Blocks, line.BlocksHeight, func(n layout.Node) {
		for r := range n.Count() {
			until, _ := layout.KeptBlockOf(n.Key(r))
			blocks += f.readEntry(until, n.Payload(r), i)
		}
	})
	switch {
	case !wholeInodes && !wholeBlocks:
		f.kill(0, layout.EpochMax, "both trees of shard %d are damaged, so that nobody knows what is missing", i)
	case !wholeBlocks:
		s.rewrite, s.unsure = true, true
	case !wholeInodes || nodes != line.Nodes || inodes != line.KeptInodes || blocks != line.KeptBlocks:
		s.rewrite = true
	}
}

// readEntry takes in an entry of a list of kept blocks, and returns how many blocks it has.
func (f *fixer) readEntry(until uint64, payload []byte, shard int) uint64 {
	s := f.snap
	k, ok := layout.DecodeKept(payload)
	last := k.Start + uint64(k.Len) - 1
	isInode := k.Flags&layout.KeptInode != 0
	switch {
	case !ok, k.Flags&^(layout.KeptInode|layout.KeptMeta) != 0, k.Owner < layout.RootIno, layout.ShardOf(k.Owner, s.table.Count) != shard,
		!isInode && (k.Start == 0 || k.Start >= f.sb.Blocks || last >= f.sb.Blocks || k.Flags&layout.KeptMeta != 0 && k.Len != 1):
		s.rewrite, s.unsure = true, true // what needs the blocks says which they are
		return uint64(k.Len)
	case !inOne(s.named, k.Birth, until):
		s.rewrite = true
	case isInode:
		s.notes = append(s.notes, note{k.Owner, until, k.Birth})
	default:
		s.entries = append(s.entries, entryOf{k, until})
	}
	return uint64(k.Len)
}

// inOne reports whether one of the epochs is from birth to until.
func inOne(epochs []uint64, birth, until uint64) bool {
	i := sort.Search(len(epochs), func(i int) bool { return epochs[i] >= birth })
	return i < len(epochs) && epochs[i] <= until
}

// missingVersions gives up the snapshots that have an inode that was kept and is not there.
func (f *fixer) missingVersions() {
	s := f.snap
	for _, n := range s.notes {
		i, ok := slices.BinarySearchFunc(s.versions, version{ino: n.ino, until: n.until}, byVersion)
		if !ok {
			f.kill(n.birth, n.until, "inode %d as it was is damaged", n.ino)
			s.rewrite = true
		} else if s.versions[i].in.BirthEpoch() != n.birth {
			s.rewrite = true
		}
	}
	if len(s.notes) != len(s.versions) {
		s.rewrite = true
	}
	kept := s.versions[:0]
	for _, v := range s.versions {
		if n := len(kept); n > 0 && kept[n-1].ino == v.ino && v.in.BirthEpoch() <= kept[n-1].until {
			if kept[n-1].until == v.until {
				s.rewrite = true
				continue
			}
			f.kill(v.in.BirthEpoch(), kept[n-1].until, "there are two of inode %d as it was", v.ino)
		}
		kept = append(kept, v)
	}
	s.versions = kept
}

// lostNames gives up the snapshots in which an inode has a name that is lost: a slot that cannot be read does not say since when it was
// as it was.
func (f *fixer) lostNames() {
	s := f.snap
	if !slices.ContainsFunc(f.lost, func(w uint64) bool { return w != 0 }) {
		return
	}
	f.eachDir(func(dir uint64) {
		f.records(f.slot(dir), tree{dir, layout.TreeDir}, func(r record) {
			ino, _, _, ok := layout.DecodeDirent(r.payload)
			if !ok || ino >= f.file.limit || !f.lost.has(ino) {
				return
			}
			f.kill(max(r.birth, s.lastUntil(ino)+1), layout.EpochMax, "inode %d is damaged", ino)
		})
	})
}

// last returns the last version of an inode, nil if there is none.
func (s *snaps) last(ino uint64) *version {
	i, _ := slices.BinarySearchFunc(s.versions, version{ino: ino + 1}, byVersion)
	if i == 0 || s.versions[i-1].ino != ino {
		return nil
	}
	return &s.versions[i-1]
}

// lastUntil returns the last epoch until which an inode was kept, 0 for none.
func (s *snaps) lastUntil(ino uint64) uint64 {
	if v := s.last(ino); v != nil {
		return v.until
	}
	return 0
}

// sound reports whether all fields of an inode as it was make sense.
func (f *fixer) sound(in layout.Inode, ino uint64) bool {
	typ := in.Mode() & layout.ModeType
	flags, ok := typeFlags(typ)
	inline := in.Flags()&layout.FlagInlineTarget != 0
	mapped := typ == layout.ModeRegular || typ == layout.ModeSymlink && !inline
	root, height := in.DataRoot()
	attrs, attrHeight := in.XattrRoot()
	major, minor := in.Rdev()
	isDevice := typ == layout.ModeChar || typ == layout.ModeBlock
	if f.sb.Quotas() {
		flags |= layout.FlagCounted
	}
	sized := true
	switch {
	case typ == layout.ModeSymlink && inline:
		sized = in.Size() > 0 && in.Size() <= layout.InlineSize
	case typ == layout.ModeSymlink:
		sized = in.Size() > 0 && in.Size() < layout.BlockSize
	case typ == layout.ModeRegular || typ == layout.ModeDir:
		sized = in.Size() < 1<<63
	default:
		sized = in.Size() == 0
	}
	return ok && sized && in.Sealed(ino) && in.Flags()&^flags == 0 && in.Nlink() <= layout.LinkMax && in.Gen() != 0 && !in.Reserved(f.sb.Quotas()) &&
		in.BirthEpoch() <= f.birth && (isDevice || major == 0 && minor == 0) &&
		height <= layout.MaxHeight && (height == 0) == (root == 0) && (mapped || typ == layout.ModeDir || height == 0) &&
		in.InlineCount() <= layout.InlineExtents && (in.InlineCount() == 0 || mapped && height == 0) &&
		attrHeight <= layout.MaxHeight && (attrHeight == 0) == (attrs == 0)
}
