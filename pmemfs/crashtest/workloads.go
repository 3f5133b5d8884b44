package crashtest

import (
	"strings"

	"pmemfs/pmemfs"
)

// longName is as long as a name may be: its record in a directory spans several lines.
var longName = strings.Repeat("L", pmemfs.NameMax)

// shortOps is the universe of the exhaustive short sequences.
var shortOps = []Op{
	{Verb: "create", Path: "a"}, {Verb: "create", Path: "d/a"}, {Verb: "create", Path: longName},
	{Verb: "mkdir", Path: "d"}, {Verb: "mkdir", Path: "d/e"}, {Verb: "mknod", Path: "b"},
	{Verb: "symlink", Path: "b", A: 20}, {Verb: "symlink", Path: "d/s", A: 3000},
	{Verb: "link", Path: "b", To: "a"}, {Verb: "link", Path: "d/b", To: "a"},
	{Verb: "unlink", Path: "a"}, {Verb: "unlink", Path: "b"}, {Verb: "unlink", Path: "d/a"}, {Verb: "unlink", Path: longName},
	{Verb: "rmdir", Path: "d"}, {Verb: "rmdir", Path: "d/e"},
	{Verb: "rename", Path: "a", To: "b"}, {Verb: "rename", Path: "a", To: "d/a"}, {Verb: "rename", Path: "d/a", To: "a"},
	{Verb: "rename", Path: "d", To: "f"}, {Verb: "rename", Path: longName, To: "a"}, {Verb: "rename", Path: "d/e", To: "e"},
	{Verb: "rename", Path: "a", To: "c", A: int64(pmemfs.RenameNoReplace)},
	{Verb: "rename", Path: "a", To: "d/a", A: int64(pmemfs.RenameExchange)},
	{Verb: "write", Path: "a", A: 1}, {Verb: "write", Path: "a", A: 700, B: 4000}, {Verb: "write", Path: "a", A: 4096, B: 4096},
	{Verb: "write", Path: "a", A: 4097}, {Verb: "write", Path: "a", A: 20_003, B: 51}, {Verb: "write", Path: "d/a", A: 8192, B: 1 << 20},
	{Verb: "append", Path: "a", A: 100}, {Verb: "append", Path: "a", A: 9000},
	{Verb: "truncate", Path: "a"}, {Verb: "truncate", Path: "a", A: 5000}, {Verb: "truncate", Path: "a", A: 100_000},
	{Verb: "chmod", Path: "a", A: 0o4751, B: 3}, {Verb: "chmod", Path: "d", A: 0o1770, B: 4},
	{Verb: "allocate", Path: "a", A: 10_000}, {Verb: "allocate", Path: "a", A: 10_000, B: 4001}, {Verb: "punch", Path: "a", A: 6000, B: 100},
	{Verb: "setxattr", Path: "a", A: 30, B: 1}, {Verb: "setxattr", Path: "a", A: 5000, B: 1}, {Verb: "setxattr", Path: "d", A: 1, B: 2},
	{Verb: "acl", Path: "a", A: 9, B: 1}, {Verb: "acl", Path: "d", A: 5, B: 3}, {Verb: "acl", Path: "d", B: 2},
	{Verb: "removexattr", Path: "a", B: 1}, {Verb: "hold", Path: "a"}, {Verb: "release"}, {Verb: "sync"},
}

// preparedOps make what the second half of the short sequences starts from.
var preparedOps = []Op{
	{Verb: "create", Path: "a"}, {Verb: "write", Path: "a", A: 15_000, B: 3}, {Verb: "setxattr", Path: "a", A: 3000, B: 1},
	{Verb: "setxattr", Path: "a", A: 300, B: 2},
	{Verb: "create", Path: longName}, {Verb: "mkdir", Path: "d"}, {Verb: "create", Path: "d/a"}, {Verb: "append", Path: "d/a", A: 5000},
	{Verb: "mkdir", Path: "d/e"}, {Verb: "link", Path: "b", To: "d/a"},
}
