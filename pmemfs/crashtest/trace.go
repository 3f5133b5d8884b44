package crashtest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"pmemfs/pmemfs"
	"pmemfs/pmemfs/internal/pmem"
)

// An item of a trace is an event or the begin or end of an operation.
type item struct {
	event pmem.Event
	mark  mark
	op    int // of a mark
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
	items  []item
	states states
	failed map[string]int // operations that were refused, by verb
	parts  map[int]bool   // operations that took several records
	before map[int][]byte // and the content of their file before
}

// A start is an image to begin with: a copy is used for each run.
type start struct {
	medium []byte
	domain pmem.Domain
}

// newStart formats a filesystem of the given size, whose keys follow from the seed; every second one has checksums of data.
func newStart(size int64, d pmem.Domain, seed uint64) (start, error) {
	region, err := pmem.NewMemory(size, d)
	if err != nil {
		return start{}, err
	}
	var key [32]byte
	key[0], key[1] = byte(seed), byte(seed>>8)
	err = pmemfs.FormatRegion(region, pmemfs.FormatOptions{Size: size, DataChecksums: seed%2 == 1}, rand.NewChaCha8(key))
	medium := slices.Clone(region.Bytes())
	if cerr := region.Close(); err == nil {
		err = cerr
	}
	return start{medium, d}, err
}

// prepare runs operations on a start and returns the image that a clean end leaves.
func (s start) prepare(ops []Op) (start, error) {
	t, err := s.trace("preparation", ops, nil)
	if err != nil {
		return s, err
	}
	m := newMedium(t.start, t.domain)
	for i := range t.items {
		if t.items[i].mark == 0 {
			m.on(&t.items[i].event)
		}
	}
	return start{m.sure, s.domain}, nil
}

// record makes the region tell the trace what happens to it.
func (t *Trace) record(region *pmem.Region) {
	region.SetRecorder(func(e *pmem.Event) {
		c := *e
		c.Data = slices.Clone(e.Data)
		t.items = append(t.items, item{event: c})
	})
}

// model returns a model of what the start holds.
func (s start) model() (*model, error) {
	region, err := pmem.NewMemory(int64(len(s.medium)), s.domain)
	if err != nil {
		return nil, err
	}
	region.Write(0, s.medium)
	fs, err := pmemfs.OpenRegion(region, pmemfs.Options{NoBackground: true})
	if err != nil {
		return nil, err
	}
	m, err := newModel(fs)
	return m, errors.Join(err, fs.Close())
}

// trace runs the operations and returns what happened, from the opening to a clean end. around, if not nil, is called
// instead of each operation, with what runs it.
func (s start) trace(name string, ops []Op, around func(w *world, region *pmem.Region, i int, run func())) (*Trace, error) {
	region, err := pmem.NewMemory(int64(len(s.medium)), s.domain)
	if err != nil {
		return nil, err
	}
	region.Write(0, s.medium)
	t := &Trace{Name: name, Ops: ops, start: s.medium, domain: s.domain, failed: map[string]int{}, before: map[int][]byte{}}
	t.record(region)
	fs, err := pmemfs.OpenRegion(region, pmemfs.Options{NoBackground: true})
	if err != nil {
		return nil, err
	}
	w := &world{fs: fs}
	m, err := newModel(fs)
	if err != nil {
		return nil, err
	}
	if err := t.note(w); err != nil {
		return nil, err
	}
	for i, op := range ops {
		if err := t.run(w, m, region, i, op, around); err != nil {
			return nil, fmt.Errorf("operation %d, %v: %w", i, op, err)
		}
	}
	if err := w.release(); err != nil {
		return nil, err
	}
	err = fs.Close()
	t.split()
	return t, err
}

// run does one operation, on the filesystem and on the model, and notes the state after it.
func (t *Trace) run(w *world, m *model, region *pmem.Region, i int, op Op, around func(*world, *pmem.Region, int, func())) error {
	if n := m.find(op.Path); n != nil && several[op.Verb] {
		t.before[i] = slices.Clone(n.data)
	}
	t.items = append(t.items, item{mark: begin, op: i})
	var err error
	do := func() { err = w.do(op) }
	if around != nil {
		around(w, region, i, do)
	} else {
		do()
	}
	if err != nil {
		t.failed[op.Verb]++
	}
	t.items = append(t.items, item{mark: end, op: i})
	if err := m.do(op, err); err != nil {
		return err
	}
	if err := t.note(w); err != nil {
		return err
	}
	return m.compare(w.fs)
}

// note adds the state as it is now.
func (t *Trace) note(w *world) error {
	d, err := dumpFS(w.fs, len(w.held) == 0)
	if err == nil {
		t.states.add(d)
	}
	return err
}

// Explore tries the states that a power cut may leave at every fence of the trace and at its end.
func (t *Trace) Explore(l Limits, seed uint64, f forget) (Stats, map[*pmem.Site]*SiteCount, error) {
	m := newMedium(t.start, t.domain)
	m.forget = f
	var pool stands
	st, err := pool.at(0, m)
	if err != nil {
		return Stats{}, nil, err
	}
	acked, begun, at := 0, 0, "the beginning"
	x := &explorer{
		medium: m, stand: st, stands: &pool, limits: l, rng: rand.New(rand.NewPCG(seed, 77)),
		oracle: newOracle(st, &t.states, t.look),
		part:   t.part,
		bounds: func() (int, int) { return acked, begun },
		where:  func() string { return fmt.Sprintf("%s of %s (acknowledged: %d)", at, t.Name, acked) },
	}
	for i := range t.items {
		switch it := &t.items[i]; {
		case it.mark == begin:
			begun = it.op + 1
		case it.mark == end:
			acked = it.op + 1
		case it.event.Kind == pmem.FenceDue:
			at = fmt.Sprintf("event %d, before %v, operation %d (%v)", i, it.event.Site, begun-1, t.op(begun-1))
			x.point()
			fallthrough
		default:
			m.on(&it.event)
		}
		if x.found != nil {
			break
		}
	}
	at = "the end"
	x.point()
	if err := pool.close(); err != nil {
		return x.stats, m.fences, err
	}
	if x.found != nil {
		x.found.Replay = fmt.Sprintf("%s seed %d", t.Name, seed)
		return x.stats, m.fences, x.found
	}
	return x.stats, m.fences, nil
}

func (t *Trace) op(i int) string {
	if i < 0 || i >= len(t.Ops) {
		return "opening"
	}
	return t.Ops[i].String()
}
