package crashtest

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"pmemfs/pmemfs"
)

// A node is a file of the model.
type node struct {
	typ    pmemfs.FileType
	mode   uint32
	uid    uint32
	nlink  uint32
	data   []byte // content, or a link's target
	kids   map[string]*node
	xattrs map[string][]byte
	quota  uint32 // number of the directory tree with a quota that it is in; 0 for none
	ofTree bool   // it is the directory of that tree
	orig   *node  // in a snapshot: what it is a copy of
	stamps stamps // as they were when they were last compared
	effect effect // of what has been done since
}

// A model is a plain picture of what the filesystem should hold: maps and byte slices, none of the engine's code.
type model struct {
	root   *node
	values map[string][]byte // the key-value store
	trees  uint32            // numbers of directory trees that were given out
	snaps  map[string]*frozen
	made   int // snapshots, ever
}

func newModelNode(t pmemfs.FileType, mode uint32) *node {
	n := &node{typ: t, mode: mode, nlink: 1, xattrs: map[string][]byte{}}
	if t == pmemfs.TypeDir {
		n.kids, n.nlink = map[string]*node{}, 2
	}
	return n
}

// emptyModel returns a model of a new filesystem.
func emptyModel() *model {
	return &model{root: newModelNode(pmemfs.TypeDir, 0o755), values: map[string][]byte{}, snaps: map[string]*frozen{}}
}

// newModel returns a model of what is in a filesystem that a workload starts from.
func newModel(fs *pmemfs.FS) (*model, error) {
	byIno := map[uint64]*node{}
	n, err := load(fs, fs.Root(), byIno)
	m := &model{root: n, values: map[string][]byte{}, trees: 1000}
	names, serr := fs.Keys()
	err = errors.Join(err, serr)
	for _, name := range names {
		var serr error
		m.values[name], serr = fs.Value(name)
		err = errors.Join(err, serr)
	}
	return m, errors.Join(err, m.loadSnapshots(fs, byIno))
}

// load makes nodes of a file and all below it.
func load(fs *pmemfs.FS, h pmemfs.Handle, byIno map[uint64]*node) (*node, error) {
	a, err := fs.Getattr(nil, h)
	if err != nil || byIno[h.Ino] != nil {
		return byIno[h.Ino], err
	}
	n := newModelNode(a.Type, a.Mode)
	n.uid, n.nlink, n.stamps = a.UID, a.Nlink, stampsOf(a)
	byIno[h.Ino] = n
	if n.data, err = bytesOf(fs, a); err != nil {
		return nil, err
	}
	if h.Snap == 0 {
		if n.quota, n.ofTree, err = treeOf(fs, h); err != nil {
			return nil, err
		}
	}
	names, err := fs.ListXattr(root, nil, h)
	for _, name := range names {
		if n.xattrs[string(name)], err = fs.GetXattr(root, nil, h, name); err != nil {
			return nil, err
		}
	}
	if a.Type != pmemfs.TypeDir {
		return n, err
	}
	kids := map[string]pmemfs.Handle{}
	err = errors.Join(err, fs.Readdir(root, nil, h, 0, true, func(e *pmemfs.DirEntry) bool {
		if name := string(e.Name); name != "." && name != ".." {
			kids[name] = e.Attr.Handle
		}
		return true
	}))
	for name, k := range kids {
		kid, kerr := load(fs, k, byIno)
		n.kids[name], err = kid, errors.Join(err, kerr)
	}
	return n, err
}

// bytesOf returns the content of a file or the target of a link.
func bytesOf(fs *pmemfs.FS, a pmemfs.Attr) ([]byte, error) {
	switch a.Type {
	case pmemfs.TypeSymlink:
		return fs.Readlink(nil, a.Handle)
	case pmemfs.TypeRegular:
		p := make([]byte, a.Size)
		n, _, err := fs.Read(root, nil, a.Handle, p, 0)
		return p[:n], err
	}
	return nil, nil
}

// find returns the node of a path, or nil.
func (m *model) find(path string) *node {
	n := m.root
	for name := range strings.SplitSeq(path, "/") {
		if name == "" {
			continue
		}
		if n == nil || n.kids == nil {
			return nil
		}
		n = n.kids[name]
	}
	return n
}

// parent returns the directory of a path, or nil, and the last name.
func (m *model) parent(path string) (*node, string) {
	i := strings.LastIndexByte(path, '/')
	d := m.find(path[:max(i, 0)])
	if d != nil && d.kids == nil {
		d = nil
	}
	return d, path[i+1:]
}

// do applies an operation of which err came out. It returns an error if something else should have.
func (m *model) do(o Op, err error) error {
	if full(err) {
		return nil // it may happen at any time; of what was done by then adopt takes note
	}
	should := m.apply(o)
	if should != (err == nil) {
		return fmt.Errorf("it ended with %v, and should have succeeded: %v", err, should)
	}
	return nil
}

// adopt takes over the content that an operation of several records left when space ended in the middle of it.
func (m *model) adopt(w *world, o Op) error {
	n := m.find(o.Path)
	if n == nil || !several[o.Verb] {
		return nil
	}
	h, err := w.find(o.Path)
	if err != nil {
		return err
	}
	a, err := w.fs.Getattr(nil, h)
	if err != nil {
		return err
	}
	data, err := bytesOf(w.fs, a)
	if written := n.data; err == nil && !bytes.Equal(data, written) && (o.Verb == "punch" || !writtenPart(written, data, o.at(written))) {
		return fmt.Errorf("what was written before space ended is not the beginning of what was to be")
	}
	n.data = data
	n.effect |= partly
	return err
}

// at returns the operation with the offset at which it writes, given the content of its file.
func (o Op) at(content []byte) Op {
	if o.Verb == "append" {
		o.B = int64(len(content))
	}
	return o
}

// apply changes the model and says whether the operation should succeed.
func (m *model) apply(o Op) bool {
	d, name := m.parent(o.Path)
	n := m.find(o.Path)
	switch o.Verb {
	case "sync", "release", "grow", "quotaon", "limit":
		return true
	case "snapshot", "unsnapshot", "rollback", "pin", "unpin":
		return m.applySnapshot(o)
	case "tree", "untree":
		return m.applyTree(o)
	case "putvalue":
		m.values[o.Path] = fill(o.A, o.A+5)
		return true
	case "deletevalue":
		_, ok := m.values[o.Path]
		delete(m.values, o.Path)
		return ok
	case "create":
		return d.add(name, newModelNode(pmemfs.TypeRegular, 0o640).inherit(d))
	case "mkdir":
		return d != nil && d.add(name, newModelNode(pmemfs.TypeDir, 0o755|d.mode&0o2000).inherit(d))
	case "mknod":
		return d.add(name, newModelNode(pmemfs.TypeChar, 0o644).inherit(d))
	case "symlink":
		k := newModelNode(pmemfs.TypeSymlink, 0o777)
		k.data = fill(o.A, 3)
		return d.add(name, k)
	case "link":
		src := m.find(o.To)
		if src == nil || src.typ == pmemfs.TypeDir || d == nil || src.quota != d.quota || !d.add(name, src) {
			return false
		}
		src.nlink++
		src.effect |= changed
		return true
	case "unlink", "rmdir":
		return d.remove(name, o.Verb == "rmdir")
	case "rename":
		return m.rename(d, name, o)
	}
	return n != nil && n.change(o)
}

func (d *node) add(name string, n *node) bool {
	if d == nil || d.kids[name] != nil {
		return false
	}
	d.kids[name] = n
	n.quota = d.quota
	if n.typ == pmemfs.TypeDir {
		d.nlink++
	}
	d.effect |= touched
	if n.stamps == (stamps{}) {
		n.effect |= made
	}
	return true
}

func (d *node) remove(name string, dir bool) bool {
	if d == nil || d.kids[name] == nil {
		return false
	}
	n := d.kids[name]
	if (n.typ == pmemfs.TypeDir) != dir || len(n.kids) > 0 {
		return false
	}
	delete(d.kids, name)
	n.nlink--
	n.effect |= changed
	d.effect |= touched
	if dir {
		d.nlink--
	}
	return true
}

// holds says whether other is n or below it.
func (n *node) holds(other *node) bool {
	if n == other {
		return true
	}
	for _, k := range n.kids {
		if k.typ == pmemfs.TypeDir && k.holds(other) {
			return true
		}
	}
	return false
}

// rename follows rename(2).
func (m *model) rename(d *node, name string, o Op) bool {
	to, toName := m.parent(o.To)
	if d == nil || to == nil || d.kids[name] == nil {
		return false
	}
	src, dst := d.kids[name], to.kids[toName]
	flags := pmemfs.RenameFlags(o.A)
	switch {
	case src.typ == pmemfs.TypeDir && src.holds(to):
		return src == dst // to itself
	case dst == nil && flags == pmemfs.RenameExchange, dst != nil && dst != src && flags == pmemfs.RenameNoReplace:
		return false
	case src == dst:
		return flags != pmemfs.RenameNoReplace
	case dst != nil && dst.typ == pmemfs.TypeDir && d != to && dst.holds(d), d.quota != to.quota:
		return false
	}
	if dst != nil && flags != pmemfs.RenameExchange {
		if (src.typ == pmemfs.TypeDir) != (dst.typ == pmemfs.TypeDir) || len(dst.kids) > 0 {
			return false
		}
		to.remove(toName, dst.typ == pmemfs.TypeDir)
		dst = nil
	}
	d.effect |= touched
	to.effect |= touched
	src.effect |= changed
	move(d, to, src)
	to.kids[toName] = src
	delete(d.kids, name)
	if dst != nil {
		dst.effect |= changed
		move(to, d, dst)
		d.kids[name] = dst
		to.kids[toName] = src
	}
	return true
}

// move counts a directory's link to its new parent.
func move(from, to, n *node) {
	if n.typ == pmemfs.TypeDir {
		from.nlink--
		to.nlink++
	}
}

// change is an operation on one file.
func (n *node) change(o Op) bool {
	regular := n.typ == pmemfs.TypeRegular
	switch o.Verb {
	case "hold":
		return true
	case "chmod":
		n.mode, n.uid = uint32(o.A)&0o7777, uint32(o.B)
		n.follow()
		n.effect |= changed | dated
		return true
	case "acl":
		ok := n.setACL(o)
		if ok {
			n.effect |= changed
		}
		return ok
	case "setxattr":
		n.xattrs[string(xattrName(o))] = fill(o.A, o.A+9)
		n.effect |= changed
		return true
	case "removexattr":
		_, ok := n.xattrs[string(xattrName(o))]
		delete(n.xattrs, string(xattrName(o)))
		if ok {
			n.effect |= changed
		}
		return ok
	}
	if !regular {
		return false
	}
	n.effect |= touched
	switch o.Verb {
	case "write":
		n.write(o.B, fill(o.A, o.A+o.B))
	case "append":
		n.write(int64(len(n.data)), fill(o.A, o.A+int64(len(n.data))))
	case "truncate":
		n.resize(o.A)
	case "allocate":
		if o.B%2 != 0 {
			n.resize(max(int64(len(n.data)), o.A+o.B))
		}
	case "punch":
		clear(n.data[min(o.B, int64(len(n.data))):min(o.A+o.B, int64(len(n.data)))])
	}
	return true
}

func (n *node) write(off int64, p []byte) {
	n.resize(max(int64(len(n.data)), off+int64(len(p))))
	copy(n.data[off:], p)
}

func (n *node) resize(size int64) {
	if grow := size - int64(len(n.data)); grow > 0 {
		n.data = append(n.data, make([]byte, grow)...)
	}
	n.data = n.data[:size:size]
}

// compare returns an error for what is not in the filesystem as it is in the model, after an operation that was under way at a time.
func (m *model) compare(fs *pmemfs.FS, at span) error {
	got, err := newModel(fs)
	if err != nil {
		return err
	}
	if !maps.EqualFunc(m.values, got.values, bytes.Equal) {
		return fmt.Errorf("there are values %q, expected %q", slices.Sorted(maps.Keys(got.values)), slices.Sorted(maps.Keys(m.values)))
	}
	if err := m.root.same(got.root, "/", at, map[*node]bool{}); err != nil {
		return err
	}
	return errors.Join(m.root.sameTrees(got.root, "/", map[uint32]uint32{}), m.sameSnapshots(fs, at))
}

func (n *node) same(got *node, path string, at span, seen map[*node]bool) error {
	switch {
	case n.typ != got.typ || n.mode != got.mode || n.uid != got.uid || n.nlink != got.nlink:
		return fmt.Errorf("%.60s is of type %d mode %o owner %d links %d, expected %d %o %d %d",
			path, got.typ, got.mode, got.uid, got.nlink, n.typ, n.mode, n.uid, n.nlink)
	case !bytes.Equal(n.data, got.data):
		return fmt.Errorf("%.60s has other content: %d bytes, expected %d", path, len(got.data), len(n.data))
	case !maps.EqualFunc(n.xattrs, got.xattrs, bytes.Equal):
		return fmt.Errorf("%.60s has attributes %q, expected %q", path, slices.Sorted(maps.Keys(got.xattrs)), slices.Sorted(maps.Keys(n.xattrs)))
	case !slices.Equal(slices.Sorted(maps.Keys(n.kids)), slices.Sorted(maps.Keys(got.kids))):
		return fmt.Errorf("%.60s holds %.200q, expected %.200q", path, slices.Sorted(maps.Keys(got.kids)), slices.Sorted(maps.Keys(n.kids)))
	}
	if !seen[n] {
		seen[n] = true
		if err := n.sameStamps(got.stamps, at); err != nil {
			return fmt.Errorf("%.60s: %w", path, err)
		}
	}
	for name, k := range n.kids {
		if err := k.same(got.kids[name], path+name+"/", at, seen); err != nil {
			return err
		}
	}
	return nil
}
