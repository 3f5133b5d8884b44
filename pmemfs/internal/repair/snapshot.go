package repair

import (
	"fmt"
	"slices"
	"sort"

	"pmemfs/pmemfs/internal/layout"
)

// snaps is what an image says of its snapshots, and what of it is kept. A snapshot stands or falls as a whole: when something is damaged
// that it needs, it is removed, and what it alone holds is freed.
type snaps struct {
	table   layout.Table
	found   bool              // the state could be read
	lines   []layout.Snapshot // that can be kept, ascending by epoch
	alive   []uint64          // their epochs
	named   []uint64          // epochs of all in the table, those being deleted included
	rewrite bool              // something is to be changed: all of it is made anew, beside the old

	nodes    []uint64 // of the table and of the shards' trees, and the shard table
	entries  []entryOf
	notes    []note
	versions []version // by number and epoch
	claimed  []run     // blocks of entries
	conflict bitset    // blocks of entries that others have too
	meta     bitset    // nodes that only snapshots have: no live tree has lost them
	unsure   bool      // a list of kept blocks is damaged
	before   map[uint64][layout.InodeSize]byte
	spoiled  bitset // live inodes of which a tree was lost with its root
}

// run is a run of blocks, of a birth epoch.
type run struct{ start, n, birth uint64 }

// hasFeature reports whether the image may have snapshots.
func (f *fixer) hasFeature() bool { return f.sb.Incompat&layout.IncompatSnapshots != 0 }

// readTable reads the table of snapshots, and finds out up to what birth epoch there may be anything.
func (f *fixer) readTable() {
	f.birth = f.sb.BirthEpoch
	if !f.hasFeature() {
		return
	}
	in := f.slot(layout.SnapshotIno)
	if in.Unused() && !f.bad[f.sb.InodeBoot] {
		return // none was made yet
	}
	s := &snaps{conflict: newBitset(f.sb.Blocks), meta: newBitset(f.sb.Blocks), before: map[uint64][layout.InodeSize]byte{}}
	f.snap = s
	whole := in.Sealed(layout.SnapshotIno) && in.Mode()&layout.ModeType == layout.ModeRegular && f.readLines(in)
	if !s.found || f.plan.dropSnapshots && len(s.named) > 0 {
		s.alive, s.lines, s.rewrite = nil, nil, true
		f.lose("snapshots", "all of them: what says which there are is damaged, or there is no room to repair with them")
	}
	s.rewrite = s.rewrite || !whole
	if s.found {
		f.birth = s.table.Epoch
	} else {
		f.birth = f.lastBirth()
	}
}

// lastBirth returns the last birth epoch of an inode, for want of the state.
func (f *fixer) lastBirth() uint64 {
	last := uint64(1)
	for ino := uint64(layout.RootIno); ino < layout.InodeCapacity(f.file.blocks); ino++ {
		if in := f.slot(ino); in.Sealed(ino) && in.BirthEpoch() <= layout.EpochMax {
			last = max(last, in.BirthEpoch())
		}
	}
	return last
}

// readLines reads the tree of inode 7. It returns false when not all of it is as it should be.
func (f *fixer) readLines(in layout.Inode) (whole bool) {
	s := f.snap
	root, height := in.DataRoot()
	_, attrs := in.XattrRoot()
	whole = attrs == 0 && in.InlineCount() == 0 && in.Size() == 0
	if height == 0 || height > layout.MaxHeight {
		return false
	}
	names, seen := map[string]bool{}, map[uint64]bool{}
	w := walk{f: f, tree: tree{layout.SnapshotIno, layout.TreeSnapshot}, claim: func(b uint64) bool {
		fresh := !seen[b] && !f.owned.has(b)
		seen[b] = true
		s.nodes = append(s.nodes, b)
		return fresh
	}}
	var lines []layout.Snapshot
	w.leaf = func(n layout.Node) {
		for i := range n.Count() {
			p := n.Payload(i)
			if n.Key(i) == 0 {
				s.table, s.found = layout.DecodeTable(p)
				whole = whole && s.found && !layout.TableReserved(p)
				continue
			}
			x, ok := layout.DecodeSnapshot(n.Key(i), p)
			if !ok {
				whole = false
				f.lose(snapshotName(n.Key(i)), "it: its line in the table is damaged")
				continue
			}
			whole = whole && !layout.SnapshotReserved(p)
			lines = append(lines, x)
		}
	}
	if !w.run(root, height) {
		whole = false
		f.lose("snapshots", "those whose lines are in nodes of the table that cannot be believed, if there were any")
	}
	for _, x := range lines {
		s.named = append(s.named, x.Epoch)
		switch {
		case x.Flags&layout.SnapshotDeleting != 0:
			continue
		case s.found && x.Epoch >= s.table.Epoch, len(s.lines) == layout.SnapshotMax:
			whole = false
			f.lose(snapshotName(x.Epoch), "it: an epoch that is not over, or one too many")
			continue
		}
		for i := 2; names[x.Name]; i++ {
			whole = false
			x.Name = fmt.Sprintf("%.200s-%d", x.Name, i)
			f.note(false, snapshotName(x.Epoch), "another one has its name: it is called %q now", x.Name)
		}
		names[x.Name] = true
		x.Flags = 0
		s.lines, s.alive = append(s.lines, x), append(s.alive, x.Epoch)
	}
	return whole && (s.table.Rollback == 0 || slices.Contains(s.alive, s.table.Rollback))
}

func snapshotName(epoch uint64) string { return fmt.Sprintf("snapshot of epoch %d", epoch) }

// from returns which of the snapshots that are kept is the first that has what was born in an epoch.
func (s *snaps) from(birth uint64) int {
	return sort.Search(len(s.alive), func(i int) bool { return s.alive[i] >= birth })
}

// upTo returns how many of them were made up to an epoch.
func (s *snaps) upTo(until uint64) int {
	return sort.Search(len(s.alive), func(i int) bool { return s.alive[i] > until })
}

// needed reports whether a snapshot that is kept has what was so from one epoch until another.
func (s *snaps) needed(birth, until uint64) bool { return s.from(birth) < s.upTo(until) }

// younger reports whether what was born in an epoch cannot belong to what was born in another one.
func (f *fixer) younger(birth, parent uint64) bool {
	return f.snap != nil && birth > parent && f.snap.from(birth) > f.snap.from(parent)
}

// newest returns the epoch of the newest snapshot that is kept, 0 for none.
func (s *snaps) newest() uint64 {
	if len(s.alive) == 0 {
		return 0
	}
	return s.alive[len(s.alive)-1]
}

// kill gives up the snapshots that have what was so from one epoch until another.
func (f *fixer) kill(birth, until uint64, format string, args ...any) {
	s := f.snap
	from, to := s.from(birth), s.upTo(until)
	if from >= to {
		return
	}
	s.rewrite = true
	for _, x := range s.lines[from:to] {
		f.lose(fmt.Sprintf("snapshot %q", x.Name), "it: "+format, args...)
	}
	s.lines = append(s.lines[:from:from], s.lines[to:]...)
	s.alive = append(s.alive[:from:from], s.alive[to:]...)
}
