package crashtest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"pmemfs/pmemfs"
	"pmemfs/pmemfs/internal/pmem"
)

// at makes f run once, at the next passage of a failpoint. It returns a function that says whether f ran.
func (r *run) at(failpoint string, f func()) func() bool {
	ran := false
	r.region.SetPersistHook(func(p pmem.Failpoint, _ pmem.Range) error {
		if !ran && p.String() == failpoint {
			ran = true
			f()
		}
		return nil
	})
	return func() bool { return ran }
}

// inCheckpoint are the failpoints of a checkpoint.
var inCheckpoint = []string{
	"before journal: dirty lines of a checkpoint", "after journal: dirty lines of a checkpoint",
	"before journal: head of a checkpoint", "after journal: head of a checkpoint",
}

// phasesTrace runs operations in every phase of a checkpoint, and checkpoints in every phase of an operation.
func phasesTrace(seed uint64) (*Trace, error) {
	s, err := emptyStart(pmem.CacheFlush, false)
	if err != nil {
		return nil, err
	}
	rng := rand.New(rand.NewPCG(seed, 31))
	m := newMix(seed)
	m.names, m.large = 6, 20_000
	// A checkpoint cannot be asked for inside of one.
	ops := slices.DeleteFunc(m.ops(40), func(o Op) bool { return o.Verb == "sync" })
	return s.trace(ops, func(r *run, step func() bool) {
		for more := true; more; {
			switch rng.IntN(3) {
			case 0:
				ran := r.at(inCheckpoint[rng.IntN(len(inCheckpoint))], func() {
					for range 1 + rng.IntN(4) {
						more = step() && more
					}
				})
				r.fail(r.world.fs.SyncAll())
				more = (ran() || step()) && more
			case 1:
				r.at([]string{"before ", "after "}[rng.IntN(2)]+recordSite, func() { r.fail(r.world.fs.SyncAll()) })
				more = step()
			default:
				more = step()
			}
			r.region.SetPersistHook(nil)
		}
	})
}

// fail notes an error.
func (r *run) fail(err error) {
	if err != nil {
		r.err = errors.Join(r.err, err)
	}
}

// waitTrace begins an operation when the ring is full and the checkpoint that will free it is in some phase: the operation
// has to wait for its end.
func waitTrace(seed uint64) (*Trace, error) {
	s, err := emptyStart(pmem.CacheFlush, false)
	if err != nil {
		return nil, err
	}
	ops := []Op{{Verb: "create", Path: "a"}, {Verb: "create", Path: "b"}, {Verb: "append", Path: "b", A: 9000}}
	// Records of 4,288 bytes: after 121 there is no room for another one.
	for range 121 - seed/4%3 {
		ops = append(ops, Op{Verb: "write", Path: "a", A: 4096})
	}
	filled := len(ops) - 2
	ops = append(ops, Op{Verb: "write", Path: "a", A: 4095, B: 1}, Op{Verb: "write", Path: "b", A: 4000, B: 5000}, Op{Verb: "unlink", Path: "b"})
	return s.trace(ops, func(r *run, step func() bool) {
		r.trace.from = filled
		for r.next < filled+2 && step() {
		}
		r.at(inCheckpoint[seed%4], func() { r.inBackground(step) })
		r.fail(r.world.fs.SyncAll())
		r.region.SetPersistHook(nil)
		r.background.Wait()
		for step() {
		}
	})
}

// formatTrace formats over an earlier filesystem, or over anything. Until that is acknowledged there may be the earlier
// one, whole, or none.
func formatTrace(seed uint64) (*Trace, error) {
	s, err := preparedStart("short", false, func() []Op { return preparedOps })
	if err != nil {
		return nil, err
	}
	if seed/2%2 == 1 {
		s.domain = pmem.PageCache
	}
	if seed%2 == 1 {
		s.medium = slices.Clone(s.medium)
		copy(s.medium, fill(int64(len(s.medium)), int64(seed)))
	}
	region, err := pmem.NewMemory(int64(len(s.medium)), s.domain)
	if err != nil {
		return nil, err
	}
	region.Write(0, s.medium)
	t := &Trace{start: slices.Clone(s.medium), domain: s.domain, optional: true, Ops: []Op{{Verb: "mkfs"}}}
	if err := t.noteRegion(region); seed%2 == 0 && err != nil {
		return nil, err
	}
	region.Write(0, s.medium)
	t.record(region)
	t.mark(begin, 0, 0)
	err = formatRegion(region, pmemfs.FormatOptions{Size: smallest}, rand.NewChaCha8([32]byte{byte(seed), 9}))
	t.mark(end, 0, 0)
	region.SetRecorder(nil)
	r, cerr := checkRegion(region)
	if cerr == nil && !r.Clean() {
		cerr = fmt.Errorf("after mkfs: %v", r.Faults[0])
	}
	return t, errors.Join(err, cerr, t.noteRegion(region), region.Close())
}

// noteRegion adds the state of the filesystem in a region, or that there is none.
func (t *Trace) noteRegion(region *pmem.Region) error {
	fs, err := openRegion(region)
	if err != nil {
		t.states.add(dump{"nothing", "nothing"})
		return fmt.Errorf("after mkfs: %w", err)
	}
	return t.note(&world{fs: fs})
}
