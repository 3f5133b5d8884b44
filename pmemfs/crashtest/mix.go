package crashtest

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
)

// A mix makes random operations, most of which make sense: it follows them in a model of its own.
type mix struct {
	rng   *rand.Rand
	names int   // how many names there are in each directory
	large int64 // the largest write
	grow  bool  // rather add than take away
	model *model
}

func newMix(seed uint64) *mix {
	return &mix{
		rng: rand.New(rand.NewPCG(seed, 3)), names: 30, large: 70_001, model: emptyModel(),
	}
}

// paths returns the paths of all files, or of all directories, without a slash in front.
func (n *node) paths(prefix string, dirs bool) (list []string) {
	for _, name := range slices.Sorted(maps.Keys(n.kids)) {
		k := n.kids[name]
		if (k.kids != nil) == dirs {
			list = append(list, prefix+name)
		}
		list = append(list, k.paths(prefix+name+"/", dirs)...)
	}
	return list
}

// pick returns one of the files, or of the directories; now and then a path that need not exist.
func (m *mix) pick(dirs bool) string {
	list := m.model.root.paths("", dirs)
	if len(list) == 0 || m.rng.IntN(16) == 0 {
		return m.fresh()
	}
	return list[m.rng.IntN(len(list))]
}

// fresh returns a path in some directory.
func (m *mix) fresh() string {
	i := m.rng.IntN(m.names)
	name := fmt.Sprintf("n%d", i)
	if i%7 == 6 {
		name = string(bytes.Repeat([]byte{'a' + byte(i%26)}, 255-i/26))
	}
	dirs := m.model.root.paths("", true)
	if k := m.rng.IntN(len(dirs) + 1); k < len(dirs) {
		return dirs[k] + "/" + name
	}
	return name
}

func (m *mix) size() int64 {
	sizes := []int64{1, 63, 512, 4095, 4096, 4097, 8192, 20_000, 70_001, 300_000}
	return min(sizes[m.rng.IntN(len(sizes))], m.large)
}

// op returns a random operation and does it in the model.
func (m *mix) op() Op {
	o := listed(m.choose())
	m.model.apply(o)
	return o
}

// listed turns some changes of attributes and modes into changes of access control lists, so that those are mixed in and all
// random numbers stay what they were.
func listed(o Op) Op {
	switch {
	case o.Verb == "setxattr" && o.B == 3:
		return Op{Verb: "acl", Path: o.Path, A: o.A % 100, B: 1 + o.A%2}
	case o.Verb == "chmod" && o.A&0o7000 == 0o7000:
		return Op{Verb: "acl", Path: o.Path, A: o.A & 0o77, B: 1 + o.B%3}
	}
	return o
}

// choose returns a random operation.
func (m *mix) choose() Op {
	k := m.rng.IntN(28)
	if m.grow && k >= 22 {
		k = m.rng.IntN(8)
	}
	switch k {
	case 0, 1, 2:
		return Op{Verb: "create", Path: m.fresh()}
	case 3:
		return Op{Verb: "mkdir", Path: m.fresh()}
	case 4:
		return Op{Verb: "symlink", Path: m.fresh(), A: 1 + m.rng.Int64N(4000)}
	case 5:
		return Op{Verb: "mknod", Path: m.fresh()}
	case 6:
		return Op{Verb: "link", Path: m.fresh(), To: m.pick(false)}
	case 7, 8, 9, 10:
		return Op{Verb: "write", Path: m.pick(false), A: m.size(), B: m.rng.Int64N(100_000)}
	case 11, 12:
		return Op{Verb: "append", Path: m.pick(false), A: m.size()}
	case 13, 14:
		return Op{Verb: "truncate", Path: m.pick(false), A: m.rng.Int64N(120_000)}
	case 15:
		return Op{Verb: "allocate", Path: m.pick(false), A: 1 + m.rng.Int64N(100_000), B: m.rng.Int64N(100_000)}
	case 16:
		return Op{Verb: "punch", Path: m.pick(false), A: 1 + m.rng.Int64N(60_000), B: m.rng.Int64N(100_000)}
	case 17, 18:
		sizes := []int64{0, 20, 1000, 1025, 9000}
		return Op{Verb: "setxattr", Path: m.pick(false), A: sizes[m.rng.IntN(len(sizes))], B: m.rng.Int64N(4)}
	case 19:
		return Op{Verb: "chmod", Path: m.pick(m.rng.IntN(2) == 0), A: m.rng.Int64N(0o10000), B: m.rng.Int64N(5)}
	case 20:
		return Op{Verb: []string{"sync", "hold", "release"}[m.rng.IntN(3)], Path: m.pick(false)}
	case 21:
		return Op{Verb: "removexattr", Path: m.pick(false), B: m.rng.Int64N(4)}
	case 22:
		return Op{Verb: "rmdir", Path: m.pick(true)}
	case 23, 24:
		return Op{Verb: "rename", Path: m.pick(m.rng.IntN(3) == 0), To: m.fresh(), A: []int64{0, 0, 1, 2}[m.rng.IntN(4)]}
	case 25:
		return Op{Verb: "rename", Path: m.pick(false), To: m.pick(false), A: []int64{0, 0, 2}[m.rng.IntN(3)]}
	default:
		return Op{Verb: "unlink", Path: m.pick(false)}
	}
}

// ops returns n operations.
func (m *mix) ops(n int) []Op {
	ops := make([]Op, n)
	for i := range ops {
		ops[i] = m.op()
	}
	return ops
}
