package p9mem

import (
	"io"
	"sync"
	"sync/atomic"

	"github.com/hugelgupf/p9/fsimpl/templatefs"
	"github.com/hugelgupf/p9/linux"
	"github.com/hugelgupf/p9/p9"
)

// tree is files and directories in memory. It does what the benchmark asks for, and the rest is refused with ENOSYS.
type tree struct {
	paths atomic.Uint64 // of qids, given so far
	root  *node
}

func newTree() *tree {
	t := new(tree)
	t.root = t.node(p9.ModeDirectory | 0o755)
	return t
}

// Attach implements p9.Attacher.
func (t *tree) Attach() (p9.File, error) { return &file{tree: t, node: t.root}, nil }

// node is a file or a directory.
type node struct {
	path uint64
	mode p9.FileMode

	mu       sync.RWMutex
	children map[string]*node // of a directory
	data     []byte           // of a file
}

func (t *tree) node(mode p9.FileMode) *node {
	n := &node{path: t.paths.Add(1), mode: mode}
	if mode.IsDir() {
		n.children = make(map[string]*node)
	}
	return n
}

func (n *node) qid() p9.QID { return p9.QID{Type: n.mode.QIDType(), Path: n.path} }

// add makes a node below a directory.
func (n *node) add(name string, child *node) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case n.children == nil:
		return linux.ENOTDIR
	case n.children[name] != nil:
		return linux.EEXIST
	}
	n.children[name] = child
	return nil
}

// child returns the node of a name in a directory, or nil.
func (n *node) child(name string) *node {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.children[name]
}

// file is a node as a fid has it.
type file struct {
	templatefs.NoopFile
	tree *tree
	node *node
}

// Walk implements p9.File.
func (f *file) Walk(names []string) ([]p9.QID, p9.File, error) {
	at := f.node
	qids := make([]p9.QID, 0, len(names))
	for _, name := range names {
		if at = at.child(name); at == nil {
			return nil, nil, linux.ENOENT
		}
		qids = append(qids, at.qid())
	}
	return qids, &file{tree: f.tree, node: at}, nil
}

// GetAttr implements p9.File.
func (f *file) GetAttr(mask p9.AttrMask) (p9.QID, p9.AttrMask, p9.Attr, error) {
	f.node.mu.RLock()
	defer f.node.mu.RUnlock()
	size := uint64(len(f.node.data))
	a := p9.Attr{Mode: f.node.mode, NLink: 1, Size: size, BlockSize: 4096, Blocks: (size + 511) / 512}
	return f.node.qid(), mask, a, nil
}

// Open implements p9.File.
func (f *file) Open(p9.OpenFlags) (p9.QID, uint32, error) { return f.node.qid(), 0, nil }

// Create implements p9.File.
func (f *file) Create(name string, _ p9.OpenFlags, mode p9.FileMode, _ p9.UID, _ p9.GID) (p9.File, p9.QID, uint32, error) {
	n := f.tree.node(p9.ModeRegular | mode.Permissions())
	if err := f.node.add(name, n); err != nil {
		return nil, p9.QID{}, 0, err
	}
	return &file{tree: f.tree, node: n}, n.qid(), 0, nil
}

// Mkdir implements p9.File.
func (f *file) Mkdir(name string, mode p9.FileMode, _ p9.UID, _ p9.GID) (p9.QID, error) {
	n := f.tree.node(p9.ModeDirectory | mode.Permissions())
	return n.qid(), f.node.add(name, n)
}

// UnlinkAt implements p9.File.
func (f *file) UnlinkAt(name string, _ uint32) error {
	f.node.mu.Lock()
	defer f.node.mu.Unlock()
	if f.node.children[name] == nil {
		return linux.ENOENT
	}
	delete(f.node.children, name)
	return nil
}

// ReadAt implements p9.File.
func (f *file) ReadAt(p []byte, offset int64) (int, error) {
	f.node.mu.RLock()
	defer f.node.mu.RUnlock()
	if offset >= int64(len(f.node.data)) {
		return 0, io.EOF
	}
	return copy(p, f.node.data[offset:]), nil
}

// sizeMax bounds a file.
const sizeMax = 64 << 20

// WriteAt implements p9.File.
func (f *file) WriteAt(p []byte, offset int64) (int, error) {
	f.node.mu.Lock()
	defer f.node.mu.Unlock()
	end := offset + int64(len(p))
	if offset < 0 || end > sizeMax {
		return 0, linux.EFBIG
	}
	if grow := end - int64(len(f.node.data)); grow > 0 {
		f.node.data = append(f.node.data, make([]byte, grow)...)
	}
	return copy(f.node.data[offset:], p), nil
}
