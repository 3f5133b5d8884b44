package crashtest

import (
	"fmt"
	"math/rand/v2"

	"pmemfs/pmemfs/internal/pmem"
)

// mixTrace runs random operations from an empty filesystem on.
func mixTrace(seed uint64, d pmem.Domain) (*Trace, error) {
	s, err := emptyStart(d, withSums(seed))
	if err != nil {
		return nil, err
	}
	m := newMix(seed)
	m.grow = seed%2 == 0
	return s.trace(m.ops(60+int(seed%5)*20), plainly)
}

// fullTrace runs random operations on a filesystem that has no space left, or little.
func fullTrace(seed uint64) (*Trace, error) {
	s, err := preparedStart("full", withSums(seed), func() []Op {
		var ops []Op
		for i := range 12 {
			p := fmt.Sprintf("n%d", i)
			ops = append(ops, Op{Verb: "create", Path: p}, Op{Verb: "allocate", Path: p, A: 270_000}, Op{Verb: "append", Path: p, A: 10_000})
		}
		ops = append(ops, Op{Verb: "create", Path: "n20"})
		for range 40 {
			ops = append(ops, Op{Verb: "append", Path: "n20", A: 8000}) // until it is full
		}
		return ops
	})
	if err != nil {
		return nil, err
	}
	m := newMix(seed)
	for i := range 12 {
		m.model.apply(Op{Verb: "create", Path: fmt.Sprintf("n%d", i)})
	}
	m.grow = seed%3 == 0
	return s.trace(m.ops(60), plainly)
}

// extentsTrace runs operations on files with so many extents that their trees have several levels, on a filesystem whose
// free space is in single blocks: they take several records.
func extentsTrace(seed uint64) (*Trace, error) {
	const blocks = 560
	s, err := preparedStart("extents", withSums(seed), func() []Op {
		ops := []Op{{Verb: "create", Path: "a"}, {Verb: "create", Path: "b"}, {Verb: "create", Path: "c"}}
		for i := range int64(blocks / 2) {
			ops = append(ops, Op{Verb: "write", Path: "a", A: 100, B: i * 8192}, Op{Verb: "write", Path: "b", A: 100, B: i * 8192})
		}
		// Every second block of what is left is taken, and what lies between is given back.
		ops = append(ops, Op{Verb: "allocate", Path: "c", A: 300 * 4096})
		for i := range int64(150) {
			ops = append(ops, Op{Verb: "punch", Path: "c", A: 4096, B: i * 8192})
		}
		return ops
	})
	if err != nil {
		return nil, err
	}
	rng := rand.New(rand.NewPCG(seed, 12))
	var ops []Op
	for range 6 {
		p := []string{"a", "b", "c"}[rng.IntN(3)]
		at := rng.Int64N(blocks * 4096)
		switch rng.IntN(9) {
		case 0, 1:
			ops = append(ops, Op{Verb: "write", Path: p, A: 400_000, B: at})
		case 2:
			ops = append(ops, Op{Verb: "truncate", Path: p, A: at})
		case 3:
			ops = append(ops, Op{Verb: "unlink", Path: p}, Op{Verb: "create", Path: p})
		case 4:
			ops = append(ops, Op{Verb: "punch", Path: p, A: rng.Int64N(1 << 20), B: at})
		case 5:
			ops = append(ops, Op{Verb: "allocate", Path: p, A: rng.Int64N(1<<20) + 1, B: at})
		case 6:
			ops = append(ops, Op{Verb: "hold", Path: p}, Op{Verb: "unlink", Path: p}, Op{Verb: "release"}, Op{Verb: "create", Path: p})
		case 7:
			ops = append(ops, Op{Verb: "write", Path: p, A: 4096, B: at})
		case 8:
			ops = append(ops, Op{Verb: "rename", Path: p, To: "d"}, Op{Verb: "create", Path: p}, Op{Verb: "unlink", Path: "d"})
		}
	}
	return s.trace(ops, plainly)
}

// namesTrace runs operations on directories that split and merge: long names, so that a few fill a node.
func namesTrace(seed uint64) (*Trace, error) {
	name := func(i int) string { return fmt.Sprintf("%s%03d", longName[:252], i) }
	const most = 120
	s, err := preparedStart("names", withSums(seed), func() []Op {
		ops := []Op{{Verb: "mkdir", Path: "e"}}
		for i := range most {
			ops = append(ops, Op{Verb: "create", Path: "e/" + name(i)})
		}
		return ops
	})
	if err != nil {
		return nil, err
	}
	rng := rand.New(rand.NewPCG(seed, 13))
	ops := []Op{{Verb: "mkdir", Path: "f"}}
	down := rng.IntN(2) == 0
	for range 60 {
		i := rng.IntN(most)
		switch k := rng.IntN(8); {
		case k < 4 && down:
			ops = append(ops, Op{Verb: "unlink", Path: "e/" + name(i)})
		case k < 4:
			ops = append(ops, Op{Verb: "symlink", Path: "f/" + name(i), A: 10})
		case k == 4:
			ops = append(ops, Op{Verb: "rename", Path: "e/" + name(i), To: "f/" + name(rng.IntN(most))})
		case k == 5:
			ops = append(ops, Op{Verb: "rename", Path: "f/" + name(i), To: "f/" + name(rng.IntN(most))})
		case k == 6:
			ops = append(ops, Op{Verb: "link", Path: "f/" + name(i), To: "e/" + name(rng.IntN(most))})
		case k == 7:
			ops = append(ops, Op{Verb: "rename", Path: "e/" + name(i), To: "e/" + name(rng.IntN(most)), A: 2})
		}
	}
	return s.trace(ops, plainly)
}

// ringTrace fills the journal's ring more than once, so that records wrap, space is reused and checkpoints come by
// themselves.
func ringTrace(seed uint64) (*Trace, error) {
	s, err := emptyStart(pmem.CacheFlush, withSums(seed))
	if err != nil {
		return nil, err
	}
	m := newMix(seed)
	ops := []Op{{Verb: "create", Path: "n0"}, {Verb: "create", Path: "n1"}}
	m.model.apply(ops[0])
	m.model.apply(ops[1])
	for i := range int64(170) {
		p := fmt.Sprintf("n%d", i%2)
		ops = append(ops, Op{Verb: "write", Path: p, A: 4096 - i%3, B: i % 5 * 4096})
		m.model.apply(ops[len(ops)-1])
		if i%8 == 0 {
			ops = append(ops, m.op())
		}
	}
	return s.trace(ops, plainly)
}

// restartsTrace goes through several power cuts: each mount starts from a state that the one before may have left, with
// what lies in its ring. The trace is the last mount's.
func restartsTrace(seed uint64) (*Trace, error) {
	s, err := emptyStart(pmem.CacheFlush, withSums(seed))
	if err != nil {
		return nil, err
	}
	rng := rand.New(rand.NewPCG(seed, 14))
	m := newMix(seed)
	m.large = 9000
	for range seed % 6 {
		t, err := s.trace(m.ops(1+rng.IntN(12)), plainly)
		if err != nil {
			return nil, err
		}
		s.medium = t.cut(rng)
		if m.model, err = s.model(); err != nil {
			return nil, err
		}
	}
	return s.trace(m.ops(6), plainly)
}

// cut returns an image that a power cut at some moment of the trace may leave.
func (t *Trace) cut(rng *rand.Rand) []byte {
	m := newMedium(t.start, t.domain)
	for i := range rng.IntN(len(t.items)) + 1 {
		if t.items[i].mark == 0 {
			m.on(&t.items[i].event)
		}
	}
	share := rng.IntN(5)
	for _, l := range m.lines() {
		if rng.IntN(4) < share {
			b := l.torn(rng.IntN(len(l.stores)+1), uint8(rng.Uint32()))
			copy(m.sureLine(l.n), b[:])
		}
	}
	return m.sure
}
