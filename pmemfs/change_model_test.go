package pmemfs

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

// mnode is a file of the model: a plain, obviously right picture of what the filesystem should hold.
type mnode struct {
	h      Handle
	typ    FileType
	mode   uint32
	uid    uint32
	nlink  uint32
	data   []byte // content or target
	kids   map[string]*mnode
	parent *mnode
	xattrs map[string]string
}

func newNode(a Attr, parent *mnode) *mnode {
	n := &mnode{h: a.Handle, typ: a.Type, mode: a.Mode, uid: a.UID, nlink: a.Nlink, parent: parent, xattrs: map[string]string{}}
	if n.typ == TypeDir {
		n.kids = map[string]*mnode{}
	}
	return n
}

// model drives a filesystem with random operations and knows what must come out.
type model struct {
	t    testing.TB
	fs   *FS
	rng  *rand.Rand
	root *mnode
	c    Cred
}

func newModel(t testing.TB, fs *FS, seed uint64) *model {
	a, err := fs.Getattr(nil, fs.Root())
	if err != nil {
		t.Fatal(err)
	}
	return &model{t: t, fs: fs, rng: rand.New(rand.NewPCG(seed, 1)), root: newNode(a, nil)}
}

func (m *model) dirs() (list []*mnode) {
	var walk func(n *mnode)
	walk = func(n *mnode) {
		list = append(list, n)
		for _, k := range slices.Sorted(maps.Keys(n.kids)) {
			if n.kids[k].typ == TypeDir {
				walk(n.kids[k])
			}
		}
	}
	walk(m.root)
	return list
}

func pick[T any](m *model, list []T) T { return list[m.rng.IntN(len(list))] }

// name returns one of a few names, some of them long.
func (m *model) name() string {
	i := m.rng.IntN(40)
	if i < 4 {
		return string(bytes.Repeat([]byte{'a' + byte(i)}, 255))
	}
	return fmt.Sprintf("n%d", i)
}

// want checks an error against the one that the model expects.
func (m *model) want(what string, err, expected error) bool {
	m.t.Helper()
	if expected == nil && err != nil || expected != nil && !isErr(err, expected) {
		m.t.Fatalf("%s: %v, expected %v", what, err, expected)
	}
	return err == nil
}

func isErr(err, expected error) bool {
	e, ok := err.(*Error)
	return ok && e == expected
}

// step does one random operation on both.
func (m *model) step() {
	d := pick(m, m.dirs())
	name := m.name()
	old := d.kids[name]
	switch m.rng.IntN(17) {
	case 0, 1, 2:
		m.create(d, name, old)
	case 3:
		m.mkdir(d, name, old)
	case 4:
		m.symlink(d, name, old)
	case 5, 6:
		m.unlink(d, name, old)
	case 7:
		m.rmdir(d, name, old)
	case 8, 9:
		m.rename(d, name, old)
	case 10:
		m.link(d, name)
	case 11, 12, 13:
		m.write(old)
	case 14:
		m.truncate(old)
	case 15:
		m.attrs(old)
	case 16:
		m.space(old)
	}
}

func existsErr(old *mnode) error {
	if old != nil {
		return ErrExist
	}
	return nil
}

func (m *model) create(d *mnode, name string, old *mnode) {
	a, err := m.fs.Create(&m.c, nil, d.h, []byte(name), &CreateOptions{Mode: Guarded, Attr: SetAttr{Mask: SetMode, Mode: 0o640}})
	if m.want("create", err, existsErr(old)) {
		d.kids[name] = newNode(a, d)
	}
}

func (m *model) mkdir(d *mnode, name string, old *mnode) {
	a, err := m.fs.Mkdir(&m.c, nil, d.h, []byte(name), nil)
	if m.want("mkdir", err, existsErr(old)) {
		d.kids[name] = newNode(a, d)
		d.nlink++
	}
}

func (m *model) symlink(d *mnode, name string, old *mnode) {
	target := bytes.Repeat([]byte("t"), 1+m.rng.IntN(300))
	a, err := m.fs.Symlink(&m.c, nil, d.h, []byte(name), target, nil)
	if m.want("symlink", err, existsErr(old)) {
		d.kids[name] = newNode(a, d)
		d.kids[name].data = target
	}
}

func (m *model) unlink(d *mnode, name string, old *mnode) {
	err := m.fs.Unlink(&m.c, nil, d.h, []byte(name))
	switch {
	case old == nil:
		m.want("unlink", err, ErrNotExist)
	case old.typ == TypeDir:
		m.want("unlink", err, ErrIsDir)
	default:
		m.want("unlink", err, nil)
		delete(d.kids, name)
		old.nlink--
	}
}

func (m *model) rmdir(d *mnode, name string, old *mnode) {
	err := m.fs.Rmdir(&m.c, nil, d.h, []byte(name))
	switch {
	case old == nil:
		m.want("rmdir", err, ErrNotExist)
	case old.typ != TypeDir:
		m.want("rmdir", err, ErrNotDir)
	case len(old.kids) > 0:
		m.want("rmdir", err, ErrNotEmpty)
	default:
		m.want("rmdir", err, nil)
		delete(d.kids, name)
		d.nlink--
	}
}

func (n *mnode) below(top *mnode) bool {
	for ; n != nil; n = n.parent {
		if n == top {
			return true
		}
	}
	return false
}

func (m *model) rename(d *mnode, name string, old *mnode) {
	to, toName := pick(m, m.dirs()), m.name()
	dst := to.kids[toName]
	flags := []RenameFlags{0, 0, 0, RenameNoReplace, RenameExchange}[m.rng.IntN(5)]
	err := m.fs.Rename(&m.c, nil, d.h, []byte(name), to.h, []byte(toName), flags)
	switch expected := renameErr(d, old, to, dst, flags); {
	case expected != nil:
		m.want("rename", err, expected)
	case old == dst:
		m.want("rename", err, nil)
	default:
		m.want("rename", err, nil)
		m.renamed(d, name, old, to, toName, dst, flags)
	}
}

// renameErr is what rename(2) answers, in the order in which Linux looks.
func renameErr(d, old, to, dst *mnode, flags RenameFlags) error {
	switch {
	case old == nil && !(dst != nil && dst.typ == TypeDir && d != to && d.below(dst)):
		return ErrNotExist
	case old != nil && old.typ == TypeDir && d != to && to.below(old):
		return ErrInvalid
	case dst != nil && dst.typ == TypeDir && d != to && d.below(dst) && flags == RenameExchange:
		return ErrInvalid
	case dst != nil && dst.typ == TypeDir && d != to && d.below(dst):
		return ErrNotEmpty
	case old == dst:
		return nil
	case dst == nil && flags == RenameExchange:
		return ErrNotExist
	case dst != nil && flags == RenameNoReplace:
		return ErrExist
	case dst == nil || flags == RenameExchange:
		return nil
	case old.typ == TypeDir && dst.typ != TypeDir:
		return ErrNotDir
	case old.typ != TypeDir && dst.typ == TypeDir:
		return ErrIsDir
	case dst.typ == TypeDir && len(dst.kids) > 0:
		return ErrNotEmpty
	}
	return nil
}

func (m *model) renamed(d *mnode, name string, old *mnode, to *mnode, toName string, dst *mnode, flags RenameFlags) {
	move := func(n, from, to *mnode) {
		if n.typ == TypeDir {
			from.nlink--
			to.nlink++
			n.parent = to
		}
	}
	to.kids[toName] = old
	move(old, d, to)
	if flags == RenameExchange {
		d.kids[name] = dst
		move(dst, to, d)
		return
	}
	delete(d.kids, name)
	if dst != nil {
		dst.nlink--
		if dst.typ == TypeDir {
			to.nlink--
		}
	}
}

func (m *model) link(d *mnode, name string) {
	src := m.anyFile()
	if src == nil {
		return
	}
	_, err := m.fs.Link(&m.c, nil, src.h, d.h, []byte(name))
	if m.want("link", err, existsErr(d.kids[name])) {
		d.kids[name] = src
		src.nlink++
	}
}

func (m *model) anyFile() *mnode {
	d := pick(m, m.dirs())
	for _, k := range slices.Sorted(maps.Keys(d.kids)) {
		if d.kids[k].typ == TypeRegular {
			return d.kids[k]
		}
	}
	return nil
}

func (m *model) write(n *mnode) {
	if n == nil || n.typ != TypeRegular {
		n = m.anyFile()
	}
	if n == nil {
		return
	}
	off := m.rng.IntN(100_000)
	p := make([]byte, []int{1, 100, 4096, 5000, 20_000, 70_000}[m.rng.IntN(6)]+m.rng.IntN(50))
	fill := byte(m.rng.IntN(255) + 1)
	for i := range p {
		p[i] = fill + byte(i>>8)
	}
	_, a, err := m.fs.Write(&m.c, nil, n.h, p, uint64(off))
	m.want("write", err, nil)
	if grow := off + len(p) - len(n.data); grow > 0 {
		n.data = append(n.data, make([]byte, grow)...)
	}
	copy(n.data[off:], p)
	if a.Size != uint64(len(n.data)) {
		m.t.Fatalf("size after write is %d, expected %d", a.Size, len(n.data))
	}
}

func (m *model) truncate(n *mnode) {
	if n == nil || n.typ != TypeRegular {
		return
	}
	size := m.rng.IntN(120_000)
	_, err := m.fs.Setattr(&m.c, nil, n.h, &SetAttr{Mask: SetSize, Size: uint64(size)})
	m.want("truncate", err, nil)
	if size < len(n.data) {
		n.data = n.data[:size:size]
	} else {
		n.data = append(n.data, make([]byte, size-len(n.data))...)
	}
}

func (m *model) attrs(n *mnode) {
	if n == nil {
		return
	}
	if n.typ == TypeSymlink {
		return
	}
	n.mode, n.uid = uint32(m.rng.IntN(0o1000)), uint32(m.rng.IntN(5))
	_, err := m.fs.Setattr(&m.c, nil, n.h, &SetAttr{Mask: SetMode | SetUID, Mode: n.mode, UID: n.uid})
	m.want("setattr", err, nil)
	name := fmt.Sprintf("user.x%d", m.rng.IntN(4))
	if _, ok := n.xattrs[name]; ok && m.rng.IntN(2) == 0 {
		m.want("removexattr", m.fs.RemoveXattr(&m.c, nil, n.h, []byte(name)), nil)
		delete(n.xattrs, name)
		return
	}
	value := bytes.Repeat([]byte{byte(m.rng.IntN(256))}, []int{0, 10, 1000, 1025, 9000, 65536}[m.rng.IntN(6)])
	m.want("setxattr", m.fs.SetXattr(&m.c, nil, n.h, []byte(name), value, 0), nil)
	n.xattrs[name] = string(value)
}

func (m *model) space(n *mnode) {
	if n == nil || n.typ != TypeRegular {
		return
	}
	off, size := m.rng.IntN(100_000), 1+m.rng.IntN(60_000)
	if m.rng.IntN(2) == 0 {
		m.want("punch", m.fs.PunchHole(&m.c, nil, n.h, uint64(off), uint64(size)), nil)
		for i := off; i < min(off+size, len(n.data)); i++ {
			n.data[i] = 0
		}
		return
	}
	m.want("allocate", m.fs.Allocate(&m.c, nil, n.h, uint64(off), uint64(size), true), nil)
}

// verify compares the whole tree of fs with the model.
func (m *model) verify(fs *FS) {
	m.t.Helper()
	m.verifyNode(fs, "/", m.root)
}

func (m *model) verifyNode(fs *FS, path string, n *mnode) {
	m.t.Helper()
	a, err := fs.Getattr(nil, n.h)
	if err != nil {
		m.t.Fatalf("%.40s: %v", path, err)
	}
	if a.Type != n.typ || a.Mode != n.mode || a.UID != n.uid || a.Nlink != n.nlink || n.typ != TypeDir && a.Size != uint64(len(n.data)) {
		m.t.Fatalf("%.40s: %+v, expected %+v", path, a, *n)
	}
	m.verifyXattrs(fs, path, n)
	switch n.typ {
	case TypeSymlink:
		if got, err := fs.Readlink(nil, n.h); err != nil || !bytes.Equal(got, n.data) {
			m.t.Fatalf("%.40s: target %q, %v", path, got, err)
		}
	case TypeRegular:
		got := make([]byte, len(n.data)+1)
		k, eof, err := fs.Read(&m.c, nil, n.h, got, 0)
		if err != nil || !eof || !bytes.Equal(got[:k], n.data) {
			m.t.Fatalf("%.40s: content differs (%d bytes, %v, first difference at %d)", path, k, err, firstDiff(got[:k], n.data))
		}
	case TypeDir:
		seen := map[string]bool{}
		err := fs.Readdir(&m.c, nil, n.h, 0, true, func(e *DirEntry) bool {
			name := string(e.Name)
			if name == "." || name == ".." {
				return true
			}
			kid := n.kids[name]
			if kid == nil || seen[name] || e.Ino != kid.h.Ino || e.Attr.Handle != kid.h {
				m.t.Fatalf("%.40s: entry %.20q names inode %d, expected %+v", path, name, e.Ino, kid)
			}
			seen[name] = true
			return true
		})
		if err != nil || len(seen) != len(n.kids) {
			m.t.Fatalf("%.40s: %d entries, expected %d, %v", path, len(seen), len(n.kids), err)
		}
		for name, kid := range n.kids {
			m.verifyNode(fs, path+name+"/", kid)
		}
	}
}

func (m *model) verifyXattrs(fs *FS, path string, n *mnode) {
	m.t.Helper()
	names, err := fs.ListXattr(&m.c, nil, n.h)
	if err != nil || len(names) != len(n.xattrs) {
		m.t.Fatalf("%.40s: attributes %q, expected %d, %v", path, names, len(n.xattrs), err)
	}
	for name, value := range n.xattrs {
		if got, err := fs.GetXattr(&m.c, nil, n.h, []byte(name)); err != nil || string(got) != value {
			m.t.Fatalf("%.40s: attribute %s has %d bytes, expected %d, %v", path, name, len(got), len(value), err)
		}
	}
}

func firstDiff(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}
