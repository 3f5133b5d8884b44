package crashtest

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"pmemfs/pmemfs"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/pmem"
)

// A frozen is a snapshot in a model: all files as they were, which nothing changes any more.
type frozen struct {
	root   *node
	number int // the later, the higher
	pinned bool
}

// forced says of a rollback that newer snapshots are to be deleted.
const forced = 1

// snapshots adds each snapshot, with all that is in it.
func (d *dump) snapshots(fs *pmemfs.FS) error {
	list, _, err := fs.Snapshots()
	if err != nil {
		return err
	}
	for _, s := range list {
		*d = append(*d, fmt.Sprintf("snapshot %q %q of %d at %d, held by %q", s.Name, s.Text, s.Epoch, s.Time, s.Holds))
		if err := d.dir(fs, "@"+s.Name+"/", fs.Root().In(s.Epoch)); err != nil {
			return err
		}
	}
	return nil
}

// freeze returns a copy of a file and all below it, in which each file knows the one that it is a copy of.
func (n *node) freeze(seen map[*node]*node) *node {
	if c := seen[n]; c != nil {
		return c
	}
	c := *n
	c.orig, c.data, c.xattrs = n, slices.Clone(n.data), maps.Clone(n.xattrs)
	seen[n] = &c
	if n.kids != nil {
		c.kids = map[string]*node{}
		for name, k := range n.kids {
			c.kids[name] = k.freeze(seen)
		}
	}
	return &c
}

// thaw makes a file what it was. live has the files that are there.
func (f *node) thaw(live, done map[*node]bool) *node {
	n := f.orig
	if done[n] {
		return n
	}
	done[n] = true
	if !live[n] || n.stamps != f.stamps {
		now := n.stamps.change
		n.stamps, n.effect = f.stamps, changed
		if live[n] {
			n.stamps.change = max(now, f.stamps.change)
		}
	}
	n.typ, n.mode, n.uid, n.nlink = f.typ, f.mode, f.uid, f.nlink
	n.data, n.xattrs = slices.Clone(f.data), maps.Clone(f.xattrs)
	if f.kids != nil {
		n.kids = map[string]*node{}
		for name, k := range f.kids {
			n.kids[name] = k.thaw(live, done)
		}
	}
	return n
}

// gather notes a file and all below it.
func (n *node) gather(all map[*node]bool) {
	all[n] = true
	for _, k := range n.kids {
		k.gather(all)
	}
}

// applySnapshot makes, deletes or goes back to a snapshot, and says whether that should succeed.
func (m *model) applySnapshot(o Op) bool {
	s := m.snaps[o.Path]
	switch {
	case o.Verb == "snapshot":
		if s != nil {
			return false
		}
		m.made++
		m.snaps[o.Path] = &frozen{root: m.root.freeze(map[*node]*node{}), number: m.made}
		return true
	case s == nil:
		return false
	case o.Verb == "unsnapshot":
		delete(m.snaps, o.Path)
		return true
	case o.Verb == "pin", o.Verb == "unpin":
		s.pinned = o.Verb == "pin"
		return true
	}
	newer := func(_ string, other *frozen) bool { return other.number > s.number }
	for name, other := range m.snaps {
		if newer(name, other) && (o.A != forced || other.pinned) {
			return false
		}
	}
	maps.DeleteFunc(m.snaps, newer)
	live := map[*node]bool{}
	m.root.gather(live)
	s.root.thaw(live, map[*node]bool{})
	return true
}

// loadSnapshots takes the snapshots of a filesystem that a workload starts from into a model. byIno has its files.
func (m *model) loadSnapshots(fs *pmemfs.FS, byIno map[uint64]*node) error {
	m.snaps = map[string]*frozen{}
	list, _, err := fs.Snapshots()
	for _, s := range list {
		then := map[uint64]*node{}
		n, lerr := load(fs, fs.Root().In(s.Epoch), then)
		if err = errors.Join(err, lerr); err != nil {
			return err
		}
		for ino, f := range then {
			if byIno[ino] == nil {
				byIno[ino] = &node{}
			}
			f.orig = byIno[ino]
		}
		m.made++
		m.snaps[s.Name] = &frozen{root: n, number: m.made}
	}
	return err
}

// sameSnapshots compares all snapshots with those of a filesystem, which are read through their handles.
func (m *model) sameSnapshots(fs *pmemfs.FS, at span) error {
	list, _, err := fs.Snapshots()
	if err != nil {
		return err
	}
	if len(list) != len(m.snaps) {
		return fmt.Errorf("there are %d snapshots, expected %d", len(list), len(m.snaps))
	}
	for _, s := range list {
		f := m.snaps[s.Name]
		if f == nil {
			return fmt.Errorf("there is a snapshot %q", s.Name)
		}
		got, err := load(fs, fs.Root().In(s.Epoch), map[uint64]*node{})
		if err == nil {
			err = f.root.same(got, "@"+s.Name+"/", at, map[*node]bool{})
		}
		if err != nil {
			return fmt.Errorf("snapshot %q: %w", s.Name, err)
		}
	}
	return nil
}

// later is what a rollback that was cut short and gone on with makes otherwise.
var later = regexp.MustCompile(`(Ctime|Change):[0-9]+`)

// rolledBack reports whether a state is that after a rollback, which recovery has finished.
func (t *Trace) rolledBack(op int, got dump) bool {
	plain := func(d dump) []string {
		var list []string
		for _, s := range d {
			if strings.HasPrefix(s, "/") {
				s = later.ReplaceAllString(s, "$1")
			}
			list = append(list, s)
		}
		return list
	}
	return op+1 < len(t.states.dumps) && slices.Equal(plain(t.states.dumps[op+1]), plain(got))
}

// deletedNewer reports whether a state is that before a forced rollback, but for one or more of the newer snapshots: they go before anything
// else changes, the newest first.
func (t *Trace) deletedNewer(op int, got dump) bool {
	before, after := t.states.dumps[op], t.states.dumps[op+1]
	var newer []string
	epochs := map[string]int{}
	for _, line := range before {
		if name, epoch, ok := snapshotOf(line); ok && !slices.ContainsFunc(after, func(s string) bool { n, _, is := snapshotOf(s); return is && n == name }) {
			newer, epochs[name] = append(newer, name), epoch
		}
	}
	slices.SortFunc(newer, func(a, b string) int { return epochs[b] - epochs[a] })
	for i := range newer {
		rest := slices.DeleteFunc(slices.Clone(before[:len(before)-1]), func(line string) bool {
			name, _, _ := snapshotOf(line)
			return slices.ContainsFunc(newer[:i+1], func(gone string) bool { return name == gone || strings.HasPrefix(line, "@"+gone+"/") })
		})
		if slices.Equal(rest, got[:len(got)-1]) {
			return true
		}
	}
	return false
}

// snapshotOf returns which snapshot a line of a dump is about, if it is the line of one.
func snapshotOf(line string) (name string, epoch int, ok bool) {
	var text string
	n, err := fmt.Sscanf(line, "snapshot %q %q of %d", &name, &text, &epoch)
	return name, epoch, n == 3 && err == nil
}

// withoutSnapshots deletes all snapshots.
func withoutSnapshots(fs *pmemfs.FS) error {
	list, _, err := fs.Snapshots()
	for _, s := range list {
		for _, h := range s.Holds {
			err = errors.Join(err, fs.ReleaseSnapshot(s.Name, h))
		}
		err = errors.Join(err, fs.DeleteSnapshot(s.Name))
	}
	return err
}

// snapsTrace runs random operations with snapshots among them: made, deleted, gone back to. It begins without any.
func snapsTrace(seed uint64) (*Trace, error) {
	d := pmem.CacheFlush
	if seed%8 == 7 {
		d = pmem.PageCache
	}
	s, err := emptyStart(d, withSums(seed))
	if err != nil {
		return nil, err
	}
	m := newMix(seed + 900)
	m.names, m.large, m.grow = 10, 20_000, seed%3 == 0
	var ops []Op
	some := func(n int) {
		for len(ops) < n {
			if o := m.choose(); o.Verb != "hold" { // what has no name when a snapshot is made is not there after going back
				m.model.apply(listed(o))
				ops = append(ops, listed(o))
			}
		}
	}
	add := func(o Op) {
		m.model.apply(o)
		ops = append(ops, o)
	}
	some(8)
	for i := range 6 {
		names := slices.Sorted(maps.Keys(m.model.snaps))
		switch k := (uint64(i) + seed) % 4; {
		case k == 2 && len(names) > 0:
			add(Op{Verb: "unsnapshot", Path: names[m.rng.IntN(len(names))]})
		case k == 3 && len(names) > 1 && seed%2 == 1:
			add(Op{Verb: "rollback", Path: names[0], A: forced})
		case k == 3 && len(names) > 0:
			add(Op{Verb: "rollback", Path: names[len(names)-1]})
		default:
			add(Op{Verb: "snapshot", Path: fmt.Sprintf("s%d", i)})
		}
		some(len(ops) + 5)
	}
	t, err := s.trace(ops, plainly)
	if err == nil {
		t.final = bothSuperblocks
	}
	return t, err
}

// bothSuperblocks asserts that either superblock of an image says what the other one does: each has to do alone when memory goes bad.
func bothSuperblocks(sure []byte) error {
	sb, err := layout.DecodeSuperblock(sure)
	if err == nil && !bytes.Equal(sure[:layout.BlockSize], sure[layout.BlockOffset(sb.Backup):][:layout.BlockSize]) {
		err = errors.New("the superblocks differ in the end")
	}
	return err
}

// reapTrace deletes snapshots that alone hold more than a record frees, in files of many extents.
func reapTrace(seed uint64) (*Trace, error) {
	s, err := preparedStart("reap", withSums(seed), func() []Op {
		ops := []Op{{Verb: "create", Path: "a"}, {Verb: "create", Path: "b"}, {Verb: "mkdir", Path: "d"}}
		for i := range int64(90) {
			ops = append(ops, Op{Verb: "write", Path: "a", A: 4096, B: 8192 * i}, Op{Verb: "write", Path: "b", A: 4096, B: 8192 * i})
		}
		for i := range 20 {
			ops = append(ops, Op{Verb: "create", Path: fmt.Sprintf("d/%d", i)})
		}
		ops = append(ops, Op{Verb: "snapshot", Path: "s1"}, Op{Verb: "unlink", Path: "a"}, Op{Verb: "snapshot", Path: "s2"},
			Op{Verb: "write", Path: "b", A: 300_000}, Op{Verb: "snapshot", Path: "s3"}, Op{Verb: "truncate", Path: "b", A: 100})
		return ops
	})
	if err != nil {
		return nil, err
	}
	names := []string{"s1", "s2", "s3"}
	var ops []Op
	for i := range uint64(3) {
		ops = append(ops, Op{Verb: "unsnapshot", Path: names[(i+seed)%3]}, Op{Verb: "append", Path: "b", A: 5000}, Op{Verb: "unlink", Path: fmt.Sprintf("d/%d", i)})
	}
	return s.trace(ops, plainly)
}

// backTrace goes back to a snapshot over changes of every kind, twice, and then to an older one.
func backTrace(seed uint64) (*Trace, error) {
	s, err := preparedStart("back", withSums(seed), func() []Op {
		ops := []Op{
			{Verb: "mkdir", Path: "d"}, {Verb: "mkdir", Path: "d/e"}, {Verb: "create", Path: "a"}, {Verb: "write", Path: "a", A: 30_000},
			{Verb: "create", Path: "d/b"}, {Verb: "setxattr", Path: "d/b", A: 9000}, {Verb: "symlink", Path: "l", A: 300}, {Verb: "link", Path: "d/e/c", To: "a"},
		}
		for i := range int64(5) {
			ops = append(ops, Op{Verb: "write", Path: "d/b", A: 4096, B: 8192 * i})
		}
		return append(ops, Op{Verb: "snapshot", Path: "s1"}, Op{Verb: "chmod", Path: "d/b", A: 0o600, B: 3}, Op{Verb: "snapshot", Path: "s2"})
	})
	if err != nil {
		return nil, err
	}
	changes := []Op{
		{Verb: "rename", Path: "d/b", To: "d/e/f"}, {Verb: "write", Path: "a", A: 9000, B: 100}, {Verb: "unlink", Path: "l"},
		{Verb: "create", Path: "new"}, {Verb: "append", Path: "new", A: 20_000}, {Verb: "setxattr", Path: "d/e/f", A: 5000}, {Verb: "truncate", Path: "d/e/f", A: 50_000},
		{Verb: "unlink", Path: "d/e/c"}, {Verb: "mkdir", Path: "d/g"}, {Verb: "rename", Path: "d/e", To: "d/g/h"}, {Verb: "punch", Path: "d/g/h/f", A: 20_000, B: 5000},
	}
	back := Op{Verb: "rollback", Path: "s2"}
	ops := slices.Clone(changes[:3+seed%uint64(len(changes)-2)])
	ops = append(ops, back)
	ops = append(ops, changes[:2+seed%3]...)
	ops = append(ops, back)
	oldest := Op{Verb: "rollback", Path: "s1"}
	if seed%2 == 1 {
		oldest.A = forced
		ops = append(ops, Op{Verb: "snapshot", Path: "s3"}, Op{Verb: "pin", Path: "s2"}, oldest, Op{Verb: "unpin", Path: "s2"}) // s2 is in the way, and s3 stays
	} else {
		ops = append(ops, Op{Verb: "unsnapshot", Path: "s2"})
	}
	ops = append(ops, Op{Verb: "write", Path: "a", A: 500}, oldest, Op{Verb: "append", Path: "a", A: 6000})
	t, err := s.trace(ops, plainly)
	if err == nil {
		t.few = true // there are many records, and each recovery makes as many
	}
	return t, err
}
