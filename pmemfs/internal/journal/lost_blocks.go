package journal

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"

	"pmemfs/pmemfs/internal/critical"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/pmem"
)

// ErrLostFull is returned, and makes the journal fail, when more blocks are lost than a head's block can list.
var ErrLostFull = errors.New("more lost blocks than a journal head can list")

// LostError says that a block does not hold what a durable record said: its memory refused the store. What can be read
// there is not the truth, even when reading it works again.
type LostError struct{ Block uint64 }

// Error names the block.
func (e *LostError) Error() string {
	return fmt.Sprintf("block %d: a store to it was refused", e.Block)
}

// Unwrap makes a LostError a layout.ErrDamaged.
func (e *LostError) Unwrap() error { return layout.ErrDamaged }

// lostSet is the lost blocks, and those that a failed journal has not stored to for a reason of the host's: true. The next open does
// that, so they are not written down as lost. Readers look at a map that nobody changes any more; there is none while nothing is lost.
type lostSet struct {
	mu  critical.Mutex // of those who change it; leaf
	set atomic.Pointer[map[uint64]bool]
}

func (l *lostSet) edit(change func(m map[uint64]bool)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := map[uint64]bool{}
	if p := l.set.Load(); p != nil {
		m = maps.Clone(*p)
	}
	change(m)
	if len(m) == 0 {
		l.set.Store(nil)
		return
	}
	l.set.Store(&m)
}

// AnyLost reports whether there are lost blocks at all. It costs one load.
func (j *Journal) AnyLost() bool { return j.lost.set.Load() != nil }

// Lost reports whether a block is lost. Safe for concurrent use; a block that is lost by a store is lost for all who read
// after the commit that stored.
func (j *Journal) Lost(block uint64) bool {
	m := j.lost.set.Load()
	if m == nil {
		return false
	}
	_, ok := (*m)[block]
	return ok
}

// FirstLost returns the first of n blocks that is lost. It costs one load while none is.
func (j *Journal) FirstLost(start, n uint64) (block uint64, ok bool) {
	m := j.lost.set.Load()
	if m == nil {
		return 0, false
	}
	for b := range *m {
		if b >= start && b-start < n && (!ok || b < block) {
			block, ok = b, true
		}
	}
	return block, ok
}

// LostBlocks returns the lost blocks in ascending order, nil for none.
func (j *Journal) LostBlocks() (list []uint64) {
	m := j.lost.set.Load()
	if m == nil {
		return nil
	}
	for block, later := range *m {
		if !later {
			list = append(list, block)
		}
	}
	slices.Sort(list)
	return list
}

// gone reports whether a block is lost for good, so that there is nothing to flush.
func (j *Journal) gone(block uint64) bool {
	m := j.lost.set.Load()
	if m == nil {
		return false
	}
	later, ok := (*m)[block]
	return ok && !later
}

// lose remembers a block that a durable record could not be stored to. Readers refuse it from now on, and the next
// checkpoint writes it down before it lets that record go.
func (j *Journal) lose(block uint64) {
	j.lost.edit(func(m map[uint64]bool) { m[block] = false })
	j.verified[block/64].And(^(uint64(1) << (block % 64)))
	if f := j.onLost.Load(); f != nil {
		(*f)(block)
	}
}

// withhold makes readers refuse a block that the host had no space for. The journal fails; its record is in the window, and
// the next open stores it.
func (j *Journal) withhold(block uint64) {
	j.lost.edit(func(m map[uint64]bool) {
		if _, lost := m[block]; !lost {
			m[block] = true
		}
	})
	j.verified[block/64].And(^(uint64(1) << (block % 64)))
}

// Found says that a block no longer has content that counts: it has been given up, in a record that is durable.
func (j *Journal) Found(block uint64) {
	j.lost.edit(func(m map[uint64]bool) { delete(m, block) })
}

// OnLost sets the function that is told of each block that is lost. It must not wait for locks or use the journal.
func (j *Journal) OnLost(f func(block uint64)) { j.onLost.Store(&f) }

// StoreLost stores a list of lost blocks behind the head that is about to be written and marks the head. The caller
// persists what it returns before the head is written. Without blocks it does nothing.
func StoreLost(region *pmem.Region, h *layout.Head, blocks []uint64) ([]pmem.Range, error) {
	h.Lost = len(blocks) > 0
	if !h.Lost {
		return nil, nil
	}
	list, ok := layout.LostList(h.Version, blocks)
	if !ok {
		return nil, ErrLostFull
	}
	off := headOffset(h) + layout.LostOffset
	region.Write(off, list)
	return []pmem.Range{{Off: off, Len: int64(len(list))}}, nil
}

// FlushAround persists the ranges but for the pages whose memory faults, whose blocks it gives to lose. extra is called
// before each attempt for ranges that may not fault. It returns how the last attempt went.
func FlushAround(region *pmem.Region, site *pmem.Site, ranges []pmem.Range, extra func() ([]pmem.Range, error), lose func(block uint64)) error {
	for {
		more, err := extra()
		if err != nil || len(ranges)+len(more) == 0 {
			return err
		}
		err = persistGuarded(region, site, append(slices.Clip(ranges), more...))
		var fault *pmem.FaultError
		if !errors.As(err, &fault) || fault.Host != nil {
			return err
		}
		kept := slices.DeleteFunc(slices.Clone(ranges), func(r pmem.Range) bool {
			if r.Off+r.Len <= fault.Off || r.Off >= fault.Off+fault.Len {
				return false
			}
			lose(layout.BlockOf(r.Off))
			return true
		})
		if len(kept) == len(ranges) {
			return err
		}
		ranges = kept
	}
}

func persistGuarded(region *pmem.Region, site *pmem.Site, ranges []pmem.Range) (err error) {
	defer region.Unguard(region.Guard(), &err)
	return region.Persist(site, ranges)
}
