package crashtest

import "pmemfs/pmemfs"

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
