package crashtest

import (
	"errors"
	"fmt"
	"hash/maphash"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"pmemfs/pmemfs"
	"pmemfs/pmemfs/internal/pmem"
)

// A writer is one of several that change a filesystem at once, each its own files, some of them in a shared directory.
type writer struct {
	ops    []Op
	states map[string][]int // after how many operations its files are so
}

// mine returns the prefix of everything that a writer makes.
func mine(by int) string { return fmt.Sprintf("w%d-", by) }

// view describes the files of a writer: what every user sees but times, numbers and the links of directories.
func (n *node) view(by int) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(n.kids)) {
		if k := n.kids[name]; strings.HasPrefix(name, mine(by)) || k.kids != nil {
			k.describe(&b, name, by)
		}
	}
	return b.String()
}

func (n *node) describe(b *strings.Builder, path string, by int) {
	base := path[strings.LastIndexByte(path, '/')+1:]
	if strings.HasPrefix(base, mine(by)) {
		links := n.nlink
		if n.kids != nil {
			links = 0
		}
		fmt.Fprintf(b, "%s %d %o %d %d %x", path, n.typ, n.mode, links, len(n.data), maphash.Bytes(hashSeed, n.data))
		for _, x := range slices.Sorted(maps.Keys(n.xattrs)) {
			fmt.Fprintf(b, " %s=%x", x, maphash.Bytes(hashSeed, n.xattrs[x]))
		}
		b.WriteByte('\n')
	}
	for _, name := range slices.Sorted(maps.Keys(n.kids)) {
		n.kids[name].describe(b, path+"/"+name, by)
	}
}

// makeWriters makes the operations of some writers, on a filesystem with the directories "s" and "t".
func makeWriters(n, ops int, seed uint64) []writer {
	ws := make([]writer, n)
	for by := range ws {
		rng := rand.New(rand.NewPCG(seed, uint64(by)))
		ws[by] = newWriter(by, func(w *writer) (Op, bool) { return writerOp(rng, by), len(w.ops) < ops })
	}
	return ws
}

// newWriter makes a writer of those operations that succeed, of all that next returns.
func newWriter(by int, next func(w *writer) (Op, bool)) writer {
	m := emptyModel()
	m.succeeds([]Op{{Verb: "mkdir", Path: "s"}, {Verb: "mkdir", Path: "t"}})
	w := writer{states: map[string][]int{m.root.view(by): {0}}}
	for op, more := next(&w); more; op, more = next(&w) {
		if m.apply(op) {
			w.ops = append(w.ops, op)
			v := m.root.view(by)
			w.states[v] = append(w.states[v], len(w.ops))
		}
	}
	return w
}

func writerOp(rng *rand.Rand, by int) Op {
	path := func() string { return fmt.Sprintf("%c/%s%d", "st"[rng.IntN(2)], mine(by), rng.IntN(6)) }
	p, to := path(), path()
	for to == p {
		to = path()
	}
	switch rng.IntN(14) {
	case 0, 1, 2:
		return Op{Verb: "create", Path: p}
	case 3:
		return Op{Verb: "mkdir", Path: p}
	case 4:
		return Op{Verb: "link", Path: p, To: to}
	case 5:
		return Op{Verb: "rename", Path: p, To: to}
	case 6:
		return Op{Verb: "unlink", Path: p}
	case 7:
		return Op{Verb: "setxattr", Path: p, A: []int64{20, 3000}[rng.IntN(2)], B: 1}
	case 8:
		return Op{Verb: "truncate", Path: p, A: rng.Int64N(9000)}
	case 10:
		return Op{Verb: "sync"}
	case 9:
		return Op{Verb: "write", Path: p, A: 12_000, B: rng.Int64N(3) * 4000}
	default:
		return Op{Verb: "append", Path: p, A: 1 + rng.Int64N(4096)}
	}
}

// writersTrace runs four writers at once.
func writersTrace(seed uint64) (*Trace, error) {
	d := []pmem.Domain{pmem.CacheFlush, pmem.PageCache}[seed%2]
	return runWriters(d, makeWriters(4, 14, seed), nil)
}

// orderTrace holds up the first fence of a record until another writer, whose record is behind it in the ring, has been told that it is
// done, or waits: a power cut in between loses both records.
func orderTrace(seed uint64) (*Trace, error) {
	return runWriters(pmem.CacheFlush, makeWriters(2, 3, seed), func(r *run) func(pmem.Failpoint, pmem.Range) error {
		var held atomic.Bool
		return func(p pmem.Failpoint, _ pmem.Range) error {
			if p.String() != "before "+recordSite || held.Swap(true) {
				return nil
			}
			for at, more := -1, 100; r.trace.length() != at && more > 0; more-- {
				at = r.trace.length()
				r.awaitItem(20 * time.Millisecond)
			}
			return nil
		}
	})
}

// refusedTrace runs one writer, one of whose fences is refused: from then on nothing may be acknowledged, and the operation
// that was refused may have happened or not.
func refusedTrace(seed uint64) (*Trace, error) {
	rng := rand.New(rand.NewPCG(seed, 21))
	left := 1 + rng.IntN(20)
	return runWriters(pmem.CacheFlush, makeWriters(1, 30, seed), always(func(p pmem.Failpoint, _ pmem.Range) error {
		if p.Site.Through() {
			return nil // an operation whose data cannot be stored fails alone
		}
		if left--; left == 0 {
			return errors.New("refused by the test")
		}
		return nil
	}))
}

// unsureTrace refuses the fence of a record that maps fresh blocks, and then writes as much again: the record may have
// reached the medium all the same, so those blocks are nobody else's.
func unsureTrace(seed uint64) (*Trace, error) {
	size := int64(8192 + seed%3*4096)
	ops := []Op{
		{Verb: "create", Path: "s/w0-0"}, {Verb: "write", Path: "s/w0-0", A: 4096},
		// To the same blocks, if they were free: those behind the first.
		{Verb: "write", Path: "s/w0-0", A: size + 4096, B: 4096}, {Verb: "write", Path: "s/w0-0", A: size, B: 4096},
	}
	w := newWriter(0, func(w *writer) (Op, bool) { return ops[min(len(w.ops), len(ops)-1)], len(w.ops) < len(ops) })
	records := 0
	return runWriters(pmem.CacheFlush, []writer{w}, always(func(p pmem.Failpoint, _ pmem.Range) error {
		if p.String() != "before "+recordSite {
			return nil
		}
		if records++; records == 3 {
			return errors.New("refused by the test")
		}
		return nil
	}))
}

// always is a hook that needs to know nothing of the run.
func always(hook func(pmem.Failpoint, pmem.Range) error) func(*run) func(pmem.Failpoint, pmem.Range) error {
	return func(*run) func(pmem.Failpoint, pmem.Range) error { return hook }
}

// runWriters runs writers at once on a filesystem, with a persist hook.
func runWriters(d pmem.Domain, ws []writer, hook func(r *run) func(pmem.Failpoint, pmem.Range) error) (*Trace, error) {
	empty, err := emptyStart(d, false)
	if err != nil {
		return nil, err
	}
	s, err := cached("writers "+d.String(), func() (start, error) {
		return empty.prepare([]Op{{Verb: "mkdir", Path: "s"}, {Verb: "mkdir", Path: "t"}})
	})
	if err != nil {
		return nil, err
	}
	return s.trace(nil, func(r *run, _ func() bool) {
		r.trace.writers, r.broken = ws, hook != nil
		if hook != nil {
			r.region.SetPersistHook(hook(r))
		}
		errs := make([]error, len(ws))
		var done sync.WaitGroup
		for by := range ws {
			done.Go(func() { errs[by] = r.write(by, hook != nil) })
		}
		done.Wait()
		r.region.SetPersistHook(nil)
		r.err = errors.Join(errs...)
	})
}

// write runs the operations of a writer. With mayFail they may be refused, and after one that was, all must be.
func (r *run) write(by int, mayFail bool) error {
	w, refused := &world{fs: r.world.fs}, false
	for i, op := range r.trace.writers[by].ops {
		if !refused {
			r.trace.mark(begin, by, i)
		}
		key := r.trace.ledger.key(by, i)
		w.call = r.trace.ledger.call(key)
		err := w.do(op)
		r.trace.took(key, op, &w.call, err)
		switch {
		case err != nil && !mayFail, err == nil && refused:
			return fmt.Errorf("writer %d, operation %d, %v: %v, refused before: %v", by, i, op, err, refused)
		case err != nil:
			refused = true
		default:
			r.trace.mark(end, by, i)
		}
	}
	return nil
}

// lookWriters finds out how far each writer got.
func (t *Trace) lookWriters(fs *pmemfs.FS, v *verdict) error {
	m, err := newModel(fs)
	if err != nil {
		return err
	}
	for by := range t.writers {
		v.each = append(v.each, t.writers[by].states[m.root.view(by)])
	}
	v.tree = m.root
	return nil
}

// acceptWriters says whether each writer got as far as it was told, and no further than it went.
func (t *Trace) acceptWriters(p *progress, v verdict) error {
	for by, found := range v.each {
		at := func(k int) bool { return k >= p.acked[by] && k <= p.begun[by] }
		noted := func(k int) bool { return at(k) && t.ledger.match(v.notes, by, k) == nil }
		switch i := slices.IndexFunc(found, at); {
		case slices.ContainsFunc(found, noted):
		case i >= 0:
			return t.ledger.match(v.notes, by, found[i])
		default:
			return fmt.Errorf("the files of writer %d are those after operations %v, not %d to %d:\n%s",
				by, found, p.acked[by], p.begun[by], v.tree.view(by))
		}
	}
	return nil
}
