package crashtest

import (
	"bytes"
	"errors"
	"fmt"

	"pmemfs/pmemfs"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/pmem"
)

// quotas adds the accounts that something is charged to, or that have limits. What they have used is exact: the check compares it with the
// inodes.
func (d *dump) quotas(fs *pmemfs.FS) error {
	damaged := false
	err := fs.Quotas(0, func(q pmemfs.Quota) bool {
		damaged = damaged || q.Damaged
		if q.UsedFiles != 0 || q.QuotaLimits != (pmemfs.QuotaLimits{}) || q.Dir != (pmemfs.Handle{}) {
			*d = append(*d, fmt.Sprintf("account %+v", q))
		}
		return true
	})
	switch {
	case damaged:
		return errors.New("an account is damaged")
	case errors.Is(err, pmemfs.ErrNotExist):
		return nil
	}
	return err
}

// damagedAccounts damages what accounts have used, and their tree, in a filesystem that was closed.
func damagedAccounts(seed uint64) (*Trace, error) {
	s, err := accountsStart(false)
	if err != nil {
		return nil, err
	}
	if s, err = s.prepare([]Op{{Verb: "append", Path: "a", A: 5000}, {Verb: "sync"}, {Verb: "append", Path: "a", A: 50_000}}); err != nil {
		return nil, err
	}
	t, err := s.trace(nil, plainly)
	if err != nil {
		return nil, err
	}
	for _, where := range []func([]byte) ([]int64, error){slots, metadata} {
		if err := eachDamage(s.medium, seed, where, func(damaged []byte) error {
			return opensAs(damaged, t.domain, t.states.dumps[0], false)
		}); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// slots returns every slot of an account, eight times.
func slots(image []byte) (offsets []int64, err error) {
	sb, err := layout.DecodeSuperblock(image)
	if err != nil {
		return nil, err
	}
	fresh := make([]byte, layout.BlockSize)
	layout.InitSlotBlock(fresh)
	last := fresh[layout.BlockSize-layout.AccountSlotSize:] // given out last
	for b := sb.InodeBoot; b < sb.Blocks; b++ {
		if block := image[layout.BlockOffset(b):layout.BlockOffset(b+1)]; bytes.HasSuffix(block, last) {
			for i := range int64(8 * layout.SlotsPerBlock) {
				offsets = append(offsets, layout.BlockOffset(b)+i%layout.SlotsPerBlock*layout.AccountSlotSize)
			}
		}
	}
	if len(offsets) == 0 {
		return nil, errors.New("no slots in the image")
	}
	return offsets, nil
}

// treeOf returns the number of the directory tree with a quota that a file is in, 0 for none, and whether it is its directory.
func treeOf(fs *pmemfs.FS, h pmemfs.Handle) (id uint32, isRoot bool, err error) {
	q, err := fs.TreeQuota(h)
	if errors.Is(err, pmemfs.ErrNotExist) {
		return 0, false, nil
	}
	return q.ID, q.Dir == h, err
}

// applyTree gives a directory tree a quota, or takes it away.
func (m *model) applyTree(o Op) bool {
	n := m.find(o.Path)
	if n == nil || n.kids == nil || o.Verb == "untree" && !n.ofTree {
		return false
	}
	if o.Verb == "tree" {
		if !n.ofTree {
			m.trees++
			n.convert(n.quota, m.trees)
			n.ofTree = true
		}
		return true
	}
	outer := uint32(0)
	if d, _ := m.parent(o.Path); n != m.root {
		outer = d.quota
	}
	n.convert(n.quota, outer)
	n.ofTree = false
	return true
}

// convert gives what is in a tree and not in one with a quota of its own another number.
func (n *node) convert(from, to uint32) {
	if n.quota == from {
		n.quota = to
	}
	for _, k := range n.kids {
		if k.quota == from {
			k.convert(from, to)
		}
	}
}

// sameTrees compares which files are in one directory tree with a quota: the numbers may be others. n is below in the model.
func (n *node) sameTrees(got *node, path string, numbers map[uint32]uint32) error {
	want, known := numbers[n.quota]
	if !known {
		want = got.quota
		numbers[n.quota] = want
	}
	if got.quota != want || (n.quota == 0) != (got.quota == 0) || n.ofTree != got.ofTree {
		return fmt.Errorf("%.60s is in the tree %d (its directory: %v), expected %d (%v)", path, got.quota, got.ofTree, want, n.ofTree)
	}
	for name, k := range n.kids {
		if err := k.sameTrees(got.kids[name], path+name+"/", numbers); err != nil {
			return err
		}
	}
	return nil
}

// quotaTrace runs random operations with quotas among them, from an image without any on: accounting is turned on with files there, users and
// trees are limited, trees are given up.
func quotaTrace(seed uint64) (*Trace, error) {
	d := pmem.CacheFlush
	if seed%8 == 7 {
		d = pmem.PageCache
	}
	s, err := emptyStart(d, withSums(seed))
	if err != nil {
		return nil, err
	}
	m := newMix(seed + 500)
	m.names, m.large, m.grow = 12, 20_000, seed%2 == 0
	ops := m.ops(8)
	add := func(o Op) {
		ops = append(ops, o)
		m.model.apply(o)
	}
	add(Op{Verb: "quotaon"})
	for i := range 6 {
		switch (uint64(i) + seed) % 3 {
		case 0:
			add(Op{Verb: "limit", A: 1 + int64(seed%4), B: 16 << 10 << (i % 3)})
		case 1:
			if i > 2 {
				add(Op{Verb: "sync"})
			}
			add(Op{Verb: "mkdir", Path: fmt.Sprintf("t%d", i)})
			add(Op{Verb: "tree", Path: m.pick(true), A: 1 << 20, B: 20})
		case 2:
			add(Op{Verb: "untree", Path: m.pickTree()})
		}
		ops = append(ops, m.ops(7)...)
	}
	return s.trace(ops, plainly)
}

// pickTree returns a directory with a quota, if there is one.
func (m *mix) pickTree() string {
	for _, path := range m.model.root.paths("", true) {
		if m.model.find(path).ofTree {
			return path
		}
	}
	return m.pick(true)
}

// convertTrace turns accounting on, gives a tree with another one in it to accounts, and takes them away again: the power is cut in every
// record of the walks.
func convertTrace(seed uint64) (*Trace, error) {
	s, err := preparedStart("convert", withSums(seed), func() []Op {
		ops := []Op{{Verb: "mkdir", Path: "d"}, {Verb: "mkdir", Path: "d/e"}, {Verb: "mkdir", Path: "d/e/f"}, {Verb: "create", Path: "out"}}
		for i := range 40 {
			ops = append(ops, Op{Verb: "create", Path: fmt.Sprintf("d/e/%d", i)})
		}
		return append(ops, Op{Verb: "append", Path: "d/e/1", A: 9000}, Op{Verb: "chmod", Path: "d/e/2", A: 0o644, B: 3}, Op{Verb: "link", Path: "d/l", To: "d/e/1"})
	})
	if err != nil {
		return nil, err
	}
	if seed%2 == 1 {
		s.domain = pmem.PageCache
	}
	ops := []Op{
		{Verb: "quotaon"}, {Verb: "tree", Path: "d", A: 1 << 20}, {Verb: "create", Path: "d/e/f/new"}, {Verb: "tree", Path: "d/e/f", B: 3},
		{Verb: "untree", Path: "d"}, {Verb: "rename", Path: "out", To: "d/out"}, {Verb: "untree", Path: "d/e/f"},
		{Verb: "rename", Path: "d/e/f/new", To: "d/e/new"}, {Verb: "tree", Path: "d/e", A: 1 << 20},
	}
	return s.trace(ops, plainly)
}

// accountsTrace changes what accounts have used with checkpoints in between, so that both copies of their slots are in use, makes more
// accounts than a block has slots, and moves files between owners.
func accountsTrace(seed uint64) (*Trace, error) {
	s, err := accountsStart(withSums(seed))
	if err != nil {
		return nil, err
	}
	if seed%4 == 1 {
		s.domain = pmem.PageCache
	}
	var ops []Op
	for i := range int64(8) {
		ops = append(ops, Op{Verb: "append", Path: "a", A: 5000}, Op{Verb: "chmod", Path: "b", A: 0o644, B: 1 + i%3}, Op{Verb: "append", Path: "b", A: 3000})
		if (i+int64(seed))%3 == 0 {
			ops = append(ops, Op{Verb: "sync"})
		}
	}
	for i := range int64(62) {
		ops = append(ops, Op{Verb: "chmod", Path: "b", A: 0o644, B: 10 + i})
	}
	ops = append(ops, Op{Verb: "truncate", Path: "a", A: 100}, Op{Verb: "unlink", Path: "b"}, Op{Verb: "sync"}, Op{Verb: "append", Path: "a", A: 8000})
	return s.trace(ops, plainly)
}

// accountsStart is an image with some accounts.
func accountsStart(sums bool) (start, error) {
	return preparedStart("accounts", sums, func() []Op {
		return []Op{{Verb: "quotaon"}, {Verb: "create", Path: "a"}, {Verb: "create", Path: "b"}, {Verb: "limit", A: 2, B: 100 << 10}}
	})
}

// accountsBackTrace changes files that a snapshot has, goes back to it, and deletes it: what accounts have used follows.
func accountsBackTrace(seed uint64) (*Trace, error) {
	s, err := emptyStart(pmem.CacheFlush, withSums(seed))
	if err != nil {
		return nil, err
	}
	ops := []Op{
		{Verb: "create", Path: "a"}, {Verb: "append", Path: "a", A: 9000}, {Verb: "create", Path: "b"}, {Verb: "quotaon"},
		{Verb: "chmod", Path: "a", A: 0o644, B: 3}, {Verb: "snapshot", Path: "s"}, {Verb: "append", Path: "a", A: 5000},
		{Verb: "write", Path: "a", A: 4096}, {Verb: "chmod", Path: "b", A: 0o644, B: 3}, {Verb: "append", Path: "b", A: 20_000},
		{Verb: "create", Path: "c"}, {Verb: "unlink", Path: "a"}, {Verb: "limit", A: 3, B: 8192}, {Verb: "rollback", Path: "s"},
		{Verb: "create", Path: "d"}, {Verb: "append", Path: "d", A: 9000}, {Verb: "unsnapshot", Path: "s"}, {Verb: "unlink", Path: "a"},
	}
	if seed%2 == 1 { // the snapshot is from before the first quota
		ops[3], ops[5] = ops[5], ops[3]
	}
	return s.trace(ops, plainly)
}
