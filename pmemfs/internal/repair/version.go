package repair

import (
	"bytes"
	"cmp"
	"math"
	"slices"
	"sort"

	"github.com/dchest/siphash"

	"pmemfs/pmemfs/internal/layout"
)

// past goes through what an inode as it was refers to, at several times. What they share it goes through once.
type past struct {
	f    *fixer
	ino  uint64
	live []run // blocks of the live inode
	// use is asked for each run that is referred to; false means that the version cannot be kept.
	use   func(start, n, birth uint64, meta bool, until uint64) bool
	seen  map[uint64]verdict
	names bool // in directories are looked at
}

// verdict is what is known of a node.
type verdict struct {
	blocks uint64
	ok     bool
	kind   uint8
	level  uint8
}

func (f *fixer) newPast(ino uint64) *past {
	return &past{f: f, ino: ino, live: f.liveRuns(ino), seen: map[uint64]verdict{}}
}

// liveRuns returns the blocks that a live inode refers to, as far as it can be read.
func (f *fixer) liveRuns(ino uint64) (list []run) {
	if ino >= f.file.limit || !f.good.has(ino) {
		return nil
	}
	in := f.slot(ino)
	kinds := []uint8{layout.TreeXattr}
	if t, ok := dataTree(in, ino); ok {
		kinds = append(kinds, t.kind)
		for i := range in.InlineCount() {
			e := in.InlineExtent(i)
			list = append(list, run{e.Phys, uint64(e.Len), e.Birth})
		}
	}
	for _, kind := range kinds {
		seen := map[uint64]bool{}
		w := walk{f: f, tree: tree{ino, kind}, claim: func(b uint64) bool {
			if seen[b] || !f.owned.has(b) {
				return false
			}
			seen[b] = true
			list = append(list, run{b, 1, layout.Node(f.block(b)).Birth()})
			return true
		}}
		w.leaf = func(n layout.Node) {
			for i := range n.Count() {
				switch p := n.Payload(i); {
				case kind == layout.TreeExtent && len(p) == layout.ExtentPayload:
					e := layout.DecodeExtent(n.Key(i), p)
					list = append(list, run{e.Phys, uint64(e.Len), e.Birth})
				case kind == layout.TreeXattr:
					x, _ := layout.DecodeXattr(p)
					for _, b := range x.Blocks {
						list = append(list, run{b, 1, attrBirth(&x)})
					}
				}
			}
		}
		w.run(root(in, kind))
	}
	slices.SortFunc(list, func(a, b run) int { return cmp.Compare(a.start, b.start) })
	return list
}

func attrBirth(x *layout.Xattr) uint64 {
	if x.Flags&layout.XattrBorn != 0 {
		return x.Birth
	}
	return 1
}

// isLive reports whether the live inode has a block that what was born in an epoch refers to.
func (p *past) isLive(b, birth uint64) bool {
	i := sort.Search(len(p.live), func(i int) bool { return p.live[i].start+p.live[i].n > b })
	return i < len(p.live) && p.live[i].start <= b && !p.f.younger(p.live[i].birth, birth)
}

// version goes through a version. It returns how many blocks that has, and whether all of it is there.
func (p *past) version(v *version) (blocks uint64, ok bool) {
	in, birth := v.in, v.in.BirthEpoch()
	ok = true
	add := func(n uint64, fine bool) { blocks, ok = blocks+n, ok && fine }
	end := uint64(0)
	for i := range in.InlineCount() {
		e := in.InlineExtent(i)
		ok = ok && e.Logical >= end
		end = e.End()
		add(p.extent(e, birth, v.until))
	}
	if root, height := in.DataRoot(); height > 0 {
		kind := uint8(layout.TreeExtent)
		if in.IsDir() {
			kind = layout.TreeDir
		}
		add(p.node(root, int(height)-1, kind, 0, math.MaxUint64, birth, v.until))
	}
	if root, height := in.XattrRoot(); height > 0 {
		add(p.node(root, int(height)-1, layout.TreeXattr, 0, math.MaxUint64, birth, v.until))
	}
	return blocks, ok
}

// node goes through a node and what is below it.
func (p *past) node(block uint64, level int, kind uint8, lo, hi, birth, until uint64) (blocks uint64, ok bool) {
	f := p.f
	if v, known := p.seen[block]; known {
		return v.blocks, v.ok && v.kind == kind && int(v.level) == level
	}
	v := verdict{kind: kind, level: uint8(level)}
	defer func() { p.seen[block] = v }()
	if block == 0 || block >= f.sb.Blocks {
		return 0, false
	}
	n, sound := f.node(block, tree{p.ino, kind})
	if !sound || int(n.Level()) != level || n.Count() == 0 || !inRange(n, lo, hi) || f.younger(n.Birth(), birth) || !p.use(block, 1, n.Birth(), true, until) {
		return 0, false
	}
	v.blocks, v.ok = 1, true
	add := func(n uint64, fine bool) { v.blocks, v.ok = v.blocks+n, v.ok && fine }
	end := uint64(0)
	names := leafNames{keys: f.keysDir}
	for i := range n.Count() {
		switch payload := n.Payload(i); {
		case level > 0:
			first, last := lo, hi
			if i > 0 {
				first = n.Key(i)
			}
			if i+1 < n.Count() {
				last = n.Key(i+1) - 1
			}
			add(p.node(n.Child(i), level-1, kind, first, last, n.Birth(), until))
		case kind == layout.TreeExtent && len(payload) == layout.ExtentPayload:
			e := layout.DecodeExtent(n.Key(i), payload)
			v.ok = v.ok && e.Logical >= end
			end = e.End()
			add(p.extent(e, n.Birth(), until))
		case kind == layout.TreeXattr:
			add(p.attr(payload, n.Birth(), until))
		case kind == layout.TreeDir:
			ino, typ, name, fine := layout.DecodeDirent(payload)
			fine = fine && names.sound(n.Key(i), name)
			v.ok = v.ok && fine
			if fine && p.names && !p.isLive(block, birth) {
				f.vetKeptName(p.ino, ino, typ, n.Birth(), until)
			}
		default:
			v.ok = false
		}
	}
	return v.blocks, v.ok
}

// extent goes through the blocks of an extent.
func (p *past) extent(e layout.Extent, birth, until uint64) (uint64, bool) {
	f := p.f
	if e.Len == 0 || e.Len > layout.ExtentMaxLen || e.End() > maxFileBlocks || e.Flags&^layout.ExtentUnwritten != 0 ||
		e.Phys == 0 || e.Phys >= f.sb.Blocks || uint64(e.Len) > f.sb.Blocks-e.Phys || f.younger(e.Birth, birth) {
		return 0, false
	}
	return uint64(e.Len), p.use(e.Phys, uint64(e.Len), e.Birth, false, until)
}

// attr goes through the blocks of an attribute's value.
func (p *past) attr(payload []byte, birth, until uint64) (uint64, bool) {
	f := p.f
	x, ok := layout.DecodeXattr(payload)
	if !ok || f.younger(attrBirth(&x), birth) {
		return 0, false
	}
	if len(x.Blocks) == 0 {
		return 0, layout.CRC(x.Value) == x.CRC
	}
	sum, rest := uint32(0), int(x.Size)
	for _, b := range x.Blocks {
		if b == 0 || b >= f.sb.Blocks || !p.use(b, 1, attrBirth(&x), false, until) || !f.readable(b) {
			return 0, false
		}
		n := min(rest, layout.BlockSize)
		sum = layout.CRCUpdate(sum, f.block(b)[:n])
		rest -= n
	}
	return uint64(len(x.Blocks)), sum == x.CRC
}

// leafNames is the names of one hash in a leaf of a directory.
type leafNames struct {
	keys [2]uint64
	base uint64
	same [][]byte
}

// sound reports whether a name is legal, under its hash, and not there already.
func (l *leafNames) sound(key uint64, name []byte) bool {
	base := layout.KeyBase(siphash.Hash(l.keys[0], l.keys[1], name))
	if base != l.base {
		l.base, l.same = base, l.same[:0]
	}
	twice := slices.ContainsFunc(l.same, func(other []byte) bool { return bytes.Equal(other, name) })
	l.same = append(l.same, name)
	return !twice && key >= base && key <= layout.KeyLast(base) && string(name) != "." && string(name) != ".." &&
		bytes.IndexByte(name, '/') < 0 && bytes.IndexByte(name, 0) < 0
}

// vetKeptName gives up the snapshots that have a name of an inode that was not there.
func (f *fixer) vetKeptName(dir, ino uint64, typ uint8, birth, until uint64) {
	s := f.snap
	from, to := s.from(birth), s.upTo(until)
	if from >= to || s.typeIn(f, ino, s.alive[from]) == typ && s.typeIn(f, ino, s.alive[to-1]) == typ {
		return // what was there in the first and in the last was between
	}
	for _, e := range slices.Clone(s.alive[from:to]) {
		if s.typeIn(f, ino, e) != typ {
			f.kill(e, e, "directory %d names inode %d, which is not there", dir, ino)
		}
	}
}

// typeIn returns the type of an inode in a snapshot, 0 if it was not there.
func (s *snaps) typeIn(f *fixer, ino, epoch uint64) uint8 {
	i, _ := slices.BinarySearchFunc(s.versions, version{ino: ino, until: epoch}, byVersion)
	var in layout.Inode
	switch {
	case i < len(s.versions) && s.versions[i].ino == ino:
		in = s.versions[i].in
	case ino < f.file.limit && ino >= layout.RootIno && f.good.has(ino):
		in = f.slot(ino)
	default:
		return 0
	}
	if in.BirthEpoch() > epoch {
		return 0
	}
	return uint8(in.Mode() >> 12)
}

// ofInode calls each with the versions of one inode after the other, the last one first.
func (s *snaps) ofInode(each func(list []version)) {
	for i := 0; i < len(s.versions); {
		n := 1
		for i+n < len(s.versions) && s.versions[i+n].ino == s.versions[i].ino {
			n++
		}
		each(s.versions[i : i+n])
		i += n
	}
}

// judgeVersions gives up the snapshots that have an inode as it was of which something is damaged, gone, or another's.
func (f *fixer) judgeVersions() {
	s := f.snap
	s.ofInode(func(list []version) {
		p := f.newPast(list[0].ino)
		var mine []run
		p.use = func(start, n, birth uint64, _ bool, _ uint64) bool {
			mine = append(mine, run{start, n, birth})
			return f.mayUse(p, start, n, birth)
		}
		for i := len(list) - 1; i >= 0; i-- {
			f.judge(p, &list[i])
		}
		for _, r := range mine {
			for b := r.start; b < r.start+r.n; b++ {
				if !f.owned.has(b) {
					f.owned.set(b)
					s.claimed = append(s.claimed, run{start: b, n: 1})
					s.rewrite = true
				}
			}
		}
	})
}

// judgeRoots gives up the snapshots without a root directory.
func (f *fixer) judgeRoots() {
	s := f.snap
	for _, e := range slices.Clone(s.alive) {
		if s.typeIn(f, layout.RootIno, e) != layout.ModeDir>>12 {
			f.kill(e, e, "its root directory is damaged")
		}
	}
}

func (f *fixer) judge(p *past, v *version) {
	birth := v.in.BirthEpoch()
	if !f.snap.needed(birth, v.until) {
		return
	}
	blocks, ok := p.version(v)
	if !ok {
		f.kill(birth, v.until, "inode %d as it was is damaged, or what it had", v.ino)
		return
	}
	if blocks != v.in.Blocks() {
		v.in.AddBlocks(int64(blocks - v.in.Blocks()))
		v.in.Seal()
		f.snap.rewrite = true
	}
}

// mayUse reports whether blocks can be what a version says: the live inode's, or kept for it, or at least nobody else's and in use.
func (f *fixer) mayUse(p *past, start, n, birth uint64) bool {
	s := f.snap
	for b := start; b < start+n; b++ {
		if p.isLive(b, birth) {
			continue
		}
		i := sort.Search(len(s.entries), func(i int) bool { return s.entries[i].Start+uint64(s.entries[i].Len) > b })
		listed := i < len(s.entries) && s.entries[i].Start <= b
		switch {
		case s.conflict.has(b), f.refused[b], listed && s.entries[i].Owner != p.ino:
			return false
		case listed:
		case f.owned.has(b), f.fixed(b), !f.markedUsed(b):
			return false
		}
	}
	return true
}
