package pmemfs

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"pmemfs/pmemfs/internal/check"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/testpart"
)

// surgery is a healthy medium with known objects, to be damaged one byte or field at a time.
type surgery struct {
	t      testing.TB
	medium []byte
	sb     *layout.Superblock
	at     func(ino uint64) int64

	dir, sub, empty, plain, frag, linked, short, long, attrs, fifo, held, lists uint64
}

// operate makes the medium. replay leaves a journal window in it.
func operate(t testing.TB, replay bool) *surgery { return operateWith(t, replay, false) }

// operateWith is operate with or without checksums of data.
func operateWith(t testing.TB, replay, sums bool) *surgery {
	t.Helper()
	return operateOn(t, memFSWith(t, 16<<20, sums), 600, 400, replay)
}

// operateOn makes a medium with a directory of so many names and a file in so many extents.
func operateOn(t testing.TB, fs *FS, names int, extents uint64, replay bool) *surgery {
	t.Helper()
	return operateThen(t, fs, names, extents, replay, func(*builder, *surgery) {})
}

// operateThen is operateOn, and then does more.
func operateThen(t testing.TB, fs *FS, names int, extents uint64, replay bool, more func(b *builder, s *surgery)) *surgery {
	t.Helper()
	b := builder{t: t, fs: fs}
	d := b.dir(fs.Root(), "dir")
	s := &surgery{t: t, dir: d.Ino, sub: b.dir(d, "sub").Ino, empty: b.dir(d, "empty").Ino}
	for i := range names {
		b.file(d, fmt.Sprintf("name%d", i), 0)
	}
	s.plain = b.file(d, "plain", 5000).Ino
	frag := b.file(d, "frag", 0)
	for i := range extents {
		b.write(frag, 2*i<<12, 4096)
	}
	s.frag = frag.Ino
	linked := b.file(d, "linked", 1)
	_, err := fs.Link(root, nil, linked, d, []byte("linked too"))
	b.ok(err)
	s.linked = linked.Ino
	link := func(n int) uint64 {
		a, err := fs.Symlink(root, nil, d, fmt.Appendf(nil, "link%d", n), bytes.Repeat([]byte{'x'}, n), nil)
		b.ok(err)
		return a.Ino
	}
	s.short, s.long = link(5), link(500)
	attrs := b.file(d, "attrs", 0)
	b.ok(fs.SetXattr(root, nil, attrs, []byte("small"), []byte("value"), 0))
	b.ok(fs.SetXattr(root, nil, attrs, []byte("large"), bytes.Repeat([]byte("value"), 2000), 0))
	b.ok(fs.PutValue("key", []byte("value")))
	s.attrs = attrs.Ino
	lists := b.dir(d, "lists")
	b.ok(fs.SetACLs(root, nil, lists, ACLs{Access: someACL(7, 5), Default: someACL(8, 6)}, ACLAccess|ACLDefault))
	s.lists = lists.Ino
	a, err := fs.Mknod(root, nil, d, []byte("fifo"), TypeFIFO, 0, 0, nil)
	b.ok(err)
	s.fifo = a.Ino
	held := b.file(d, "held", 9000)
	b.ok(fs.Hold(held))
	b.ok(fs.SyncAll())
	b.ok(fs.Unlink(root, nil, d, []byte("held")))
	s.held = held.Ino
	more(&b, s)
	if !replay {
		b.ok(fs.SyncAll())
	}
	s.medium, s.sb = bytes.Clone(fs.region.Bytes()), fs.super()
	offsets := map[uint64]int64{}
	for ino := uint64(0); ino < 1000; ino++ {
		if off, err := fs.inodes.Offset(ino); err == nil {
			offsets[ino] = off
		}
	}
	s.at = func(ino uint64) int64 { return offsets[ino] }
	b.ok(fs.Close())
	return s
}

func (s *surgery) block(b uint64) []byte { return s.medium[layout.BlockOffset(b):][:layout.BlockSize] }

// edit changes an inode and seals it, and returns what a fault of it says.
func (s *surgery) edit(ino uint64, f func(in layout.Inode)) (string, int64) {
	off := s.at(ino)
	in := layout.Inode(s.medium[off : off+layout.InodeSize])
	f(in)
	in.Seal()
	return fmt.Sprintf("inode %d", ino), off
}

func (s *surgery) inode(ino uint64) layout.Inode {
	return layout.Inode(s.medium[s.at(ino) : s.at(ino)+layout.InodeSize])
}

// node changes a node and seals it, and returns what a fault of it says.
func (s *surgery) node(block uint64, of string, f func(n layout.Node)) (string, int64) {
	n := layout.Node(s.block(block))
	f(n)
	layout.Seal(n)
	return fmt.Sprintf("node at block %d (%s)", block, of), layout.BlockOffset(block)
}

// root and leaf return the nodes of a data tree.
func (s *surgery) root(ino uint64) uint64 {
	b, height := s.inode(ino).DataRoot()
	if height == 0 {
		s.t.Fatalf("inode %d has no tree", ino)
	}
	return b
}

func (s *surgery) leaf(ino uint64) uint64 {
	b := s.root(ino)
	for n := layout.Node(s.block(b)); n.Level() > 0; n = layout.Node(s.block(b)) {
		b = n.Child(0)
	}
	return b
}

func (s *surgery) attrNode() uint64 { b, _ := s.inode(s.attrs).XattrRoot(); return b }

// large returns the index and decoded record of the attribute whose value is in blocks.
func (s *surgery) large() (int, layout.Xattr) {
	n := layout.Node(s.block(s.attrNode()))
	for i := range n.Count() {
		if x, ok := layout.DecodeXattr(n.Payload(i)); ok && len(x.Blocks) > 0 {
			return i, x
		}
	}
	s.t.Fatal("no large attribute")
	return 0, layout.Xattr{}
}

// entry changes the payload of the directory entry at index i of the first leaf and returns its name.
func (s *surgery) entry(i int, f func(p []byte)) (name string, off int64) {
	block := s.leaf(s.dir)
	_, _, old, _ := layout.DecodeDirent(layout.Node(s.block(block)).Payload(i))
	name = string(old)
	_, off = s.node(block, "", func(n layout.Node) { f(n.Payload(i)) })
	return fmt.Sprintf("entry %q of directory %d", name, s.dir), off
}

// find returns the leaf and index of a name's entry.
func (s *surgery) find(ino uint64) (block uint64, index int) {
	top := layout.Node(s.block(s.root(s.dir)))
	for i := range top.Count() {
		leaf := layout.Node(s.block(top.Child(i)))
		for j := range leaf.Count() {
			if to, _, _, _ := layout.DecodeDirent(leaf.Payload(j)); to == ino {
				return top.Child(i), j
			}
		}
	}
	s.t.Fatalf("no entry for inode %d", ino)
	return 0, 0
}

// bit sets or clears a bit of the bitmap at block and seals it, and returns the byte that holds it.
func (s *surgery) bit(block uint64, i int, set bool) int64 {
	if b := s.block(block); set {
		layout.BitmapSet(b, i, 1)
	} else {
		layout.BitmapClear(b, i, 1)
	}
	layout.Seal(s.block(block))
	return layout.BlockOffset(block) + layout.BitmapByte(i)
}

// freeBlock returns a block that is not in use.
func (s *surgery) freeBlock() uint64 {
	for b := s.sb.Blocks - 2; ; b-- {
		if !layout.BitmapTest(s.block(1), int(b)) {
			return b
		}
	}
}

func put32(b []byte, v uint32) { binary.LittleEndian.PutUint32(b, v) }
func put64(b []byte, v uint64) { binary.LittleEndian.PutUint64(b, v) }

type damage struct {
	name string
	do   func(s *surgery) (object string, off int64)
}

// atRest is all damage of an image with an empty window, inWindow that of one with records to replay.
func atRest() []damage {
	return slices.Concat(superDamage, bitmapDamage, inodeDamage, treeDamage, dirDamage, attrDamage, aclDamage, reservedDamage, wholeDamage, mediaDamage)
}

func inWindow() []damage { return slices.Concat(journalDamage, windowDamage) }

func TestCheckFindsFaults(t *testing.T) {
	testpart.NotRace(t)
	healthy := operate(t, false)
	checkMedium(t, healthy.medium)
	for _, d := range atRest() {
		t.Run(d.name, func(t *testing.T) { wantFault(t, healthy, d) })
	}
	window := operate(t, true)
	if r := checkMedium(t, window.medium); r.ReplayedRecords == 0 {
		t.Fatal("the window is empty")
	}
	for _, d := range inWindow() {
		t.Run(d.name, func(t *testing.T) { wantFault(t, window, d) })
	}
}

// wantFault damages a copy of a medium and expects the fault, among at most a few.
func wantFault(t *testing.T, healthy *surgery, d damage) {
	t.Helper()
	wantFaultAmong(t, healthy, d, 6)
}

// wantFaultAmong is wantFault with so many faults at most.
func wantFaultAmong(t *testing.T, healthy *surgery, d damage, most int) {
	t.Helper()
	s := *healthy
	s.t, s.medium = t, bytes.Clone(healthy.medium)
	object, off := d.do(&s)
	before := bytes.Clone(s.medium)
	r, err := check.Run(s.medium, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(before, s.medium) {
		t.Error("the medium has changed")
	}
	found := slices.ContainsFunc(r.Faults, func(f check.Fault) bool {
		return f.Object == object && f.Offset == off && f.Expected != "" && f.Found != ""
	})
	if !found || len(r.Faults) > most {
		t.Errorf("want a fault of %q at %d, have %d: %v", object, off, len(r.Faults), r.Faults[:min(len(r.Faults), 10)])
	}
}
