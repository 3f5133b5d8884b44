package check

import (
	"bytes"
	"fmt"

	"pmemfs/pmemfs/internal/layout"
)

// directory is the walk of one directory.
type directory struct {
	c       *checker
	ino     uint64
	k0, k1  uint64
	entries uint64
	subdirs uint64
	base    uint64   // of the keys of same
	same    [][]byte // names whose hashes are equal, at most 128
	bad     bool     // an entry could not be read
}

// directory checks a directory's entries, size and link count. It returns how many blocks it owns.
func (c *checker) directory(in layout.Inode, ino uint64, off int64) (owned uint64, whole bool) {
	d := directory{c: c, ino: ino, k0: layout.Word(c.sb.HashKey[:8]), k1: layout.Word(c.sb.HashKey[8:])}
	t := tree{c: c, kind: layout.TreeDir, ino: ino, part: ownsNode, birth: in.BirthEpoch(), leaf: d.leaf}
	root, height := in.DataRoot()
	t.walk(root, height, off)
	owned, whole = t.finish(), !t.broken
	c.report.Names += d.entries
	if !whole || d.bad {
		c.lostNames = true
		return owned, whole
	}
	if in.Size() != d.entries {
		c.fault(DirSize, off, inodeName(ino), fmt.Sprintf("a size of %d, its number of entries", d.entries), fmt.Sprint(in.Size()))
	}
	if in.Nlink() == 0 {
		return owned, whole // removed while open; linkCounts looks at that
	}
	if want := 2 + d.subdirs; uint64(in.Nlink()) != want {
		c.fault(DirLinks, off, inodeName(ino), fmt.Sprintf("a link count of %d: 2 and its subdirectories", want), fmt.Sprint(in.Nlink()))
	}
	return owned, whole
}

func (d *directory) leaf(n layout.Node, off int64) {
	for i := range n.Count() {
		d.entries++
		ino, typ, name, ok := layout.DecodeDirent(n.Payload(i))
		if !ok {
			d.bad = true
			d.c.fault(EntryMalformed, off, fmt.Sprintf("entry %#x of directory %d", n.Key(i), d.ino), "a well-formed entry", fmt.Sprintf("%d bytes", len(n.Payload(i))))
			continue
		}
		d.vetName(n.Key(i), name, off)
		d.vetTarget(ino, typ, name, off)
	}
}

func (d *directory) name(name []byte) string {
	return fmt.Sprintf("entry %q of directory %d", name, d.ino)
}

// vetName checks a name: legal, under a key of its hash, unique among the names of that hash.
func (d *directory) vetName(key uint64, name []byte, off int64) {
	c := d.c
	if c.quiet {
		return
	}
	if string(name) == "." || string(name) == ".." || bytes.IndexByte(name, '/') >= 0 || bytes.IndexByte(name, 0) >= 0 {
		c.fault(EntryName, off, d.name(name), "a legal name", "a reserved one, or one with '/' or NUL")
	}
	base := layout.KeyBase(sip(d.k0, d.k1, name))
	if key < base || key > layout.KeyLast(base) {
		c.fault(EntryKey, off, d.name(name), fmt.Sprintf("a key from %#x to %#x", base, layout.KeyLast(base)), fmt.Sprintf("%#x", key))
		return
	}
	if base != d.base {
		d.base, d.same = base, d.same[:0]
	}
	for _, other := range d.same {
		if bytes.Equal(other, name) {
			c.fault(EntryTwice, off, d.name(name), "every name once", fmt.Sprintf("again under key %#x", key))
			return
		}
	}
	d.same = append(d.same, name)
}

// vetTarget checks what an entry names.
func (d *directory) vetTarget(ino uint64, typ uint8, name []byte, off int64) {
	c := d.c
	if typ == layout.ModeDir>>12 {
		d.subdirs++
	}
	if !c.inUse(ino) {
		c.fault(EntryDangling, off, d.name(name), "the number of an inode in use", fmt.Sprint(ino))
		return
	}
	if c.links[ino] <= layout.LinkMax {
		c.links[ino]++
	}
	if !c.good.has(ino) || c.quiet {
		return
	}
	in, childOff := c.slot(ino)
	if want := uint8(in.Mode() >> 12); typ != want {
		c.fault(EntryType, off, d.name(name), fmt.Sprintf("type %d, as inode %d has", want, ino), fmt.Sprint(typ))
	}
	if in.IsDir() && in.Parent() != d.ino {
		c.fault(DirParent, childOff, inodeName(ino), fmt.Sprintf("parent %d, where its entry is", d.ino), fmt.Sprint(in.Parent()))
	}
}

// linkCounts compares the names found with the link counts, and finds what no name leads to.
func (c *checker) linkCounts() {
	reached, onPath := newBitset(c.file.limit), newBitset(c.file.limit)
	reached.set(layout.RootIno)
	for ino := uint64(layout.RootIno); ino < c.file.limit; ino++ {
		if !c.good.has(ino) {
			continue
		}
		in, off := c.slot(ino)
		c.vetLinks(in, ino, off)
		if in.IsDir() && in.Nlink() > 0 {
			c.ancestors(ino, off, reached, onPath)
		}
	}
}

// vetLinks checks the link count of a good inode.
func (c *checker) vetLinks(in layout.Inode, ino uint64, off int64) {
	want, found := uint64(in.Nlink()), uint64(c.links[ino])
	switch {
	case ino == layout.RootIno:
		want = 0
		if in.Parent() != ino {
			c.fault(RootParent, off, inodeName(ino), "the root directory as its own parent", fmt.Sprint(in.Parent()))
		}
	case in.IsDir() && want > 0:
		want = 1
	}
	if in.Nlink() == 0 && !c.orphan.has(ino) {
		c.fault(OrphanMissing, off, inodeName(ino), "an entry in the orphan index: it has no links", "none")
	}
	if in.IsDir() && in.Nlink() == 0 && in.Size() > 0 {
		c.fault(RemovedDirEntries, off, inodeName(ino), "no entries: it is removed", fmt.Sprint(in.Size()))
	}
	switch {
	case found == want, found < want && c.lostNames:
	case in.IsDir():
		c.fault(DirNames, off, inodeName(ino), fmt.Sprintf("%d names for a directory", want), fmt.Sprint(found))
	default:
		c.fault(InodeLinks, off, inodeName(ino), fmt.Sprintf("a link count of %d, its number of names", found), fmt.Sprint(want))
	}
}

// ancestors follows a directory's parents to the root, or to one that was followed before. A ring of directories that
// are each other's ancestors is reported once; a parent that makes no sense has been reported with the entry.
func (c *checker) ancestors(ino uint64, off int64, reached, onPath bitset) {
	cur := ino
	for c.good.has(cur) && !reached.has(cur) && !onPath.has(cur) {
		onPath.set(cur)
		cur = c.parent(cur)
	}
	if onPath.has(cur) {
		c.fault(DirRing, off, inodeName(ino), "a path to the root directory", fmt.Sprintf("a ring of directories through inode %d", cur))
	}
	for cur = ino; onPath.has(cur); cur = c.parent(cur) {
		onPath.clear(cur)
		reached.set(cur)
	}
}

// parent returns the parent of a good inode that is a directory, else 0.
func (c *checker) parent(ino uint64) uint64 {
	if in, _ := c.slot(ino); in.IsDir() {
		return in.Parent()
	}
	return 0
}
