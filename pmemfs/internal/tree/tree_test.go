package tree_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"pmemfs/pmemfs/internal/alloc"
	"pmemfs/pmemfs/internal/alloctest"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/tree"
)

// owner is the inode number that the trees of these tests claim.
const owner = 77

// forest is a tree on a medium, and the sorted map that it should equal.
type forest struct {
	t     *testing.T
	m     *alloctest.Medium
	root  tree.Root
	nodes int64
	model map[uint64][]byte
	what  string // for messages: how to get here again
}

func newForest(t *testing.T, blocks uint64) *forest {
	return &forest{t: t, m: alloctest.New(t, blocks, false), model: map[uint64][]byte{}}
}

func (f *forest) tree(op *alloc.Op) *tree.Tree {
	return &tree.Tree{J: f.m.J, Op: op, Kind: layout.TreeDir, Owner: owner, Root: f.root}
}

// edit runs one change through the journal.
func (f *forest) edit(change func(*tree.Tree) error) error {
	var after *tree.Tree
	err := f.m.Try(func(op *alloc.Op) error {
		after = f.tree(op)
		return change(after)
	})
	if err == nil {
		f.root = after.Root
		f.nodes += after.Nodes
	}
	return err
}

func (f *forest) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatalf("%s: %v", f.what, err)
	}
}

func (f *forest) insert(key uint64, payload []byte) {
	f.t.Helper()
	f.must(f.edit(func(t *tree.Tree) error { return t.Insert(key, payload) }))
	f.model[key] = payload
}

func (f *forest) delete(key uint64) {
	f.t.Helper()
	f.must(f.edit(func(t *tree.Tree) error { return t.Delete(key) }))
	delete(f.model, key)
}

// walk validates a subtree, of which all keys are in [lo, hi), and returns how many nodes it has.
func (f *forest) walk(block uint64, level int, lo, hi uint64, seen *[]uint64) int64 {
	f.t.Helper()
	n := layout.Node(f.m.Region.Bytes()[layout.BlockOffset(block):layout.BlockOffset(block+1)])
	if err := n.Validate(block); err != nil {
		f.t.Fatalf("%s: %v", f.what, err)
	}
	if int(n.Level()) != level || n.Owner() != owner || n.Kind() != layout.TreeDir || n.Count() == 0 {
		f.t.Fatalf("%s: node at %d: level %d of %d, owner %d, %d records", f.what, block, n.Level(), level, n.Owner(), n.Count())
	}
	nodes := int64(1)
	for i := range n.Count() {
		switch {
		case level == 0:
			if k := n.Key(i); k < lo || k >= hi {
				f.t.Fatalf("%s: node at %d: key %d is not in [%d, %d)", f.what, block, k, lo, hi)
			}
			*seen = append(*seen, n.Key(i))
		default:
			from, to := lo, hi
			if i > 0 {
				from = n.Key(i)
			}
			if i+1 < n.Count() {
				to = n.Key(i + 1)
			}
			if from < lo || to > hi {
				f.t.Fatalf("%s: node at %d: separators [%d, %d) are not in [%d, %d)", f.what, block, from, to, lo, hi)
			}
			nodes += f.walk(n.Child(i), level-1, from, to, seen)
		}
	}
	return nodes
}

// verify compares structure, every record and the number of nodes.
func (f *forest) verify() {
	f.t.Helper()
	var seen []uint64
	nodes := int64(0)
	if f.root.Height > 0 {
		nodes = f.walk(f.root.Block, int(f.root.Height)-1, 0, 1<<63, &seen)
	}
	if want := slices.Sorted(maps.Keys(f.model)); !slices.Equal(seen, want) {
		f.t.Fatalf("%s: %d keys, expected %d", f.what, len(seen), len(want))
	}
	if nodes != f.nodes {
		f.t.Fatalf("%s: the tree has %d nodes, its operations counted %d", f.what, nodes, f.nodes)
	}
}

// lookups compares Get, SeekGE, SeekLE and Next around a key.
func (f *forest) lookups(key uint64) {
	f.t.Helper()
	t := f.tree(nil)
	got, err := t.Get(key)
	f.must(err)
	if want, ok := f.model[key]; ok != (got != nil) || !bytes.Equal(got, want) {
		f.t.Fatalf("%s: get %d: %q, expected %q", f.what, key, got, want)
	}
	keys := slices.Sorted(maps.Keys(f.model))
	i, exact := slices.BinarySearch(keys, key)
	var c tree.Cursor
	f.must(t.SeekGE(&c, key))
	for j := i; j < min(i+3, len(keys)); j++ {
		if !c.Valid() || c.Key() != keys[j] || !bytes.Equal(c.Payload(), f.model[keys[j]]) {
			f.t.Fatalf("%s: seek up to %d, record %d is wrong", f.what, key, j-i)
		}
		f.must(t.Next(&c))
	}
	if i+3 >= len(keys) && c.Valid() {
		f.t.Fatalf("%s: seek up to %d goes beyond the last record", f.what, key)
	}
	f.must(t.SeekLE(&c, key))
	if !exact {
		i--
	}
	if c.Valid() != (i >= 0) || i >= 0 && c.Key() != keys[i] {
		f.t.Fatalf("%s: seek down from %d is wrong", f.what, key)
	}
}

// TestTreeRandom grows and shrinks a tree in waves, with payloads of every size.
func TestTreeRandom(t *testing.T) {
	for seed, sizeMax := range []int{0, 8, 60, 264, layout.PayloadMax} {
		rng := rand.New(rand.NewPCG(uint64(seed), 1))
		f := newForest(t, 4096)
		const steps = 3000
		for step := range steps {
			f.what = fmt.Sprintf("seed %d payloads up to %d step %d", seed, sizeMax, step)
			key := 1 + uint64(rng.IntN(1200))
			_, there := f.model[key]
			grow := rng.IntN(100) < 80-60*(step/750%2)
			switch {
			case !there && grow:
				payload := make([]byte, rng.IntN(sizeMax+1))
				payload = append(payload[:0], bytes.Repeat([]byte{byte(step)}, len(payload))...)
				f.insert(key, payload)
			case there && !grow:
				f.delete(key)
			case there:
				payload := bytes.Repeat([]byte{byte(step)}, len(f.model[key]))
				f.must(f.edit(func(t *tree.Tree) error { return t.Update(key, payload) }))
				f.model[key] = payload
			}
			f.verify()
			f.lookups(uint64(rng.IntN(1300)))
		}
		f.what = "at the end"
		for key := range maps.Clone(f.model) {
			f.delete(key)
			f.verify()
		}
		if f.root != (tree.Root{}) {
			t.Errorf("an emptied tree has root %+v", f.root)
		}
		f.m.Verify(t)
	}
}

// TestTreeOrders fills and empties a tree of several levels in each order, and looks that nodes come back.
func TestTreeOrders(t *testing.T) {
	const count = 2500
	perm := rand.New(rand.NewPCG(1, 2)).Perm(count)
	orders := map[string]func(i int) uint64{
		"ascending":  func(i int) uint64 { return uint64(i + 1) },
		"descending": func(i int) uint64 { return uint64(count - i) },
		"random":     func(i int) uint64 { return uint64(perm[i] + 1) },
		"inwards":    func(i int) uint64 { return uint64([2]int{i/2 + 1, count - i/2}[i%2]) },
	}
	for fill, fillOrder := range orders {
		for drain, drainOrder := range orders {
			f := newForest(t, 4096)
			f.what = "filled " + fill + ", drained " + drain
			payload := make([]byte, 264) // 14 to a leaf
			for i := range count {
				f.insert(fillOrder(i), payload)
			}
			f.verify()
			full, height := f.nodes, f.root.Height
			if most := int64(count/7 + 20); height < 2 || full > most {
				t.Errorf("%s: height %d, %d nodes, expected at most %d", f.what, height, full, most)
			}
			if fill == "ascending" && full > count/14+10 {
				t.Errorf("ascending inserts leave %d nodes, not full ones", full)
			}
			for i := range count {
				f.delete(drainOrder(i))
				if i%100 == 0 {
					f.verify()
				}
				if i == count*9/10 && f.nodes > full/3 {
					t.Errorf("%s: a tenth of the records has %d of %d nodes", f.what, f.nodes, full)
				}
			}
			f.verify()
			if f.root.Height != 0 || f.nodes != 0 {
				t.Errorf("%s: root %+v and %d nodes are left", f.what, f.root, f.nodes)
			}
			f.m.Verify(t)
		}
	}
}

// TestTreeMany makes many changes in one transaction, nodes made and freed in it among them.
func TestTreeMany(t *testing.T) {
	f := newForest(t, 4096)
	f.what = "many in one"
	f.must(f.edit(func(t *tree.Tree) error {
		for k := range uint64(200) {
			if err := t.Insert(k+1, make([]byte, 100)); err != nil {
				return err
			}
		}
		for k := range uint64(150) {
			if err := t.Delete(k + 1); err != nil {
				return err
			}
		}
		return nil
	}))
	for k := uint64(151); k <= 200; k++ {
		f.model[k] = make([]byte, 100)
	}
	f.verify()
	f.lookups(170)
	before := f.root
	failed := errors.New("made up")
	err := f.edit(func(t *tree.Tree) error {
		for k := uint64(300); k < 500; k++ {
			if err := t.Insert(k, make([]byte, 100)); err != nil {
				return err
			}
		}
		return failed
	})
	if err != failed || f.root != before {
		t.Errorf("aborted: %v, root %+v, expected %+v", err, f.root, before)
	}
	f.verify()
	f.m.Verify(t)
}

// TestTreeRefusals asks for what cannot be.
func TestTreeRefusals(t *testing.T) {
	f := newForest(t, 2048)
	f.what = "refusals"
	f.insert(5, []byte("five"))
	for name, change := range map[string]func(*tree.Tree) error{
		"insert what is there":   func(t *tree.Tree) error { return t.Insert(5, nil) },
		"delete what is not":     func(t *tree.Tree) error { return t.Delete(6) },
		"update what is not":     func(t *tree.Tree) error { return t.Update(6, []byte("five")) },
		"update with other size": func(t *tree.Tree) error { return t.Update(5, []byte("longer")) },
	} {
		if err := f.edit(change); !errors.Is(err, layout.ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
	empty := &tree.Tree{J: f.m.J, Kind: layout.TreeDir, Owner: owner}
	var c tree.Cursor
	if p, err := empty.Get(1); p != nil || err != nil {
		t.Errorf("empty tree: %q, %v", p, err)
	}
	if err := errors.Join(empty.SeekGE(&c, 0), empty.SeekLE(&c, 9)); err != nil || c.Valid() {
		t.Errorf("empty tree: %v", err)
	}
	for name, bad := range map[string]tree.Tree{
		"other owner":         {Kind: layout.TreeDir, Owner: 78, Root: f.root},
		"other kind":          {Kind: layout.TreeXattr, Owner: owner, Root: f.root},
		"too high":            {Kind: layout.TreeDir, Owner: owner, Root: tree.Root{Block: f.root.Block, Height: 2}},
		"absurdly high":       {Kind: layout.TreeDir, Owner: owner, Root: tree.Root{Block: f.root.Block, Height: 255}},
		"block 0":             {Kind: layout.TreeDir, Owner: owner, Root: tree.Root{Block: 0, Height: 1}},
		"behind the image":    {Kind: layout.TreeDir, Owner: owner, Root: tree.Root{Block: 2048, Height: 1}},
		"far behind":          {Kind: layout.TreeDir, Owner: owner, Root: tree.Root{Block: 1<<63 + 5, Height: 1}},
		"a block of no tree":  {Kind: layout.TreeDir, Owner: owner, Root: tree.Root{Block: 1, Height: 1}},
		"a block of a stream": {Kind: layout.TreeDir, Owner: owner, Root: tree.Root{Block: 1000, Height: 1}},
	} {
		bad.J = f.m.J
		if _, err := bad.Get(5); !errors.Is(err, layout.ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
		if err := bad.SeekGE(&c, 5); !errors.Is(err, layout.ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
	f.m.Verify(t)
}

// TestTreeFull inserts until no block is left: the error is clean, and the tree is as it was.
func TestTreeFull(t *testing.T) {
	f := newForest(t, layout.MinBlocks)
	f.what = "full"
	for k := uint64(1); ; k++ {
		err := f.edit(func(t *tree.Tree) error { return t.Insert(k, make([]byte, layout.PayloadMax)) })
		if errors.Is(err, alloc.ErrNoSpace) {
			break
		}
		f.must(err)
		f.model[k] = make([]byte, layout.PayloadMax)
	}
	f.verify()
	for key := range maps.Clone(f.model) {
		f.delete(key)
	}
	f.verify()
	f.m.Verify(t)
}
