package crashtest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"sync/atomic"
	"time"

	"pmemfs/pmemfs"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/pmem"
)

// noting are the operations that log who asked for them.
var noting = map[string]bool{
	"create": true, "mkdir": true, "mknod": true, "symlink": true, "link": true, "unlink": true, "rmdir": true, "rename": true,
	"truncate": true, "chmod": true, "setxattr": true, "removexattr": true, "acl": true,
}

// A ledger is which notes there have to be in the states of a trace: those that were there at its start, and one for each
// operation that has logged it.
type ledger struct {
	id     uint32 // of the trace
	base   []pmemfs.RequestKey
	quiet  bool                       // nothing logs a note
	logged map[pmemfs.RequestKey]bool // of the trace's operations
	unsure map[pmemfs.RequestKey]bool // of operations that were refused: they may have happened
	long   bool                       // so much was logged that the ring has lost some
}

var ledgers atomic.Uint32

func newLedger(fs *pmemfs.FS) *ledger {
	return &ledger{
		id: ledgers.Add(1), base: keysOf(fs), logged: map[pmemfs.RequestKey]bool{}, unsure: map[pmemfs.RequestKey]bool{},
	}
}

// key returns the key of a writer's operation.
func (l *ledger) key(by, op int) (k pmemfs.RequestKey) {
	binary.LittleEndian.PutUint32(k[:], l.id)
	binary.LittleEndian.PutUint32(k[4:], uint32(by))
	binary.LittleEndian.PutUint64(k[8:], uint64(op))
	return k
}

// call returns what an operation is to log.
func (l *ledger) call(k pmemfs.RequestKey) pmemfs.Call {
	if l.quiet {
		return pmemfs.Call{}
	}
	return pmemfs.Call{Key: k}
}

// take notes what an operation, which has ended with err, logged. Not for several goroutines.
func (l *ledger) take(k pmemfs.RequestKey, op Op, call *pmemfs.Call, err error) {
	switch {
	case l.quiet || !noting[op.Verb]:
	case errors.Is(err, pmemfs.ErrReadOnly):
		l.unsure[k] = true
	case call.WCC[0].HasPre:
		l.logged[k] = true
	}
}

// took is take for several goroutines.
func (t *Trace) took(k pmemfs.RequestKey, op Op, call *pmemfs.Call, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ledger.take(k, op, call, err)
}

// keysOf returns the keys of the notes that a filesystem has found.
func keysOf(fs *pmemfs.FS) (keys []pmemfs.RequestKey) {
	for _, n := range fs.RequestNotes() {
		keys = append(keys, n.Key)
	}
	return keys
}

// hashKeys returns a hash of keys and their order.
func hashKeys(keys []pmemfs.RequestKey) uint64 {
	var h maphash.Hash
	h.SetSeed(hashSeed)
	for i := range keys {
		h.Write(keys[i][:])
	}
	return h.Sum64()
}

// match compares the notes that were found with those that have to be there after so many operations of a writer. Those of
// other writers are not looked at.
func (l *ledger) match(found []pmemfs.RequestKey, by, ops int) error {
	var got, want []pmemfs.RequestKey
	if by == 0 {
		want = append(want, l.base...)
	}
	for i := range ops {
		if k := l.key(by, i); l.logged[k] {
			want = append(want, k)
		}
	}
	for _, k := range found {
		own := binary.LittleEndian.Uint32(k[:]) == l.id
		if !l.unsure[k] && (own && binary.LittleEndian.Uint32(k[4:]) == uint32(by) || !own && by == 0) {
			got = append(got, k)
		}
	}
	if l.long && len(got) <= len(want) {
		want = want[len(want)-len(got):]
	}
	if !slices.Equal(got, want) {
		return fmt.Errorf("after %d operations of writer %d there are the notes %x, expected %x", ops, by, got, want)
	}
	return nil
}

// measure finds out whether the trace has logged more than the ring keeps for sure.
func (t *Trace) measure() {
	sb, err := layout.DecodeSuperblock(t.start)
	if err != nil {
		sb = &layout.Superblock{} // damaged on purpose: the copy has to do, and less is asked for
	}
	logged := int64(0)
	for i := range t.items {
		if e := &t.items[i].event; t.items[i].mark == 0 && e.Kind == pmem.Stored && e.Range.Off >= sb.RingOffset() && e.Range.Off < sb.RingOffset()+sb.RingBytes() {
			logged += e.Range.Len + lineSize
		}
	}
	t.ledger.long = err != nil || logged > sb.RingBytes()*3/4
}

// notesTrace is about the notes alone: two records under way at once; a ring full of old ones; a window that fills it.
func notesTrace(seed uint64) (*Trace, error) {
	switch seed % 3 {
	case 0:
		return runWriters(pmem.CacheFlush, makeWriters(2, 12, seed), func(r *run) func(pmem.Failpoint, pmem.Range) error {
			return func(p pmem.Failpoint, _ pmem.Range) error {
				if p.String() == "before "+recordSite {
					r.awaitItem(20 * time.Millisecond)
				}
				return nil
			}
		})
	case 1:
		return oldNotesTrace(int(seed/3) % 2)
	}
	return fullWindowTrace(int(seed/3) % 2)
}

// awaitItem waits until something more happens to the region, or the time is up.
func (r *run) awaitItem(most time.Duration) {
	for at, from := r.trace.length(), time.Now(); r.trace.length() == at && time.Since(from) < most; {
		time.Sleep(100 * time.Microsecond)
	}
}

// oldNotesTrace goes around the ring with operations that log notes, in front of a small window.
func oldNotesTrace(more int) (*Trace, error) {
	return fillTrace(func(i int) Op {
		return Op{Verb: []string{"create", "unlink"}[i%2], Path: longName}
	}, 900, true, more)
}

// fullWindowTrace fills the ring with a window.
func fullWindowTrace(more int) (*Trace, error) {
	return fillTrace(func(i int) Op {
		if i%2 == 0 {
			return Op{Verb: "chmod", Path: "a", A: int64(0o600 + i%8), B: 1}
		}
		return Op{Verb: "write", Path: "a", A: 4096}
	}, 233, false, more)
}

// fillTrace runs so many operations, then a checkpoint if that is wanted, and cuts the power in the last ones, and in the
// recoveries.
func fillTrace(op func(i int) Op, n int, sync bool, more int) (*Trace, error) {
	s, err := emptyStart(pmem.CacheFlush, false)
	if err != nil {
		return nil, err
	}
	ops := []Op{{Verb: "create", Path: "a"}}
	for i := range n {
		ops = append(ops, op(i))
	}
	if sync {
		ops = append(ops, Op{Verb: "sync"})
	}
	from := len(ops)
	for i := range 1 + more {
		ops = append(ops, Op{Verb: "create", Path: fmt.Sprintf("b%d", i)})
	}
	t, err := s.trace(ops, plainly)
	if err == nil {
		t.from, t.deep = from, true
	}
	return t, err
}

// tornTrace opens an image with notes twice, both times cut short while the head of the new epoch is under way: of the first
// head all words have arrived but one, and of the second head that one. What is left must have the notes all the same.
func tornTrace(seed uint64) (*Trace, error) {
	s, err := emptyStart(pmem.CacheFlush, false)
	if err != nil {
		return nil, err
	}
	t, err := s.trace([]Op{{Verb: "create", Path: "a"}, {Verb: "create", Path: "b"}}, plainly)
	if err != nil {
		return nil, err
	}
	image := newMedium(t.start, t.domain)
	for i := range t.items {
		if t.items[i].mark == 0 {
			image.on(&t.items[i].event)
		}
	}
	word, medium := 1+seed%5, image.sure
	for _, words := range []uint8{^(uint8(1) << word), uint8(1) << word} {
		if medium, err = tornHead(medium, words); err != nil {
			return nil, err
		}
	}
	region, err := pmem.NewMemory(int64(len(medium)), pmem.CacheFlush)
	if err != nil {
		return nil, err
	}
	region.Write(0, medium)
	fs, err := recovery(region)
	if err != nil {
		return nil, err
	}
	if err = t.ledger.match(keysOf(fs), 0, len(t.Ops)); err != nil {
		return nil, &Violation{What: err.Error()}
	}
	return nil, errors.Join(fs.Close(), region.Close())
}

// tornHead opens an image and returns what is left when the power goes while some words of the new epoch's head have arrived.
func tornHead(image []byte, words uint8) (left []byte, err error) {
	region, err := pmem.NewMemory(int64(len(image)), pmem.CacheFlush)
	if err != nil {
		return nil, err
	}
	region.Write(0, image)
	m := newMedium(slices.Clone(image), pmem.CacheFlush)
	region.SetRecorder(func(e *pmem.Event) {
		if e.Kind == pmem.FenceDue && e.Site.String() == "recovery: head of the new epoch" {
			left = slices.Clone(m.sure)
			for _, l := range m.lines() {
				b := l.torn(0, words)
				copy(left[l.n*lineSize:], b[:])
			}
		}
		m.on(e)
	})
	fs, err := recovery(region)
	if err != nil {
		return nil, err
	}
	return left, errors.Join(fs.Close(), region.Close())
}
