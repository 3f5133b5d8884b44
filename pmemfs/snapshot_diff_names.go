package pmemfs

import (
	"cmp"
	"fmt"
	"slices"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/snapshot"
	"pmemfs/pmemfs/internal/tree"
)

// entryOf is a directory entry, out of the tree that it is in.
type entryOf struct {
	ino  uint64
	name string
}

// namesTree returns the tree of the names of a directory; nil has none.
func (d *differ) namesTree(in layout.Inode) tree.Tree {
	t := tree.Tree{J: d.fs.j, Kind: layout.TreeDir}
	if in != nil {
		block, height := in.DataRoot()
		t.Owner, t.Root = in.Ino(), tree.Root{Block: block, Height: height}
	}
	return t
}

// names notes what names of a directory are gone, and which are new. Leaves that both have are not read.
func (d *differ) names(from, to layout.Inode) error {
	ta, tb := d.namesTree(from), d.namesTree(to)
	shared := map[uint64]bool{}
	if err := ta.Leaves(func(block uint64) { shared[block] = false }); err != nil {
		return err
	}
	var fresh []uint64
	if err := tb.Leaves(func(block uint64) {
		if _, both := shared[block]; both {
			shared[block] = true
		} else {
			fresh = append(fresh, block)
		}
	}); err != nil {
		return err
	}
	old := map[entryOf]bool{}
	for block, both := range shared {
		if both {
			continue
		}
		if err := d.entries(&ta, block, func(e entryOf) { old[e] = true }); err != nil {
			return err
		}
	}
	var list []entryOf
	for _, block := range fresh {
		if err := d.entries(&tb, block, func(e entryOf) { list = append(list, e) }); err != nil {
			return err
		}
	}
	added := list[:0]
	for _, e := range list {
		if old[e] {
			stays, err := d.sameFile(e.ino)
			if err != nil {
				return err
			}
			if stays {
				delete(old, e)
				continue
			}
		}
		f := d.file(e.ino)
		f.fresh = append(f.fresh, named{to.Ino(), e.name})
		added = append(added, e)
	}
	for e := range old {
		f := d.file(e.ino)
		f.gone = append(f.gone, named{from.Ino(), e.name})
	}
	for _, e := range added {
		if err := d.below(e.ino); err != nil {
			return err
		}
	}
	return nil
}

// sameFile reports whether a number means the same file in both. It can mean another one only if it has been free in between.
func (d *differ) sameFile(ino uint64) (bool, error) {
	if !d.kept[ino] {
		return true, nil
	}
	a, b, err := d.both(ino)
	return a != nil && b != nil && a.Gen() == b.Gen(), err
}

// below notes the names in a directory that is new. Of one that has changed between the two they are compared anyway.
func (d *differ) below(ino uint64) error {
	if d.kept[ino] {
		return nil
	}
	a, b, err := d.both(ino)
	if err != nil || a != nil || b == nil || !b.IsDir() {
		return err
	}
	return d.names(nil, b)
}

// entries calls f with the entries of a leaf.
func (d *differ) entries(t *tree.Tree, block uint64, f func(e entryOf)) error {
	n, err := t.Leaf(block)
	if err != nil {
		return err
	}
	for i := range n.Count() {
		ino, _, name, ok := layout.DecodeDirent(n.Payload(i))
		if !ok {
			return fmt.Errorf("%w: inode %d: entry %#x", layout.ErrDamaged, t.Owner, n.Key(i))
		}
		f(entryOf{ino, string(name)})
	}
	return nil
}

// report adds what is to be said of an inode to the list.
func (d *differ) report(ino uint64) error {
	f := d.files[ino]
	a, b, err := d.both(ino)
	if err != nil {
		return err
	}
	same := a != nil && b != nil && a.Gen() == b.Gen()
	byName := func(x, y named) int { return slices.Compare([]string{x.name}, []string{y.name}) }
	slices.SortFunc(f.gone, byName)
	slices.SortFunc(f.fresh, byName)
	moved := 0
	if same {
		moved = min(len(f.gone), len(f.fresh))
	}
	for i, x := range f.gone {
		if err := d.add(Removed, a, &d.paths[0], x); err != nil {
			return err
		}
		if last := &d.list[len(d.list)-1]; i < moved {
			to, err := d.paths[1].join(f.fresh[i])
			if err != nil {
				return err
			}
			last.Kind, last.To = Renamed, to
		}
	}
	for _, x := range f.fresh[moved:] {
		if err := d.add(Added, b, &d.paths[1], x); err != nil {
			return err
		}
	}
	if f.changed && same {
		path, ok := d.paths[1].of[ino]
		if !ok {
			path = fmt.Sprintf("inode %d", ino)
		}
		d.list = append(d.list, Difference{Kind: Changed, Type: FileType(b.Mode() >> 12), Path: path})
	}
	return nil
}

// add adds a name to the list.
func (d *differ) add(kind DifferenceKind, in layout.Inode, p *paths, x named) error {
	path, err := p.join(x)
	if err != nil {
		return err
	}
	typ := FileType(0)
	if in != nil {
		typ = FileType(in.Mode() >> 12)
	}
	d.list = append(d.list, Difference{Kind: kind, Type: typ, Path: path})
	return nil
}

// locate finds a name of each file that has changed, in the later snapshot: in the directory that its inode knows of, or else by a look at
// all of them.
func (d *differ) locate() error {
	byDir, left := map[uint64][]uint64{}, map[uint64]bool{}
	for ino, f := range d.files {
		if !f.changed || ino == layout.RootIno {
			continue
		}
		if err := d.step(func() error {
			in, err := d.at(ino, d.b)
			if in == nil || err != nil {
				return err
			}
			left[ino] = true
			byDir[in.Parent()] = append(byDir[in.Parent()], ino)
			return nil
		}); err != nil {
			return err
		}
	}
	delete(byDir, 0)
	for dir := range byDir {
		if err := d.step(func() error { return d.find(dir, left, nil) }); err != nil {
			return err
		}
	}
	for todo := []uint64{layout.RootIno}; len(todo) > 0 && len(left) > 0; {
		dir := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if err := d.step(func() error { return d.find(dir, left, &todo) }); err != nil {
			return err
		}
	}
	return nil
}

// find takes files off the list of those without a known name that a directory of the later snapshot has, and notes its directories in dirs.
func (d *differ) find(dir uint64, left map[uint64]bool, dirs *[]uint64) error {
	in, err := d.at(dir, d.b)
	if err != nil || in == nil || !in.IsDir() {
		return err
	}
	p := &d.paths[1]
	found := map[uint64]string{}
	err = p.scan(in, func(ino uint64, name string, isDir bool) error {
		if dirs != nil && isDir {
			*dirs = append(*dirs, ino)
		}
		if old, ok := found[ino]; left[ino] && (!ok || name < old) {
			found[ino] = name // the first of several by the alphabet
		}
		return nil
	})
	if err != nil {
		return err
	}
	for ino, name := range found {
		if p.of[ino], err = p.join(named{dir, name}); err != nil {
			return err
		}
		delete(left, ino)
	}
	return nil
}

// paths are the paths of the directories of a snapshot.
type paths struct {
	d    *differ
	snap uint32
	of   map[uint64]string            // by inode number
	dirs map[uint64]map[uint64]string // names of the directories in a directory
}

func (p *paths) snapshot() *snapshot.Snapshot {
	if p == &p.d.paths[0] {
		return p.d.a
	}
	return p.d.b
}

// join returns the path of a name.
func (p *paths) join(x named) (string, error) {
	dir, err := p.path(x.dir, 0)
	return dir + "/" + x.name, err
}

// path returns the path of a directory.
func (p *paths) path(ino uint64, depth int64) (string, error) {
	if path, ok := p.of[ino]; ok {
		return path, nil
	}
	in, err := p.d.at(ino, p.snapshot())
	switch {
	case err != nil:
		return "", err
	case in == nil || depth > p.d.fs.j.Counts().Inodes:
		return "", damagedEntry(ino)
	}
	up, err := p.path(in.Parent(), depth+1)
	if err != nil {
		return "", err
	}
	names := p.dirs[in.Parent()]
	if names == nil {
		names = map[uint64]string{}
		parent, err := p.d.at(in.Parent(), p.snapshot())
		if err != nil || parent == nil {
			return "", cmp.Or(err, damagedEntry(in.Parent()))
		}
		if err := p.scan(parent, func(ino uint64, name string, isDir bool) error {
			if isDir {
				names[ino] = name
			}
			return nil
		}); err != nil {
			return "", err
		}
		p.dirs[in.Parent()] = names
	}
	name, ok := names[ino]
	if !ok {
		return "", damagedEntry(ino)
	}
	p.of[ino] = up + "/" + name
	return p.of[ino], nil
}

// scan calls f with each entry of a directory.
func (p *paths) scan(in layout.Inode, f func(ino uint64, name string, isDir bool) error) error {
	t := p.d.namesTree(in)
	var c tree.Cursor
	err := t.SeekGE(&c, 0)
	for ; err == nil && c.Valid(); err = t.Next(&c) {
		ino, typ, name, ok := layout.DecodeDirent(c.Payload())
		if !ok {
			return fmt.Errorf("%w: inode %d: entry %#x", layout.ErrDamaged, t.Owner, c.Key())
		}
		if err := f(ino, string(name), FileType(typ) == TypeDir); err != nil {
			return err
		}
	}
	return err
}
