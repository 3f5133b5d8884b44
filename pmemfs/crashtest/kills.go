package crashtest

import (
	"errors"
	"fmt"

	"pmemfs/pmemfs/internal/pmem"
)

// errKilled is why an operation of a process that has died did not return.
var errKilled = errors.New("killed by the test")

// killTrace kills the process before the fence of a record, and opens the filesystem again: the open sees all that was stored, of which
// the medium need not have anything when the power goes during that open or later.
func killTrace(seed uint64) (*Trace, error) {
	s, err := emptyStart([]pmem.Domain{pmem.CacheFlush, pmem.PageCache}[seed%2], withSums(seed/2))
	if err != nil {
		return nil, err
	}
	s.quiet = true
	ops := []Op{
		{Verb: "create", Path: "a"}, {Verb: "append", Path: "a", A: 9000}, {Verb: "create", Path: "b"}, {Verb: "write", Path: "b", A: 100},
	}
	last := []Op{
		{Verb: "write", Path: "a", A: 12_288}, {Verb: "rename", Path: "b", To: "a"}, {Verb: "append", Path: "b", A: 20_000},
		{Verb: "write", Path: "a", A: 4096}, {Verb: "unlink", Path: "a"}, {Verb: "mkdir", Path: "d"},
	}
	ops = append(ops, last[seed/2%uint64(len(last))])
	at := len(ops) - 1
	ops = append(ops, Op{Verb: "create", Path: "z"}, Op{Verb: "append", Path: "z", A: 5000})
	return s.trace(ops, func(r *run, step func() bool) {
		r.trace.from, r.trace.deep = at, true
		for r.next < at && step() {
		}
		r.kill()
		for step() {
		}
	})
}

// kill runs the next operation, whose process dies before the record's fence, and opens the filesystem again. The operation has then
// happened, as its record is whole.
func (r *run) kill() {
	t, i := r.trace, r.next
	if r.err != nil {
		return
	}
	r.next++
	t.mark(begin, 0, i)
	r.region.SetPersistHook(func(p pmem.Failpoint, _ pmem.Range) error {
		if p.String() == "before "+recordSite {
			return errKilled
		}
		return nil
	})
	at, err := r.world.timed(t.Ops[i])
	r.region.SetPersistHook(nil)
	if err == nil {
		r.fail(fmt.Errorf("operation %d, %v, outlives its process", i, t.Ops[i]))
		return
	}
	fs, err := openRegion(r.region)
	if err != nil {
		r.fail(err)
		return
	}
	r.world = &world{fs: fs}
	if err = r.model.do(t.Ops[i], nil); err == nil {
		err = t.note(r.world)
	}
	t.mark(end, 0, i)
	if err == nil {
		err = r.model.compare(fs, at)
	}
	r.fail(err)
}
