package repair

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/dchest/siphash"

	"pmemfs/pmemfs/internal/layout"
)

// lostFound is the directory in the root directory for what has lost its name.
const lostFound = "lost+found"

// entry is a name that a directory is to get.
type entry struct {
	name string
	ino  uint64
}

// rescue is the directory for what has lost its name.
type rescue struct {
	dir   uint64          // 0 as long as there is none
	taken map[string]bool // names in the root directory that begin like it
}

// reconnect gives names to what has none, and cuts rings of directories open.
func (f *fixer) reconnect() {
	var nameless []uint64
	for ino := uint64(layout.RootIno) + 1; ino < f.file.limit; ino++ {
		switch {
		case !f.good.has(ino) || f.links[ino] > 0:
		case f.slot(ino).Nlink() > 0 || f.isDir(ino) && f.names[ino] > 0:
			nameless = append(nameless, ino)
		default:
			f.orphan.set(ino) // removed: the next open frees it
		}
	}
	nameless = append(f.believe(nameless), f.rings()...)
	if len(nameless) == 0 {
		return
	}
	dir := f.rescueDir()
	for _, ino := range nameless {
		name := fmt.Sprintf("#%d.%d", ino, f.slot(ino).Gen())
		f.adds[dir] = append(f.adds[dir], entry{name, ino})
		f.note(false, inodeName(ino), "had no name, is now %q in directory %d", name, dir)
	}
}

// suspect is a block that should be a leaf of a directory and is damaged.
type suspect struct{ dir, block uint64 }

// believe gives what has no name the name that a damaged leaf has for it, and returns what has none there either. Such a
// name is believed if it lies where its hash says, which damage would hardly leave so, and is of the right type.
func (f *fixer) believe(nameless []uint64) (rest []uint64) {
	if len(f.suspects) == 0 {
		return nameless
	}
	wanted := make(map[uint64]bool, len(nameless))
	for _, ino := range nameless {
		wanted[ino] = true
	}
	for _, s := range f.suspects {
		layout.Node(f.block(s.block)).Salvage(func(key uint64, payload []byte) {
			ino, typ, name, ok := layout.DecodeDirent(payload)
			if !ok || !wanted[ino] || !f.isDir(s.dir) || ino == s.dir || typ != uint8(f.slot(ino).Mode()>>12) {
				return
			}
			base := layout.KeyBase(siphash.Hash(f.keysDir[0], f.keysDir[1], name))
			if key < base || key > layout.KeyLast(base) || bytes.IndexByte(name, '/') >= 0 || bytes.IndexByte(name, 0) >= 0 {
				return
			}
			if f.isDir(ino) {
				if f.slot(ino).Parent() != s.dir {
					return
				}
				f.homes[ino] = home{dir: s.dir} // so that rings are seen
			}
			f.adds[s.dir] = append(f.adds[s.dir], entry{string(name), ino})
			f.note(false, inodeName(ino), "has its name %q in directory %d again, from a damaged node", name, s.dir)
			delete(wanted, ino)
		})
	}
	for _, ino := range nameless {
		if wanted[ino] {
			rest = append(rest, ino)
		}
	}
	return rest
}

// rings takes a name out of each ring of directories that are each other's ancestors, and returns those directories.
func (f *fixer) rings() (cut []uint64) {
	done, onPath := newBitset(f.file.limit), newBitset(f.file.limit)
	done.set(layout.RootIno)
	f.eachDir(func(ino uint64) {
		var path []uint64
		cur, ok := ino, true
		for ok && !done.has(cur) && !onPath.has(cur) {
			onPath.set(cur)
			path = append(path, cur)
			var h home
			h, ok = f.homes[cur]
			cur = h.dir
		}
		if ok && onPath.has(cur) {
			f.takeName(cur)
			cut = append(cut, cur)
		}
		for _, p := range path {
			onPath.clear(p)
			done.set(p)
		}
	})
	return cut
}

// takeName takes a directory's name away.
func (f *fixer) takeName(ino uint64) {
	h := f.homes[ino]
	if h.key == 0 { // a name that was to be added: no entry has such a key
		f.adds[h.dir] = slices.DeleteFunc(f.adds[h.dir], func(e entry) bool { return e.ino == ino })
	} else {
		if f.drops[h.dir] == nil {
			f.drops[h.dir] = map[uint64]bool{}
		}
		f.drops[h.dir][h.key] = true
		f.subdirs[h.dir]--
		f.links[ino]--
	}
	delete(f.homes, ino)
	f.spoil(ino)
	f.spoil(h.dir)
	f.lose(inodeName(ino), "its name in directory %d: the directory is below itself", h.dir)
}

// rescueDir returns the directory for what has lost its name. It is made if need be; the root directory stands in when
// there is no inode for it.
func (f *fixer) rescueDir() uint64 {
	if f.rescue.dir != 0 {
		return f.rescue.dir
	}
	for ino := uint64(layout.RootIno) + 1; ino < f.file.limit; ino++ {
		block, _ := f.at(ino)
		if in := f.slot(ino); f.good.has(ino) || f.bad[block] || !in.Free() {
			continue
		}
		f.revive(ino, layout.ModeDir|layout.ModeUserAll)
		f.noData.clear(ino)
		f.noAttrs.clear(ino)
		name := lostFound
		for i := 1; f.rescue.taken[name]; i++ {
			name = fmt.Sprintf("%s.%d", lostFound, i)
		}
		f.rescue.dir = ino
		f.adds[layout.RootIno] = append(f.adds[layout.RootIno], entry{name, ino})
		return ino
	}
	return layout.RootIno
}
