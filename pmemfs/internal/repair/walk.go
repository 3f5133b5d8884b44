package repair

import (
	"bytes"
	"math"
	"slices"

	"pmemfs/pmemfs/internal/layout"
)

// tree names a tree: whose, and what kind.
type tree struct {
	ino  uint64
	kind uint8
}

// record is one record of a tree. The payload aliases the medium or a block of the plan.
type record struct {
	key     uint64
	payload []byte
	birth   uint64 // of its node
}

// walk goes through a tree as far as its nodes can be believed.
type walk struct {
	f     *fixer
	tree  tree
	claim func(block uint64) bool // asked for each node that can be believed; false leaves it out
	// suspect, if not nil, is called for what should be a leaf and cannot be believed.
	suspect func(block uint64)
	leaf    func(n layout.Node) // called with each leaf, in key order if the tree is whole
	birth   uint64              // of what points to the root; 0 for what does not matter
}

// run walks and reports whether all nodes could be believed. A height of 0 is an empty tree.
func (w *walk) run(root uint64, height uint8) bool {
	if w.birth == 0 || w.tree.ino < layout.RootIno {
		w.birth = layout.EpochMax
	}
	return height == 0 || w.visit(root, int(height)-1, 0, math.MaxUint64, w.birth)
}

func (w *walk) visit(block uint64, level int, lo, hi, birth uint64) bool {
	if block == 0 || block >= w.f.sb.Blocks {
		return false
	}
	n, ok := w.f.node(block, w.tree)
	if !ok || int(n.Level()) != level || n.Count() == 0 || !w.claim(block) {
		if w.suspect != nil && level == 0 {
			w.suspect(block)
		}
		return false
	}
	n = w.f.fixBirth(n, block, birth)
	whole := inRange(n, lo, hi)
	if level == 0 {
		w.leaf(n)
		return whole
	}
	for i := range n.Count() {
		first, last := lo, hi
		if i > 0 {
			first = n.Key(i)
		}
		if i+1 < n.Count() {
			last = n.Key(i+1) - 1
		}
		whole = w.visit(n.Child(i), level-1, first, last, w.birthOf(n)) && whole
	}
	return whole
}

// birthOf returns up to what birth epoch a child of a node may be.
func (w *walk) birthOf(n layout.Node) uint64 {
	if w.birth == layout.EpochMax {
		return w.birth
	}
	return n.Birth()
}

// fixBirth puts right a node that is younger than what points to it, or from the future: what is taken for older is changed less in place.
func (f *fixer) fixBirth(n layout.Node, block, birth uint64) layout.Node {
	max := birth
	switch {
	case n.Birth() > f.birth && (n.Owner() >= layout.RootIno || !f.hasFeature()):
		max = min(f.birth, birth)
	case !f.younger(n.Birth(), birth):
		return n
	}
	n = layout.Node(f.edit(block))
	setBirth(n, max)
	layout.Seal(n)
	return n
}

// inRange reports whether a node's keys are where its parents say. The key of record 0 of an inner node bounds nothing.
func inRange(n layout.Node, lo, hi uint64) bool {
	first := 0
	if n.Level() > 0 {
		first = 1
	}
	return first >= n.Count() || n.Key(first) >= lo && n.Key(n.Count()-1) <= hi
}

// node returns a node of a tree if it can be believed. A wrong checksum is put right when the journal is damaged: it may
// have been due.
func (f *fixer) node(block uint64, t tree) (layout.Node, bool) {
	n := layout.Node(f.block(block))
	if !layout.IsNode(n) || n.Kind() != t.kind || n.Owner() != t.ino {
		return nil, false
	}
	sealed := layout.Sealed(n)
	if !sealed && !f.stale || n.Validate(block) != nil || n.Overlap() {
		return nil, false
	}
	if !sealed || n.Reserved() {
		n = layout.Node(f.edit(block))
		n.ClearReserved()
		layout.Seal(n)
	}
	if !sealed {
		// Only the damaged journal says that the checksum may have been due. It must be right before that journal is
		// retired: a repair that is cut short between the two would be gone on with by one that knows no reason.
		f.plan.replayed[block] = bytes.Clone(n)
	}
	return n, true
}

// dataTree returns the data tree of an inode in use, if its type has one.
func dataTree(in layout.Inode, ino uint64) (t tree, ok bool) {
	switch in.Mode() & layout.ModeType {
	case layout.ModeDir:
		return tree{ino, layout.TreeDir}, true
	case layout.ModeRegular:
		switch ino {
		case layout.OrphanIno:
			return tree{ino, layout.TreeOrphan}, true
		case layout.QuotaIno:
			return tree{ino, layout.TreeAccounts}, true
		}
		return tree{ino, layout.TreeExtent}, ino != layout.InodeFileIno && ino != layout.SnapshotIno
	case layout.ModeSymlink:
		return tree{ino, layout.TreeExtent}, in.Flags()&layout.FlagInlineTarget == 0
	}
	return t, false
}

// root returns where a tree of an inode begins.
func root(in layout.Inode, kind uint8) (uint64, uint8) {
	if kind == layout.TreeXattr {
		return in.XattrRoot()
	}
	return in.DataRoot()
}

// broken returns the set of inodes whose tree of a kind has to be made anew.
func (f *fixer) broken(kind uint8) bitset {
	if kind == layout.TreeXattr {
		return f.noAttrs
	}
	return f.noData
}

// trees claims the nodes of all trees, and finds those trees of which something is missing.
func (f *fixer) trees() {
	for ino := uint64(layout.OrphanIno); ino < f.file.limit; ino++ {
		if !f.good.has(ino) {
			continue
		}
		in := f.slot(ino)
		if t, ok := dataTree(in, ino); ok {
			f.claimTree(in, t)
		}
		if ino != layout.SnapshotIno {
			f.claimTree(in, tree{ino, layout.TreeXattr})
		}
	}
}

func (f *fixer) claimTree(in layout.Inode, t tree) {
	block, height := root(in, t.kind)
	w := walk{f: f, tree: t, leaf: func(layout.Node) {}, birth: in.BirthEpoch()}
	if t.kind == layout.TreeDir {
		w.suspect = func(b uint64) { f.suspects = append(f.suspects, suspect{t.ino, b}) }
	}
	w.claim = func(b uint64) bool {
		if f.owned.has(b) {
			return false
		}
		f.owned.set(b)
		f.blocks[t.ino]++
		return true
	}
	if !w.run(block, height) {
		f.broken(t.kind).set(t.ino)
	}
}

// scan looks for leaves that broken trees, and inodes that cannot be read, have lost: every node says whose it is. Only
// blocks that are marked used and that nobody owns are looked at, so what was freed does not come back.
func (f *fixer) scan() {
	if f.good.has(layout.RootIno) && !f.slot(layout.RootIno).IsDir() {
		f.good.clear(layout.RootIno)
		f.lost.set(layout.RootIno)
	}
	if f.good.has(layout.RootIno) && !slices.ContainsFunc(slices.Concat(f.noData, f.noAttrs, f.lost), func(w uint64) bool { return w != 0 }) {
		return
	}
	for b := range f.sb.Blocks {
		if f.owned.has(b) || !f.markedUsed(b) {
			continue
		}
		n := layout.Node(f.block(b))
		if !layout.IsNode(n) || n.Level() != 0 || n.Owner() >= f.file.limit {
			continue
		}
		t := tree{n.Owner(), n.Kind()}
		if !f.misses(t) || f.snap != nil && f.snap.meta.has(b) {
			continue
		}
		if _, ok := f.node(b, t); ok {
			f.leaves[t] = append(f.leaves[t], b)
			f.owned.set(b)
		}
	}
	f.resurrect()
}

// misses reports whether a leaf of a tree may have been lost.
func (f *fixer) misses(t tree) bool {
	switch {
	case f.lost.has(t.ino):
		return t.kind == layout.TreeDir || t.kind == layout.TreeExtent || t.kind == layout.TreeXattr
	case t.kind == layout.TreeXattr:
		return f.noAttrs.has(t.ino)
	case !f.noData.has(t.ino):
		return false
	}
	own, ok := dataTree(f.slot(t.ino), t.ino)
	return ok && own == t
}

// resurrect makes anew those inodes of which a tree is left, and the root directory in any case.
func (f *fixer) resurrect() {
	for ino := uint64(layout.RootIno); ino < f.file.limit; ino++ {
		dir, data := len(f.leaves[tree{ino, layout.TreeDir}]) > 0, len(f.leaves[tree{ino, layout.TreeExtent}]) > 0
		isRoot := ino == layout.RootIno && !f.good.has(ino)
		switch {
		case !f.lost.has(ino) && !isRoot:
		case isRoot:
			f.revive(ino, layout.ModeDir|0o755)
			f.keepGen(ino)
			f.lose("root directory", "its attributes: it is made anew, of root, with mode 0755")
		case dir:
			f.revive(ino, layout.ModeDir|layout.ModeUserAll)
			f.lose(inodeName(ino), "its attributes: the directory is made anew, of root, with mode 0700")
		case data:
			f.revive(ino, layout.ModeRegular|0o600)
			f.noSize[ino] = true
			f.lose(inodeName(ino), "its attributes: the file is made anew, of root, with mode 0600, as long as its blocks")
		default:
			f.lose(inodeName(ino), "all of it: its checksum is wrong, or its fields make no sense")
		}
	}
}

// keepGen gives an inode that is made anew the generation that snapshots know.
func (f *fixer) keepGen(ino uint64) {
	if f.snap == nil {
		return
	}
	if v := f.snap.last(ino); v != nil {
		to := f.change(ino)
		to.SetGen(v.in.Gen())
		to.Seal()
	}
}

// revive makes an inode anew in a slot that was cleared.
func (f *fixer) revive(ino uint64, mode uint16) {
	in := f.change(ino)
	layout.InitInode(in, ino, f.newGen())
	in.SetMode(mode)
	in.SetNlink(1)
	in.SetBirthEpoch(f.birth)
	for _, set := range []func(int64){in.SetAtime, in.SetMtime, in.SetCtime, in.SetBtime} {
		set(f.sb.Created)
	}
	if in.IsDir() {
		in.SetNlink(2)
		in.SetParent(layout.RootIno)
	}
	in.Seal()
	f.good.set(ino)
	f.noData.set(ino)
	f.noAttrs.set(ino)
}

// records calls each with the records of a tree: in key order, each key once, those of lost leaves included.
func (f *fixer) records(in layout.Inode, t tree, each func(r record)) {
	visited := map[uint64]bool{}
	var all []record
	isBroken := f.broken(t.kind).has(t.ino)
	leaf := func(n layout.Node) {
		for i := range n.Count() {
			if r := (record{n.Key(i), n.Payload(i), n.Birth()}); isBroken {
				all = append(all, r)
			} else {
				each(r)
			}
		}
	}
	w := walk{f: f, tree: t, leaf: leaf, claim: func(b uint64) bool {
		fresh := !visited[b] && !f.taken.has(b)
		visited[b] = true
		return fresh
	}}
	w.run(root(in, t.kind))
	if !isBroken {
		return
	}
	for _, b := range f.leaves[t] {
		if n, ok := f.node(b, t); ok && !visited[b] {
			leaf(n)
		}
	}
	slices.SortStableFunc(all, func(a, b record) int {
		switch {
		case a.key < b.key:
			return -1
		case a.key > b.key:
			return 1
		}
		return 0
	})
	for i, r := range all {
		if i == 0 || r.key != all[i-1].key {
			each(r)
		}
	}
}
