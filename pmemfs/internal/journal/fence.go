package journal

import (
	"runtime"
	"time"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/mutation"
	"pmemfs/pmemfs/internal/pmem"
)

// The fences of the journal.
var (
	siteRecord = pmem.NewSite("journal: record")
	siteDirty  = pmem.NewSite("journal: dirty lines of a checkpoint")
	siteHead   = pmem.NewSite("journal: head of a checkpoint")
)

// fence makes a record that is stored in the ring durable, and waits until all before it are.
func (j *Journal) fence(s *slot) error {
	if j.grouped {
		s.state.Store(slotStored)
		return j.fenceGroup(s)
	}
	if err := j.persist(s.pos, s.end); err != nil {
		return err
	}
	if s.seq == j.firstSeq || j.slot(s.seq-1).state.Load() >= slotDurable || mutation.AckInOrder.Off() {
		s.state.Store(slotDurable)
		j.helpLater(s.seq)
		return nil
	}
	s.state.Store(slotFenced)
	// The one in front may have looked at this slot before that. Whoever comes second sees what the first has stored.
	if j.slot(s.seq-1).state.Load() >= slotDurable {
		j.helpLater(s.seq - 1)
	}
	return j.awaitEarlier(s)
}

// helpLater is called when all records up to seq are durable: those behind that have been fenced are durable then, too. So nobody has to
// be given a processor only to pass that on, which among more goroutines than processors would take a round for each of them.
func (j *Journal) helpLater(seq uint64) {
	for seq++; j.slot(seq).state.Load() == slotFenced && j.slot(seq).state.CompareAndSwap(slotFenced, slotDurable); seq++ {
	}
}

// A record that is being fenced is looked at so often before other goroutines may run, as a fence takes less than a microsecond, and so
// often before this thread sleeps: the other one may have lost its processor, which only the kernel can give it back.
const (
	spinsMax  = 200
	yieldsMax = 1000
)

// relax lets others go on, more so the longer somebody has been waiting.
func relax(spins int) {
	switch {
	case spins > yieldsMax:
		time.Sleep(20 * time.Microsecond)
	case spins > spinsMax:
		runtime.Gosched()
	}
}

// persist makes a part of the ring durable.
func (j *Journal) persist(from, to uint64) (err error) {
	var buf [2]pmem.Range
	at := from % j.size
	rs := append(buf[:0], pmem.Range{Off: j.ring + int64(at), Len: int64(min(to-from, j.size-at))})
	if n := int64(to-from) - rs[0].Len; n > 0 {
		rs = append(rs, pmem.Range{Off: j.ring, Len: n})
	}
	if j.grouped {
		j.due = j.takeBulk(append(j.due[:0], rs...), to)
		err = j.region.Persist(siteRecord, j.due)
	} else {
		err = j.region.PersistCounted(siteRecord, rs) // by reserve
	}
	if err != nil {
		return j.fail(err)
	}
	return nil
}

// awaitEarlier waits until all records before one that is fenced are durable, so that it is. Each fences its own lines, so the wait is for
// somebody who is in the middle of that.
func (j *Journal) awaitEarlier(s *slot) error {
	for spins := 0; s.state.Load() < slotDurable; spins++ {
		if err := j.Err(); err != nil {
			return err
		}
		relax(spins)
	}
	return nil
}

// fenceGroup is fence where a fence is a system call of up to milliseconds: whoever gets to it fences for all that is stored, and those
// that it served go on all at once while the next one begins.
func (j *Journal) fenceGroup(s *slot) error {
	j.fenceMu.Lock()
	defer j.fenceMu.Unlock()
	for layout.SeqBefore(j.fenced.Load(), s.seq) {
		if j.fencing {
			j.fenceIs.Wait()
			continue
		}
		if err := j.fenceNext(); err != nil {
			return err
		}
	}
	return nil
}

// fenceNext fences for all records that are stored. fenceMu is held, but not over the fence.
func (j *Journal) fenceNext() error {
	j.fencing = true
	defer j.fenceIs.Broadcast()
	defer func() { j.fencing = false }()
	j.fenceMu.Unlock()
	defer j.fenceMu.Lock()
	if err := j.Err(); err != nil {
		return err
	}
	last, end := j.storedUpTo()
	if last == j.fenced.Load() {
		runtime.Gosched() // somebody is still storing the first of them
		return nil
	}
	if err := j.persist(j.durable, end); err != nil {
		return err
	}
	j.countGroup(last - j.fenced.Load())
	j.durable = end
	j.fenced.Store(last)
	return nil
}

// storedUpTo returns the last record before which none is still to be stored in the ring, and where it ends.
func (j *Journal) storedUpTo() (last, end uint64) {
	j.mu.Lock()
	next := j.seq
	j.mu.Unlock()
	last, end = j.fenced.Load(), j.durable
	for last+1 != next && j.slot(last+1).state.Load() >= slotStored {
		last++
		end = j.slot(last).end
	}
	return last, end
}

// lastDurable returns the last sequence before seq up to which all is durable.
func (j *Journal) lastDurable(seq uint64) uint64 {
	if j.grouped {
		return j.fenced.Load()
	}
	// Whatever left the slots is durable, so the walk ends; it is as long as there are records at once.
	for seq--; seq != j.firstSeq-1 && j.slot(seq).state.Load() < slotDurable; seq-- {
	}
	return seq
}

// durableEnd returns the position behind the last record that is durable.
func (j *Journal) durableEnd() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.advance()
	if last := j.lastDurable(j.seq); !layout.SeqBefore(last, j.lowSeq) {
		return j.slot(last).end
	}
	return j.low
}
