package journal

import "pmemfs/pmemfs/internal/pmem"

// The fences of the journal.
var (
	siteRecord = pmem.NewSite("journal: record")
	siteDirty  = pmem.NewSite("journal: dirty lines of a checkpoint")
	siteHead   = pmem.NewSite("journal: head of a checkpoint")
)

// fence makes every record up to end durable. Whoever gets to fence does so for all that was appended by then, so that
// under load a fence serves many operations.
func (j *Journal) fence(end uint64) error {
	if j.durable.Load() >= end {
		return nil
	}
	j.fenceMu.Lock()
	defer j.fenceMu.Unlock()
	if j.region.Domain() != pmem.PageCache {
		// A fence takes less time than putting a goroutine to sleep: hold the lock over it.
		if j.durable.Load() >= end {
			return nil
		}
		return j.fenceAppended()
	}
	// A fence is a system call of up to milliseconds: those it served go on all at once, while the next one begins.
	for j.fencing && j.durable.Load() < end {
		j.fenceIs.Wait()
	}
	if j.durable.Load() >= end {
		return nil
	}
	j.fencing = true
	defer j.fenceIs.Broadcast()
	defer func() { j.fencing = false }()
	j.fenceMu.Unlock()
	defer j.fenceMu.Lock()
	return j.fenceAppended()
}

// fenceAppended makes durable all that is appended. One caller at a time.
func (j *Journal) fenceAppended() error {
	if err := j.Err(); err != nil {
		return err
	}
	from := j.durable.Load()
	j.mu.Lock()
	to, seq := j.pos, j.seq-1
	j.mu.Unlock()
	var buf [2]pmem.Range
	rs := append(buf[:0], pmem.Range{Off: j.ring + int64(from%j.size), Len: int64(min(to-from, j.size-from%j.size))})
	if n := int64(to-from) - rs[0].Len; n > 0 {
		rs = append(rs, pmem.Range{Off: j.ring, Len: n})
	}
	if err := j.region.Persist(siteRecord, rs); err != nil {
		return j.fail(err)
	}
	j.durable.Store(to)
	j.fenced.Store(seq)
	return nil
}
