package crashtest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/pmem"
)

// reuseTrace frees blocks that records name, on a filesystem where no others are free, and then writes much, in and around
// a checkpoint: the blocks may be reused when a checkpoint has passed those records, and no sooner.
func reuseTrace(seed uint64) (*Trace, error) {
	s, err := preparedStart("reuse", false, func() []Op {
		ops := []Op{
			{Verb: "create", Path: "a"}, {Verb: "create", Path: "b"}, {Verb: "write", Path: "b", A: 4096},
			{Verb: "write", Path: "a", A: 8192}, {Verb: "create", Path: "big"}, // the blocks of a are where b would go on
		}
		for range 12 {
			ops = append(ops, Op{Verb: "append", Path: "big", A: 300_000})
		}
		for range 3 {
			ops = append(ops, Op{Verb: "append", Path: "big", A: 4096})
		}
		return ops
	})
	if err != nil {
		return nil, err
	}
	ops := []Op{
		{Verb: "chmod", Path: "b", A: 0o600}, // something for the checkpoint to do
		{Verb: "write", Path: "a", A: 4000}, {Verb: "write", Path: "a", A: 4000, B: 4096}, {Verb: "unlink", Path: "a"},
		{Verb: "write", Path: "b", A: 8192, B: 4096},
	}
	return s.trace(ops, func(r *run, step func() bool) {
		before := 1
		if seed/4%2 == 0 {
			before = 4 // the blocks are freed in front of the checkpoint, and wanted in it
		}
		for r.next < before && step() {
		}
		r.at(inCheckpoint[seed%4], func() {
			if before == 1 {
				for r.next < 4 && step() {
				}
				return
			}
			r.inBackground(step)
		})
		r.fail(r.world.fs.SyncAll())
		r.region.SetPersistHook(nil)
		r.background.Wait()
		for step() {
		}
	})
}

// inBackground begins an operation and waits until it is done or has to wait.
func (r *run) inBackground(step func() bool) {
	done := make(chan struct{})
	r.background.Go(func() {
		defer close(done)
		step()
	})
	select {
	case <-done:
	case <-time.After(20 * time.Millisecond):
	}
}

// staleTrace starts where two records were under way, of which only the second one reached the medium: what is appended
// next ends exactly where that one begins.
func staleTrace(seed uint64) (*Trace, error) {
	empty, err := emptyStart(pmem.CacheFlush, false)
	empty.quiet = true // notes that are carried would lie between
	if err != nil {
		return nil, err
	}
	s, err := cached("stale", func() (start, error) {
		return empty.prepare([]Op{{Verb: "create", Path: "a"}, {Verb: "create", Path: "b"}})
	})
	if err != nil {
		return nil, err
	}
	if s.medium, err = s.secondOnly(Op{Verb: "write", Path: "a", A: 200}, Op{Verb: "write", Path: "b", A: 200}); err != nil {
		return nil, err
	}
	return s.trace([]Op{{Verb: "write", Path: "a", A: 200, B: 1 + int64(seed%8)}}, plainly)
}

// secondOnly runs two operations at once and returns the image that holds the second one's record alone.
func (s start) secondOnly(first, second Op) ([]byte, error) {
	var image []byte
	_, err := s.trace(nil, func(r *run, _ func() bool) {
		t, w := r.trace, r.world
		var both sync.WaitGroup
		var err2 error
		r.at("before "+recordSite, func() {
			at := t.length()
			both.Go(func() { err2 = (&world{fs: w.fs}).do(second) })
			for try := 0; t.length() == at && try < 1000; try++ { // until its record is in the ring
				time.Sleep(time.Millisecond)
			}
			image = t.withoutFirst()
		})
		err := w.do(first)
		both.Wait()
		r.region.SetPersistHook(nil)
		r.err = errors.Join(err, err2)
	})
	return image, err
}

// length returns the number of items so far.
func (t *Trace) length() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.items)
}

// withoutFirst returns what is certain with all pending lines of the ring but those of the first record.
func (t *Trace) withoutFirst() []byte {
	t.mu.Lock()
	items := slices.Clone(t.items)
	t.mu.Unlock()
	m := newMedium(t.start, t.domain)
	for i := range items {
		if items[i].mark == 0 {
			m.on(&items[i].event)
		}
	}
	sb, err := layout.DecodeSuperblock(m.sure)
	if err != nil {
		return nil
	}
	from := int64(-1)
	for _, l := range m.lines() {
		if at := l.n * lineSize; at < sb.RingOffset() || at >= sb.RingOffset()+sb.RingBytes() {
			continue
		}
		if from < 0 {
			from = l.n + layout.LineUp(int64(layout.DecodeRecordHead(l.now[:]).Length))/lineSize
		}
		if l.n >= from {
			copy(m.sureLine(l.n), l.now[:])
		}
	}
	return m.sure
}

// replaceTrace puts long values in the place of short ones and the other way round: operations that free blocks and
// take some.
func replaceTrace(seed uint64) (*Trace, error) {
	ops := []Op{{Verb: "create", Path: "a"}}
	for i := range 6 + int64(seed%4) {
		ops = append(ops, Op{Verb: "setxattr", Path: "a", A: []int64{30, 5000, 900, 9000, 1100}[(i+int64(seed))%5], B: 1})
	}
	return shortTraceOf(ops)
}

// valuesTrace stores, replaces and deletes values of servers: the first makes the inode for them, several split a node.
func valuesTrace(seed uint64) (*Trace, error) {
	ops := []Op{{Verb: "putvalue", Path: "one", A: 20}, {Verb: "create", Path: "new"}}
	for i := range 7 + int64(seed) {
		ops = append(ops, Op{Verb: "putvalue", Path: fmt.Sprint(i), A: 500 + 70*(i%8)})
	}
	ops = append(ops, Op{Verb: "putvalue", Path: "one", A: 1000}, Op{Verb: "deletevalue", Path: "2"}, Op{Verb: "sync"}, Op{Verb: "deletevalue", Path: "one"})
	return valid(seed%2 == 1, withSums(seed), ops)
}

// wrapTrace starts with sequence numbers that are about to wrap.
func wrapTrace(seed uint64) (*Trace, error) {
	s, err := preparedStart("short", false, func() []Op { return preparedOps })
	if err != nil {
		return nil, err
	}
	s.medium = slices.Clone(s.medium)
	for _, block := range []uint64{layout.JournalHeadA, layout.JournalHeadB} {
		b := s.medium[layout.BlockOffset(block):]
		if h, ok := layout.DecodeHead(b); ok {
			h.TailSeq = -(1 + seed%6)
			layout.EncodeHead(b, &h)
		}
	}
	m := newMix(seed)
	m.model = shortModel(true)
	m.large = 9000
	return s.trace(m.ops(12), plainly)
}
