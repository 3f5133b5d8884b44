package crashtest

import (
	"errors"
	"fmt"
	"slices"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/pmem"
)

// errKilled is why an operation of a process that has died did not return.
var errKilled = errors.New("killed by the test")

// killTrace kills the process before the fence of a record, and opens the filesystem again: the open sees all that was stored, of which
// the medium need not have anything when the power goes during that open or later.
func killTrace(seed uint64) (*Trace, error) {
	s, err := killStart(seed)
	if err != nil {
		return nil, err
	}
	t, err := s.killed(seed, openRegion, Op{Verb: "create", Path: "z"}, Op{Verb: "append", Path: "z", A: 5000})
	if err != nil {
		return nil, err
	}
	t.deep = true
	return t, nil
}

// mendTrace kills the process of an image with a damaged second superblock in the same way, and repairs the image before it is opened
// again.
func mendTrace(seed uint64) (*Trace, error) {
	s, err := killStart(seed)
	if err != nil {
		return nil, err
	}
	sb, err := layout.DecodeSuperblock(s.medium)
	if err != nil {
		return nil, err
	}
	s.medium = slices.Clone(s.medium)
	s.medium[layout.BlockOffset(sb.Backup)+40] ^= 1
	t, err := s.killed(seed, repairAndOpen)
	if err != nil {
		return nil, err
	}
	t.open, t.final = repairAndOpen, s.sound
	return t, nil
}

// killStart is an empty filesystem of the domain and with the checksums of a seed.
func killStart(seed uint64) (start, error) {
	s, err := emptyStart([]pmem.Domain{pmem.CacheFlush, pmem.PageCache}[seed%2], withSums(seed/2))
	s.quiet = true
	return s, err
}

// killed kills the process in an operation that follows from the seed, opens the filesystem again, and does more.
func (s start) killed(seed uint64, open opener, more ...Op) (*Trace, error) {
	ops := []Op{
		{Verb: "create", Path: "a"}, {Verb: "append", Path: "a", A: 9000}, {Verb: "create", Path: "b"}, {Verb: "write", Path: "b", A: 100},
	}
	last := []Op{
		{Verb: "write", Path: "a", A: 12_288}, {Verb: "rename", Path: "b", To: "a"}, {Verb: "append", Path: "b", A: 20_000},
		{Verb: "write", Path: "a", A: 4096}, {Verb: "unlink", Path: "a"}, {Verb: "mkdir", Path: "d"},
	}
	ops = append(ops, last[seed/2%uint64(len(last))])
	at := len(ops) - 1
	ops = append(ops, more...)
	return s.trace(ops, func(r *run, step func() bool) {
		r.trace.from = at
		for r.next < at && step() {
		}
		r.kill(open)
		for step() {
		}
	})
}

// kill runs the next operation, whose process dies before the record's fence, and opens the filesystem again. The operation has then
// happened, as its record is whole.
func (r *run) kill(open opener) {
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
	fs, err := open(r.region)
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
