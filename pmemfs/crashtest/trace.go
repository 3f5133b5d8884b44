package crashtest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"pmemfs/pmemfs"
	"pmemfs/pmemfs/internal/pmem"
)

// An item of a trace is an event or the begin or end of an operation.
type item struct {
	event pmem.Event
	mark  mark
	by    int // of a mark: the writer
	op    int // of a mark: the number of its operation
}

type mark uint8

const (
	begin mark = iota + 1
	end
)

// A Trace is what happened to a region while a workload ran, with the state after each of its operations.
type Trace struct {
	Name   string
	Ops    []Op
	start  []byte
	domain pmem.Domain
	mu     sync.Mutex // guards items
	items  []item
	states states
	parts  map[int]bool   // operations that took several records
	before map[int][]byte // and the content of their file before

	writers  []writer                // if there are several, what each does
	from     int                     // the first operation in which the power is cut
	optional bool                    // until the first operation is acknowledged there need not be a filesystem
	final    func(sure []byte) error // looks at what is certain at the end; may be nil
	deep     bool                    // many recoveries are cut short
	ledger   *ledger                 // nil where notes are not looked at
	flat     bool                    // no recovery is cut short
	few      bool                    // few states are tried of each moment
	open     opener                  // what is done with an image; nil for recovery
}

// A start is an image to begin with: a copy is used for each run.
type start struct {
	medium []byte
	domain pmem.Domain
	quiet  bool // nothing logs a note
}

// newStart formats a filesystem of the given size, with or without checksums of data, whose keys follow from the seed.
func newStart(size int64, d pmem.Domain, seed uint64, sums bool) (start, error) {
	region, err := pmem.NewMemory(size, d)
	if err != nil {
		return start{}, err
	}
	var key [32]byte
	key[0], key[1] = byte(seed), byte(seed>>8)
	err = formatRegion(region, pmemfs.FormatOptions{Size: size, DataChecksums: sums}, rand.NewChaCha8(key))
	medium := slices.Clone(region.Bytes())
	if cerr := region.Close(); err == nil {
		err = cerr
	}
	return start{medium: medium, domain: d}, err
}

// prepare runs operations on a start and returns the image that a clean end leaves.
func (s start) prepare(ops []Op) (start, error) {
	t, err := s.trace(ops, plainly)
	if err != nil {
		return s, err
	}
	m := newMedium(t.start, t.domain)
	for i := range t.items {
		if t.items[i].mark == 0 {
			m.on(&t.items[i].event)
		}
	}
	return start{m.sure, s.domain, s.quiet}, nil
}

// record makes the region tell the trace what happens to it.
func (t *Trace) record(region *pmem.Region) {
	region.SetRecorder(func(e *pmem.Event) {
		c := *e
		c.Data = slices.Clone(e.Data)
		t.add(item{event: c})
	})
}

// mark notes the begin or end of an operation of a writer.
func (t *Trace) mark(m mark, by, op int) { t.add(item{mark: m, by: by, op: op}) }

func (t *Trace) add(it item) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.items = append(t.items, it)
}

// model returns a model of what the start holds.
func (s start) model() (*model, error) {
	region, err := pmem.NewMemory(int64(len(s.medium)), s.domain)
	if err != nil {
		return nil, err
	}
	region.Write(0, s.medium)
	fs, err := openRegion(region)
	if err != nil {
		return nil, err
	}
	m, err := newModel(fs)
	return m, errors.Join(err, fs.Close())
}

// A script runs the operations of a trace by calling step, which returns false when there are none left.
type script func(r *run, step func() bool)

// A run is a trace being made.
type run struct {
	trace      *Trace
	world      *world
	model      *model
	region     *pmem.Region
	next       int
	broken     bool           // a fence was refused on purpose
	background sync.WaitGroup // operations that wait for a checkpoint
	err        error          // of the first thing that went wrong
}

// plainly runs one operation after the other.
func plainly(_ *run, step func() bool) {
	for step() {
	}
}

// trace runs the operations as the script says, from opening the filesystem to a clean end, and returns what happened.
func (s start) trace(ops []Op, how script) (*Trace, error) {
	region, err := pmem.NewMemory(int64(len(s.medium)), s.domain)
	if err != nil {
		return nil, err
	}
	region.Write(0, s.medium)
	t := &Trace{Ops: ops, start: s.medium, domain: s.domain, before: map[int][]byte{}}
	t.record(region)
	fs, err := openRegion(region)
	if err != nil {
		return nil, err
	}
	r := &run{trace: t, world: &world{fs: fs}, region: region}
	if r.model, err = newModel(fs); err != nil {
		return nil, err
	}
	t.ledger = newLedger(fs)
	t.ledger.quiet = s.quiet
	if err := t.note(r.world); err != nil {
		return nil, err
	}
	how(r, r.step)
	err = errors.Join(r.world.release(), r.world.fs.Close())
	if r.broken && err != nil {
		err = nil // a filesystem that failed says so to the end
	}
	if err := errors.Join(r.err, err); err != nil {
		return nil, err
	}
	if len(t.writers) == 0 {
		t.split()
	}
	t.measure()
	return t, nil
}

// step runs the next operation, on the filesystem and on the model, compares them, and notes the state.
func (r *run) step() bool {
	t, i := r.trace, r.next
	if i == len(t.Ops) || r.err != nil {
		return false
	}
	r.next++
	op := t.Ops[i]
	if n := r.model.find(op.Path); n != nil && several[op.Verb] {
		t.before[i] = slices.Clone(n.data)
	}
	key := t.ledger.key(0, i)
	r.world.call = t.ledger.call(key)
	t.mark(begin, 0, i)
	at, err := r.world.timed(op)
	t.mark(end, 0, i)
	t.ledger.take(key, op, &r.world.call, err)
	noSpace := full(err)
	if err = r.model.do(op, err); err == nil && noSpace {
		err = r.model.adopt(r.world, op)
	}
	if err == nil {
		err = t.note(r.world)
	}
	if err == nil {
		err = r.model.compare(r.world.fs, at)
	}
	if err != nil {
		r.err = fmt.Errorf("operation %d, %v: %w", i, op, err)
	}
	return r.err == nil
}

// timed runs an operation and returns when that was.
func (w *world) timed(op Op) (at span, err error) {
	at.from = time.Now().UnixNano()
	err = w.do(op)
	at.to = time.Now().UnixNano()
	return at, err
}

// note adds the state as it is now.
func (t *Trace) note(w *world) error {
	d, err := dumpFS(w.fs, len(w.held) == 0)
	if err == nil {
		t.states.add(d)
	}
	return err
}

// Explore tries the states that a power cut may leave at every fence of the trace and at its end. It also returns what
// each site did.
func (t *Trace) Explore(l Limits, seed uint64, f forget) (Stats, map[*pmem.Site]*SiteCount, error) {
	m := newMedium(t.start, t.domain)
	m.forget = f
	var pool stands
	st, err := pool.at(0, m)
	if err != nil {
		return Stats{}, nil, err
	}
	at := "the beginning"
	x := &explorer{
		medium: m, stand: st, stands: &pool, limits: l, rng: rand.New(rand.NewPCG(seed, 77)),
		oracle: newOracle(st, &t.states, t.look), part: t.part,
		where: func() string { return at + " of " + t.Name },
	}
	if t.open != nil {
		x.oracle.open, x.every = t.open, true
	}
	if t.deep {
		x.limits.Nested = 12
	}
	if t.ledger != nil && t.open == nil {
		x.notes = func(v verdict, ops int) error { return t.ledger.match(v.notes, 0, ops) }
	}
	if x.few = t.few; x.few || t.flat {
		x.limits.Nested = 0
	}
	p := t.progress(x)
	for i := range t.items {
		it := &t.items[i]
		if it.mark != 0 {
			p.take(it)
			continue
		}
		if it.event.Kind == pmem.FenceDue {
			at = fmt.Sprintf("event %d, before %v, operation %d (%v)", i, it.event.Site, p.begun[0]-1, t.op(p.begun[0]-1))
		}
		here := it.event.Kind == pmem.FenceDue && p.begun[0] >= t.from
		if here && l.at(it.event.Site, false) {
			x.point()
		}
		m.on(&it.event)
		if it.event.Kind == pmem.Fenced && l.At != nil && l.at(it.event.Site, true) {
			x.point()
		}
		if x.found != nil {
			break
		}
	}
	at = "the end"
	if l.At == nil {
		x.point()
	}
	if x.found == nil && t.final != nil {
		if err := t.final(m.sure); err != nil {
			x.found = &Violation{What: err.Error()}
		}
	}
	if err := pool.close(); err != nil {
		return x.stats, m.fences, err
	}
	if x.found != nil {
		x.found.Replay = t.Name
		return x.stats, m.fences, x.found
	}
	return x.stats, m.fences, nil
}

// at says whether the power is to be cut at a failpoint.
func (l *Limits) at(s *pmem.Site, after bool) bool {
	return l.At == nil || *l.At == pmem.Failpoint{Site: s, After: after}
}

// progress is how many operations each writer has begun, and of how many it was told that they are done.
type progress struct{ acked, begun []int }

func (p *progress) take(it *item) {
	if it.mark == begin {
		p.begun[it.by] = it.op + 1
	} else {
		p.acked[it.by] = it.op + 1
	}
}

// progress tells the explorer what has been acknowledged.
func (t *Trace) progress(x *explorer) *progress {
	n := max(len(t.writers), 1)
	p := &progress{make([]int, n), make([]int, n)}
	x.bounds = func() (int, int) { return p.acked[0], p.begun[0] }
	if len(t.writers) > 0 {
		x.oracle.look = t.lookWriters
		x.accept = func(v verdict) error { return t.acceptWriters(p, v) }
	}
	if t.optional {
		x.oracle.lenient = true
		x.unmade = func() bool { return p.acked[0] == 0 }
	}
	return p
}

func (t *Trace) op(i int) string {
	if i < 0 || i >= len(t.Ops) {
		return "opening"
	}
	return t.Ops[i].String()
}
