package crashtest

import (
	"errors"
	"fmt"
	"slices"

	"pmemfs/pmemfs"
	"pmemfs/pmemfs/internal/pmem"
)

// cutTrace truncates, removes and replaces files of so many extents that each takes several records, and then lets files grow
// where old bytes might be left.
func cutTrace(seed uint64) (*Trace, error) {
	s, err := preparedStart("cut", withSums(seed), func() []Op {
		ops := []Op{{Verb: "create", Path: "a"}, {Verb: "create", Path: "b"}}
		for i := range int64(400) {
			ops = append(ops, Op{Verb: "write", Path: "a", A: 100, B: i * 8192})
		}
		return ops
	})
	if err != nil {
		return nil, err
	}
	const size = 3 << 20
	ops := [][]Op{
		{{Verb: "truncate", Path: "a", A: 100_000}, {Verb: "truncate", Path: "a", A: size}},
		{{Verb: "truncate", Path: "a"}, {Verb: "write", Path: "a", A: 5000, B: size}},
		{{Verb: "truncate", Path: "a", A: 50_000}, {Verb: "allocate", Path: "a", A: size, B: 1}},
		{{Verb: "rename", Path: "b", To: "a"}, {Verb: "truncate", Path: "a", A: size}},
		{{Verb: "unlink", Path: "a"}, {Verb: "create", Path: "a"}, {Verb: "truncate", Path: "a", A: size}},
		{{Verb: "hold", Path: "a"}, {Verb: "unlink", Path: "a"}, {Verb: "release"}},
	}
	return s.trace(ops[seed%uint64(len(ops))], plainly)
}

// singleTrace frees single blocks that the journal names, on a filesystem where no others are free, and then writes whole blocks.
func singleTrace(seed uint64) (*Trace, error) {
	s, err := preparedStart("single", false, func() []Op {
		ops := []Op{
			{Verb: "create", Path: "b"}, {Verb: "write", Path: "b", A: 4096}, {Verb: "create", Path: "a"}, {Verb: "write", Path: "a", A: 4096},
			{Verb: "create", Path: "d"}, {Verb: "write", Path: "d", A: 4096}, {Verb: "create", Path: "c"}, {Verb: "write", Path: "c", A: 4096},
			{Verb: "create", Path: "big"},
		}
		for range 14 {
			ops = append(ops, Op{Verb: "append", Path: "big", A: 300_000})
		}
		for range 20 {
			ops = append(ops, Op{Verb: "append", Path: "big", A: 4096}) // until it is full
		}
		return ops
	})
	if err != nil {
		return nil, err
	}
	ops := []Op{
		{Verb: "write", Path: "a", A: 4000}, {Verb: "write", Path: "c", A: 4000, B: 96}, {Verb: "unlink", Path: "a"},
		{Verb: "unlink", Path: "c"}, {Verb: "write", Path: "b", A: 8192, B: 4096},
	}
	if seed%2 == 1 {
		ops[2], ops[3] = Op{Verb: "truncate", Path: "a"}, Op{Verb: "punch", Path: "c", A: 4096}
	}
	return s.trace(ops, plainly)
}

// exchangeTrace exchanges names of two directories: both, and both files, have changed.
func exchangeTrace(seed uint64) (*Trace, error) {
	ops := []Op{
		{Verb: "rename", Path: "a", To: "d/a", A: int64(pmemfs.RenameExchange)}, {Verb: "rename", Path: "d/e", To: longName, A: int64(pmemfs.RenameExchange)},
		{Verb: "rename", Path: "d/a", To: "b", A: int64(pmemfs.RenameExchange)},
	}
	return valid(true, seed%2 == 1, ops)
}

// build is prepare for many operations, which are neither recorded nor compared with a model.
func (s start) build(ops []Op) (start, error) {
	region, err := pmem.NewMemory(int64(len(s.medium)), s.domain)
	if err != nil {
		return s, err
	}
	region.Write(0, s.medium)
	fs, err := openRegion(region)
	if err != nil {
		return s, err
	}
	w := world{fs: fs}
	for _, o := range ops {
		if err = w.do(o); err != nil {
			break
		}
	}
	err = errors.Join(err, fs.SyncAll())
	made := start{slices.Clone(region.Bytes()), s.domain, s.quiet}
	return made, errors.Join(err, fs.Close())
}

// trimTrace removes the last of many inodes, so that the inode file gives back its end, and then writes whole blocks over what that
// was, while the journal still names inodes there; and makes it grow again.
func trimTrace(seed uint64) (*Trace, error) {
	const files = 1700
	empty, err := emptyStart(pmem.CacheFlush, false)
	if err != nil {
		return nil, err
	}
	s, err := cached("trim", func() (start, error) {
		ops := []Op{{Verb: "create", Path: "b"}, {Verb: "write", Path: "b", A: 4096}, {Verb: "mkdir", Path: "e"}}
		for i := range files {
			ops = append(ops, Op{Verb: "create", Path: fmt.Sprintf("e/%d", i)})
		}
		for i := range files - 3 {
			ops = append(ops, Op{Verb: "unlink", Path: fmt.Sprintf("e/%d", i)})
		}
		return empty.build(append(ops, Op{Verb: "create", Path: "big"}))
	})
	if err != nil {
		return nil, err
	}
	name := func(i int) string { return fmt.Sprintf("e/%d", files-i) }
	ops := []Op{
		{Verb: "chmod", Path: name(1), A: 0o600}, {Verb: "write", Path: name(2), A: 100}, {Verb: "unlink", Path: name(3)},
		{Verb: "rename", Path: name(2), To: name(1)}, {Verb: "unlink", Path: name(1)},
	}
	switch seed % 3 {
	case 0: // nothing else is free, so that what is given back is written over as soon as it may be
		ops = append(ops, Op{Verb: "write", Path: "big", A: 2_000_000}, Op{Verb: "append", Path: "big", A: 600_000})
	case 1:
		for i := range 3 {
			ops = append(ops, Op{Verb: "create", Path: fmt.Sprintf("new%d", i)}, Op{Verb: "append", Path: "big", A: 70_000})
		}
	case 2:
		ops = append(ops, Op{Verb: "sync"}, Op{Verb: "append", Path: "big", A: 300_000}, Op{Verb: "create", Path: "new"})
	}
	if seed/3%2 == 1 {
		s.domain = pmem.PageCache
	}
	return s.trace(ops, plainly)
}
