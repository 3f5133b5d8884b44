package repair

import (
	"bytes"
	"fmt"

	"github.com/dchest/siphash"

	"pmemfs/pmemfs/internal/layout"
)

// home is where a directory's name is.
type home struct{ dir, key uint64 }

// directory is the vetting of one directory.
type directory struct {
	f       *fixer
	ino     uint64
	quiet   bool
	kids    map[uint64]bool // directories that are named so far
	changed bool
}

func (f *fixer) isDir(ino uint64) bool { return f.good.has(ino) && f.slot(ino).IsDir() }

// directories vets all names. What a directory keeps, if that is not all, goes to entries.
func (f *fixer) directories() {
	f.homes, f.entries = map[uint64]home{}, map[uint64][]record{}
	f.names, f.subdirs = map[uint64]uint64{}, map[uint64]uint64{}
	f.adds, f.drops = map[uint64][]entry{}, map[uint64]map[uint64]bool{}
	f.rescue.taken = map[string]bool{}
	f.eachDir(func(ino uint64) {
		f.records(f.slot(ino), tree{ino, layout.TreeDir}, func(r record) {
			if to, _, _, ok := layout.DecodeDirent(r.payload); ok && f.isDir(to) && f.slot(to).Parent() == ino {
				f.atHome.set(to)
			}
		})
	})
	f.eachDir(func(ino uint64) {
		if f.isClean(ino) {
			f.records(f.slot(ino), tree{ino, layout.TreeDir}, func(r record) { f.count(ino, r) })
			return
		}
		if f.noData.has(ino) {
			f.lose(fmt.Sprintf("directory %d", ino), "names in nodes that cannot be believed, if there were any; what they named is in lost+found unless it has other names")
		}
		d := directory{f: f, ino: ino, kids: map[uint64]bool{}}
		var kept hashed
		f.records(f.slot(ino), tree{ino, layout.TreeDir}, func(r record) {
			r, name, ok := d.judge(r)
			if ok && kept.insert(f.keysDir, name, r) == duplicate {
				d.lose(name, "the name is there twice")
			}
		})
		f.entries[ino] = kept.sorted()
		for _, r := range f.entries[ino] {
			f.count(ino, r)
		}
	})
}

func (f *fixer) eachDir(do func(ino uint64)) {
	for ino := uint64(layout.RootIno); ino < f.file.limit; ino++ {
		if f.isDir(ino) {
			do(ino)
		}
	}
}

// isClean reports whether a directory can stay as it is.
func (f *fixer) isClean(ino uint64) bool {
	d := directory{f: f, ino: ino, quiet: true, changed: f.noData.has(ino), kids: map[uint64]bool{}}
	var base uint64
	var same [][]byte
	f.records(f.slot(ino), tree{ino, layout.TreeDir}, func(r record) {
		if d.changed {
			return
		}
		_, name, ok := d.judge(r)
		if !ok {
			return
		}
		b := layout.KeyBase(siphash.Hash(f.keysDir[0], f.keysDir[1], name))
		if r.key < b || r.key > layout.KeyLast(b) {
			d.changed = true
			return
		}
		if b != base {
			base, same = b, same[:0]
		}
		for _, other := range same {
			d.changed = d.changed || bytes.Equal(other, name)
		}
		same = append(same, name)
	})
	return !d.changed
}

// judge decides about one entry: what it becomes, or that it is not kept.
func (d *directory) judge(r record) (record, []byte, bool) {
	f := d.f
	ino, typ, name, ok := layout.DecodeDirent(r.payload)
	switch {
	case !ok:
		d.lose(fmt.Appendf(nil, "%#x", r.key), "the record is damaged")
		return r, nil, false
	case string(name) == "." || string(name) == ".." || bytes.IndexByte(name, '/') >= 0 || bytes.IndexByte(name, 0) >= 0:
		d.lose(name, "it is not legal")
		return r, nil, false
	case ino <= layout.RootIno || !f.good.has(ino):
		d.lose(name, fmt.Sprintf("what it names, inode %d, is not there", ino))
		return r, nil, false
	}
	in := f.slot(ino)
	if in.IsDir() {
		_, named := f.homes[ino]
		if named || d.kids[ino] || f.atHome.has(ino) && in.Parent() != d.ino || ino == d.ino {
			d.lose(name, fmt.Sprintf("directory %d has another one", ino))
			return r, nil, false
		}
		d.kids[ino] = true
	}
	if want := uint8(in.Mode() >> 12); typ != want {
		d.changed = true
		r.payload = layout.EncodeDirent(make([]byte, layout.DirentMax), ino, want, name)
	}
	return r, name, true
}

// lose notes a name that is not kept.
func (d *directory) lose(name []byte, why string) {
	d.changed = true
	if !d.quiet {
		d.f.lose(fmt.Sprintf("directory %d", d.ino), "the name %q: %s", name, why)
	}
}

// count takes an entry that is kept into account.
func (f *fixer) count(dir uint64, r record) {
	ino, _, name, _ := layout.DecodeDirent(r.payload)
	f.names[dir]++
	if f.links[ino] < layout.LinkMax {
		f.links[ino]++
	}
	isDir := f.isDir(ino)
	if isDir {
		f.homes[ino] = home{dir, r.key}
		f.subdirs[dir]++
	}
	if dir == layout.RootIno && bytes.HasPrefix(name, []byte(lostFound)) {
		f.rescue.taken[string(name)] = true
		if isDir && string(name) == lostFound {
			f.rescue.dir = ino
		}
	}
}

// rebuildDirectories makes those directories anew of which something changes.
func (f *fixer) rebuildDirectories() {
	f.eachDir(func(ino uint64) {
		list, changed := f.entries[ino]
		if !changed && len(f.adds[ino]) == 0 && len(f.drops[ino]) == 0 {
			return
		}
		if !changed {
			f.records(f.slot(ino), tree{ino, layout.TreeDir}, func(r record) { list = append(list, r) })
		}
		var kept []record
		for _, r := range list {
			if !f.drops[ino][r.key] {
				kept = append(kept, r)
			}
		}
		var h hashed
		h.load(kept)
		for _, e := range f.adds[ino] {
			f.addEntry(&h, ino, e)
		}
		f.names[ino] = uint64(len(h.list))
		if !f.plant(tree{ino, layout.TreeDir}, h.sorted()) {
			f.lose(fmt.Sprintf("directory %d", ino), "nothing yet: there is no room to make it anew; make some and repair again")
		}
	})
	f.entries, f.adds, f.drops = nil, nil, nil
}

// addEntry adds a name. One that is there gets a longer one.
func (f *fixer) addEntry(h *hashed, dir uint64, e entry) {
	for name := e.name; len(name) <= layout.NameMax; name += "_" {
		p := layout.EncodeDirent(make([]byte, layout.DirentMax), e.ino, uint8(f.slot(e.ino).Mode()>>12), []byte(name))
		if h.insert(f.keysDir, []byte(name), record{payload: p}) == duplicate {
			continue
		}
		f.links[e.ino]++
		if f.isDir(e.ino) {
			f.homes[e.ino] = home{dir: dir}
			f.subdirs[dir]++
		}
		return
	}
}
