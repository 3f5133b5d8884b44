package crashtest

import "pmemfs/pmemfs"

// tailsTrace stores values and data whose ends are 1 to 7 bytes behind a word, a line and a block.
func tailsTrace(seed uint64) (*Trace, error) {
	ops := []Op{{Verb: "create", Path: "a"}}
	for k := int64(1); k < 8; k++ {
		ops = append(ops,
			Op{Verb: "setxattr", Path: "a", A: []int64{1024 + 64, 4096, 8192}[seed%3] + k, B: k % 2},
			Op{Verb: "write", Path: "a", A: 8192 + k, B: k})
	}
	return shortTraceOf(ops)
}

// renamesTrace renames files and directories in every way, and links and removes what came of it.
func renamesTrace(seed uint64) (*Trace, error) {
	exchange := int64(pmemfs.RenameExchange)
	ops := []Op{
		{Verb: "rename", Path: "a", To: "c"}, {Verb: "rename", Path: "c", To: "d/c"}, {Verb: "rename", Path: "d/c", To: "d/a"},
		{Verb: "create", Path: "a"}, {Verb: "rename", Path: "a", To: "d/a", A: exchange}, {Verb: "link", Path: "d/l", To: "a"},
		{Verb: "rename", Path: "d/l", To: "b"}, {Verb: "rename", Path: "d/e", To: "e"}, {Verb: "mkdir", Path: "d/f"},
		{Verb: "rename", Path: "e", To: "d/f"}, {Verb: "rename", Path: "d/f", To: longName, A: exchange},
		{Verb: "unlink", Path: "a"}, {Verb: "rename", Path: "d", To: "g"}, {Verb: "unlink", Path: "b"},
	}
	return valid(true, seed%2 == 1, ops)
}

// edgesTrace truncates, allocates and punches at the edges of blocks and one byte on either side.
func edgesTrace(seed uint64) (*Trace, error) {
	ops := []Op{{Verb: "create", Path: "a"}, {Verb: "write", Path: "a", A: 50_000}}
	for i := range int64(9) {
		at, n := 8192+i%3-1, 12_288+i/3-1
		switch (i + int64(seed)) % 3 {
		case 0:
			ops = append(ops, Op{Verb: "punch", Path: "a", A: n, B: at})
		case 1:
			ops = append(ops, Op{Verb: "truncate", Path: "a", A: at}, Op{Verb: "truncate", Path: "a", A: at + n})
		case 2:
			ops = append(ops, Op{Verb: "allocate", Path: "a", A: n, B: at + 20_000}, Op{Verb: "append", Path: "a", A: 3})
		}
	}
	return shortTraceOf(ops)
}
