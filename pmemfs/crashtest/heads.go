package crashtest

import (
	"errors"
	"fmt"
	"slices"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/pmem"
)

// headSites are the fences of the first head that an open or a repair writes.
var headSites = []string{"recovery: head of the new epoch", "repair: heads without a window"}

// An unfencedHead is a trace whose process dies before the fence of a checkpoint's head, and what happens then: an open that reads this
// head from the cache.
type unfencedHead struct {
	trace *Trace
	died  int // the first item of what comes behind
	open  opener
}

// newUnfencedHead makes one: a seed has an open or a repair of a damaged second superblock, the first checkpoint or one that is twice
// around the ring, and a domain.
func newUnfencedHead(seed uint64) (*unfencedHead, error) {
	s, err := emptyStart([]pmem.Domain{pmem.CacheFlush, pmem.PageCache}[seed/4%2], false)
	if err != nil {
		return nil, err
	}
	s.quiet = true
	u := &unfencedHead{open: openRegion}
	if seed%2 == 1 {
		u.open = repairAndOpen
		sb, err := layout.DecodeSuperblock(s.medium)
		if err != nil {
			return nil, err
		}
		s.medium = slices.Clone(s.medium)
		s.medium[layout.BlockOffset(sb.Backup)+40] ^= 1
	}
	ops := []Op{{Verb: "create", Path: "a"}, {Verb: "append", Path: "a", A: 9000}}
	for range seed / 2 % 2 * 2 {
		ops = append(ops, Op{Verb: "sync"})
		for range 100 {
			ops = append(ops, Op{Verb: "write", Path: "a", A: 4096})
		}
	}
	u.trace, err = s.trace(ops, func(r *run, step func() bool) {
		for step() {
		}
		u.died, err = r.killCheckpoint(u.open)
		r.fail(err)
	})
	return u, err
}

// killCheckpoint begins a checkpoint whose process dies before the fence of the head, and opens the filesystem again. It returns what
// number the next item has.
func (r *run) killCheckpoint(open opener) (died int, err error) {
	r.region.SetPersistHook(func(p pmem.Failpoint, _ pmem.Range) error {
		if p.String() == "before journal: head of a checkpoint" {
			return errKilled
		}
		return nil
	})
	err = r.world.fs.SyncAll()
	r.region.SetPersistHook(nil)
	if !errors.Is(err, errKilled) {
		return 0, fmt.Errorf("a checkpoint outlives its process: %w", err)
	}
	died = r.trace.length()
	fs, err := open(r.region)
	if err == nil {
		r.world = &world{fs: fs}
	}
	return died, err
}

// medium returns what the medium holds when the process has died.
func (u *unfencedHead) medium() *Medium {
	m := newMedium(u.trace.start, u.trace.domain)
	for i := range u.trace.items[:u.died] {
		if it := &u.trace.items[i]; it.mark == 0 {
			m.on(&it.event)
		}
	}
	return m
}

// headsTrace cuts the power while the first head of an open or a repair is under way, with each selection of its words arrived and
// nothing else that is not certain, where the head that it read was in a cache alone.
func headsTrace(seed uint64) (*Trace, error) {
	u, err := newUnfencedHead(seed)
	if err != nil {
		return nil, err
	}
	m := u.medium()
	for i := u.died; ; i++ {
		if i == len(u.trace.items) {
			return nil, errors.New("no head was written")
		}
		it := &u.trace.items[i]
		if it.mark != 0 {
			continue
		}
		if it.event.Kind == pmem.FenceDue && slices.Contains(headSites, it.event.Site.String()) {
			break
		}
		m.on(&it.event)
	}
	for words := range 1 << (lineSize / wordSize) {
		left := slices.Clone(m.sure)
		for _, l := range m.lines() {
			if l.unit() == m.stores {
				b := l.torn(len(l.stores)-1, uint8(words))
				copy(left[l.n*lineSize:], b[:])
			}
		}
		if err := u.judge(left); err != nil {
			return nil, &Violation{What: fmt.Sprintf("words %08b of the head: %v", words, err), Replay: Job{"heads", seed}.String()}
		}
	}
	return nil, nil
}

// judge opens or repairs an image, which must be in the state after the last operation.
func (u *unfencedHead) judge(image []byte) error {
	region, err := pmem.NewMemory(int64(len(image)), u.trace.domain)
	if err != nil {
		return err
	}
	region.Write(0, image)
	fs, err := u.open(region)
	if err != nil {
		return errors.Join(err, region.Close())
	}
	d, err := dumpFS(fs, true)
	dumps := u.trace.states.dumps
	if want := dumps[len(dumps)-1]; err == nil && d.key() != want.key() {
		err = errors.New(want.diff(d))
	}
	return errors.Join(err, fs.Close(), region.Close())
}
