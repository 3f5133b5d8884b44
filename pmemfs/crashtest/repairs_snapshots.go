package crashtest

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"pmemfs/pmemfs/internal/layout"
)

// A pastWound is damage of an image with three snapshots, and what a repair may change beyond it.
type pastWound struct {
	do    func(p *past) error
	lost  []string // snapshots that it costs
	files []string // live files that it costs, or changes
	many  bool     // the repair takes several records
}

// pastWounds are the kinds of damage of snapshots that are repaired.
var pastWounds = []pastWound{
	{do: woundedKeptInode, lost: []string{"s1"}},
	{do: woundedKeptNode, lost: []string{"s1"}},
	{do: func(p *past) error { p.table()[100] ^= 1; return nil }, lost: []string{"s1", "s2", "s3"}},
	{do: woundedLine, lost: []string{"s2"}},
	{do: func(p *past) error { return p.state(func(t *layout.Table) { t.Count = 3 }) }, lost: []string{"s1", "s2", "s3"}},
	{do: woundedEntry},
	{do: woundedShared, lost: []string{"s1", "s2", "s3"}, files: []string{"/d/same"}},
	{do: claimedData, lost: []string{"s1"}, files: []string{"/thief"}},
	{do: woundedName, files: []string{"/e/", "/e/gone"}},
	{do: func(p *past) error {
		return errors.Join(woundedName(p), woundedKeptInode(p))
	}, lost: []string{"s1"}, files: []string{"/e/", "/e/gone"}},
	{do: woundedNames, many: true},
}

// manyDirs is how many directories lose a name. The new blocks and some inodes fill a record, and other inodes are in a second one: a repair
// that stored inode 7 last would be cut between live inodes that have changed and what keeps them.
const manyDirs = 18

// pastTrace repairs a damaged image that has snapshots. What is left by a power cut becomes by a second repair what the first one left
// in peace makes. There the live files are as they were, but for those that the damage hit, and each snapshot is as it was, or gone.
func pastTrace(seed uint64) (*Trace, error) {
	w := pastWounds[seed%uint64(len(pastWounds))]
	dirs := 0
	if w.many {
		dirs = manyDirs
	}
	s, err := pastStart(dirs)
	if err != nil {
		return nil, err
	}
	before, err := s.dumped()
	if err != nil {
		return nil, err
	}
	s.medium = slices.Clone(s.medium)
	p, err := newPast(s)
	if err == nil {
		err = w.do(p)
	}
	if err != nil {
		return nil, err
	}
	t, err := s.repaired(w.many)
	if err != nil {
		return nil, err
	}
	return t, w.spares(before, t.states.dumps[0])
}

// spares compares what a repair has made with what was there before the damage.
func (w pastWound) spares(before, after dump) error {
	kept := func(d dump) dump {
		return slices.DeleteFunc(slices.Clone(d), func(line string) bool {
			path, _, _ := strings.Cut(line, " ")
			of := func(name string) bool {
				return strings.HasPrefix(line, fmt.Sprintf("snapshot %q ", name)) || strings.HasPrefix(line, "@"+name+"/")
			}
			return slices.ContainsFunc(w.lost, of) || slices.Contains(w.files, path) || w.many && strings.HasPrefix(path, "/many") || strings.HasPrefix(line, "free ")
		})
	}
	for _, name := range w.lost {
		for _, line := range after {
			if strings.HasPrefix(line, "@"+name+"/") {
				return fmt.Errorf("a repair has left snapshot %s, of which something is damaged", name)
			}
		}
	}
	if !slices.Equal(kept(before), kept(after)) {
		return fmt.Errorf("a repair changes more than the damage has cost:\n%s", kept(before).diff(kept(after)))
	}
	return nil
}

// pastStart is a filesystem with three snapshots, between which something of each kind has changed, and so many more directories.
func pastStart(dirs int) (start, error) {
	return preparedStart(fmt.Sprint("past ", dirs), false, func() []Op {
		var ops []Op
		for i := range layout.BlockSize / layout.InodeSize { // so that the live inodes that are damaged are not in the block of inode 7
			ops = append(ops, Op{Verb: "create", Path: fmt.Sprint(i)})
		}
		ops = append(ops, []Op{
			{Verb: "mkdir", Path: "d"}, {Verb: "mkdir", Path: "e"}, {Verb: "create", Path: "d/a"}, {Verb: "create", Path: "d/map"}, {Verb: "create", Path: "d/same"},
			{Verb: "write", Path: "d/a", A: 30_000}, {Verb: "create", Path: "e/gone"}, {Verb: "create", Path: "e/stays"}, {Verb: "symlink", Path: "l", A: 300},
			{Verb: "create", Path: "thief"}, {Verb: "write", Path: "thief", A: 9000}, {Verb: "setxattr", Path: "d/a", A: 9000},
		}...)
		for i := range int64(10) {
			ops = append(ops, Op{Verb: "write", Path: "d/map", A: 4096, B: 8192 * i}, Op{Verb: "write", Path: "d/same", A: 4096, B: 8192 * i})
		}
		for i := range dirs {
			ops = append(ops, Op{Verb: "mkdir", Path: fmt.Sprint("many", i)}, Op{Verb: "create", Path: fmt.Sprintf("many%d/gone", i)}, Op{Verb: "create", Path: fmt.Sprintf("many%d/stays", i)})
		}
		ops = append(ops,
			Op{Verb: "snapshot", Path: "s1"}, Op{Verb: "write", Path: "d/a", A: 9000, B: 100}, Op{Verb: "write", Path: "d/map", A: 20_000},
			Op{Verb: "snapshot", Path: "s2"}, Op{Verb: "write", Path: "d/a", A: 5000}, Op{Verb: "unlink", Path: "l"},
			Op{Verb: "snapshot", Path: "s3"}, Op{Verb: "chmod", Path: "e/gone", A: 0o600, B: 3}, Op{Verb: "append", Path: "thief", A: 3000}, Op{Verb: "create", Path: "new"},
		)
		for i := range dirs {
			ops = append(ops, Op{Verb: "chmod", Path: fmt.Sprintf("many%d/gone", i), A: 0o600})
		}
		return ops
	})
}

// past is the medium of an image with snapshots, in which damage is done.
type past struct {
	start
	sb *layout.Superblock
}

func newPast(s start) (*past, error) {
	sb, err := layout.DecodeSuperblock(s.medium)
	return &past{s, sb}, err
}

// block returns a block.
func (p *past) block(b uint64) []byte { return p.medium[layout.BlockOffset(b):][:layout.BlockSize] }

// node changes a node and seals it.
func (p *past) node(b uint64, f func(n layout.Node)) {
	f(layout.Node(p.block(b)))
	layout.Seal(p.block(b))
}

// top returns the only node of the table of snapshots.
func (p *past) top() uint64 {
	b, _ := layout.Inode(p.medium[layout.BlockOffset(p.sb.InodeBoot)+layout.SnapshotIno*layout.InodeSize:][:layout.InodeSize]).DataRoot()
	return b
}

// state changes the state of the snapshots.
func (p *past) state(f func(t *layout.Table)) error {
	t, ok := layout.DecodeTable(layout.Node(p.block(p.top())).Payload(0))
	if !ok {
		return errors.New("the image has no snapshots")
	}
	f(&t)
	p.node(p.top(), func(n layout.Node) { n.Replace(0, layout.EncodeTable(&t)) })
	return nil
}

// table returns the shard table.
func (p *past) table() layout.ShardTable {
	t, _ := layout.DecodeTable(layout.Node(p.block(p.top())).Payload(0))
	return layout.ShardTable(p.block(t.Shards))
}

// kept calls f with what is kept of a file: the root of the tree of kept inodes or of the list of kept blocks of its shard, which is a leaf,
// and the index of the first record that match likes.
func (p *past) kept(path string, blocks bool, match func(ino, key uint64, payload []byte) bool, f func(n layout.Node, i int)) error {
	ino, err := p.lookup(path)
	if err != nil {
		return err
	}
	t, _ := layout.DecodeTable(layout.Node(p.block(p.top())).Payload(0))
	line := p.table().Shard(layout.ShardOf(ino, t.Count))
	b := line.Inodes
	if blocks {
		b = line.Blocks
	}
	if b == 0 || layout.Node(p.block(b)).Level() != 0 {
		return fmt.Errorf("what is kept of %s is in no leaf", path)
	}
	n := layout.Node(p.block(b))
	for i := range n.Count() {
		if match(ino, n.Key(i), n.Payload(i)) {
			f(n, i)
			return nil
		}
	}
	return fmt.Errorf("nothing such is kept of %s", path)
}

// firstRun likes the first run of data, or of nodes, that is kept of a file.
func firstRun(flags uint32) func(ino, key uint64, payload []byte) bool {
	return func(ino, _ uint64, payload []byte) bool {
		k, ok := layout.DecodeKept(payload)
		return ok && k.Owner == ino && k.Flags == flags
	}
}

// woundedKeptInode damages an inode as it was.
func woundedKeptInode(p *past) error {
	return p.kept("d/a", false, func(ino, key uint64, _ []byte) bool {
		n, _ := layout.KeptInodeOf(key)
		return n == ino
	}, func(n layout.Node, i int) {
		n.Payload(i)[40] ^= 1
		layout.Seal(n)
	})
}

// woundedKeptNode damages a node of a map as it was.
func woundedKeptNode(p *past) error {
	return p.kept("d/map", true, firstRun(layout.KeptMeta), func(n layout.Node, i int) {
		k, _ := layout.DecodeKept(n.Payload(i))
		p.block(k.Start)[3999] ^= 1
	})
}

// woundedLine makes the line of a snapshot one that makes no sense.
func woundedLine(p *past) error {
	n := layout.Node(p.block(p.top()))
	for i := 1; i < n.Count(); i++ {
		if x, ok := layout.DecodeSnapshot(n.Key(i), n.Payload(i)); ok && x.Name == "s2" {
			x.Name = "a/b"
			n.Replace(i, layout.EncodeSnapshot(&x))
			layout.Seal(n)
			return nil
		}
	}
	return errors.New("there is no snapshot s2")
}

// woundedEntry removes an entry for data from a list of kept blocks.
func woundedEntry(p *past) error {
	return p.kept("d/a", true, firstRun(0), func(n layout.Node, i int) {
		n.Delete(i)
		layout.Seal(n)
	})
}

// woundedShared damages a node that a live file shares with all snapshots.
func woundedShared(p *past) error {
	return p.edit(p.sb, "d/same", func(in layout.Inode) {
		b, _ := in.DataRoot()
		p.block(b)[3999] ^= 1
	})
}

// claimedData lets a live file own data that is kept.
func claimedData(p *past) error {
	var k layout.Kept
	if err := p.kept("d/a", true, firstRun(0), func(n layout.Node, i int) { k, _ = layout.DecodeKept(n.Payload(i)) }); err != nil {
		return err
	}
	return p.edit(p.sb, "thief", func(in layout.Inode) {
		e := in.InlineExtent(0)
		e.Phys = k.Start
		in.SetInlineExtent(0, e)
	})
}

// woundedName damages a live inode whose name is in a directory that is shared with all snapshots, and which itself is kept for them.
func woundedName(p *past) error {
	return p.edit(p.sb, "e/gone", func(in layout.Inode) { in.SetMode(0x3000) })
}

// woundedNames does the same in many directories.
func woundedNames(p *past) (err error) {
	for i := range manyDirs {
		err = errors.Join(err, p.edit(p.sb, fmt.Sprintf("many%d/gone", i), func(in layout.Inode) { in.SetMode(0x3000) }))
	}
	return err
}
