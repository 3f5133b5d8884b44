package alloc

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"pmemfs/pmemfs/internal/critical"
	"pmemfs/pmemfs/internal/invariants"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/pmem"
)

// suspectsMax bounds the blocks that are remembered as suspect. Those beyond are found bad again when they are used.
const suspectsMax = 1 << 16

// retiredMax bounds the bad blocks that one operation gives to their list, so that its record stays small.
const retiredMax = 32

// suspects are the blocks whose memory has faulted since open, or that the system lists as bad. A suspect is looked at
// again before it is freed or handed out: memory may have been repaired meanwhile.
type suspects struct {
	n    atomic.Int64 // of them, so that nobody takes the lock while there are none
	mu   sync.Mutex   // leaf
	list []uint64     // ascending
}

// Suspect remembers that the memory of a block may be bad. It returns false when that is known already. Safe for
// concurrent use; kept until the next open only.
func (a *Allocator) Suspect(block uint64) (fresh bool) {
	s := &a.suspects
	s.mu.Lock()
	defer s.mu.Unlock()
	i, found := slices.BinarySearch(s.list, block)
	if !found && len(s.list) < suspectsMax {
		s.list = slices.Insert(s.list, i, block)
		s.n.Store(int64(len(s.list)))
	}
	return !found
}

func (a *Allocator) cleared(block uint64) {
	s := &a.suspects
	s.mu.Lock()
	defer s.mu.Unlock()
	if i, found := slices.BinarySearch(s.list, block); found {
		s.list = slices.Delete(s.list, i, i+1)
		s.n.Store(int64(len(s.list)))
	}
}

// next returns the first suspect among n blocks.
func (s *suspects) next(start, n uint64) (block uint64, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, _ := slices.BinarySearch(s.list, start)
	if i == len(s.list) || s.list[i]-start >= n {
		return 0, false
	}
	return s.list[i], true
}

// anyBad reports whether there may be bad blocks at all. It costs two loads.
func (a *Allocator) anyBad() bool { return a.suspects.n.Load() > 0 || a.J.AnyLost() }

// Bad reports whether a block cannot be used: it is lost, or suspect and its memory still faults. It allocates nothing and
// costs two loads while no block is suspect or lost.
func (a *Allocator) Bad(block uint64) bool { return a.Good(Run{block, 1}) == 0 }

// Good returns how many blocks of a run come before the first one that cannot be used. It costs what Bad does.
func (a *Allocator) Good(r Run) uint64 {
	if !a.anyBad() {
		return r.Len
	}
	if b, ok := a.firstBad(r.Start, r.Len); ok {
		return b - r.Start
	}
	return r.Len
}

// firstBad returns the first bad one of n blocks.
func (a *Allocator) firstBad(start, n uint64) (block uint64, ok bool) {
	block, ok = a.firstLost(start, n)
	if ok {
		n = block - start // a suspect counts only if it comes before
	}
	for {
		b, found := a.suspects.next(start, n)
		if !found {
			return block, ok
		}
		if a.Faults(b) {
			return b, true
		}
		a.cleared(b)
	}
}

// firstLost returns the first of n blocks of which the content or the checksum is lost.
func (a *Allocator) firstLost(start, n uint64) (block uint64, ok bool) {
	block, ok = a.J.FirstLost(start, n)
	sums := a.J.Sums()
	for at := start; sums.On() && at < start+n; {
		table := layout.BlockOf(sums.Offset(at))
		if a.J.Lost(table) && (!ok || at < block) {
			return at, true
		}
		first, covered := sums.Covered(table)
		at = first + covered
	}
	return block, ok
}

// Faults reports whether the memory of a block, or of its checksum, cannot be read.
func (a *Allocator) Faults(block uint64) bool {
	region := a.J.Region()
	err := func() (err error) {
		defer region.Unguard(region.Guard(), &err)
		region.Probe(layout.BlockOffset(block), layout.BlockSize)
		if sums := a.J.Sums(); sums.On() {
			region.Probe(sums.Offset(block), layout.SumSize)
		}
		return nil
	}()
	return err != nil
}

// retire gives a block that is bad, and that op takes from its owner or from the free space, to the list of bad blocks.
func (op *Op) retire(block uint64) error {
	if op.a.Retire == nil {
		return fmt.Errorf("%w: block %d is bad, and there is no list of bad blocks", layout.ErrDamaged, block)
	}
	if op.retiring {
		return fmt.Errorf("%w: block %d is bad, and is part of the list of bad blocks", layout.ErrDamaged, block)
	}
	op.retiring = true
	defer func() { op.retiring = false }()
	if err := op.a.Retire(op.self, block); err != nil {
		return err
	}
	op.retired = append(op.retired, block)
	return nil
}

// KeepBad makes the operation leave bad blocks that it comes upon taken, rather than give them to their list. It frees none.
func (op *Op) KeepBad() { op.retiring = true }

// freeAround frees the n blocks at start, but for bad ones, which it retires.
func (op *Op) freeAround(start, n uint64) error {
	for {
		b, ok := op.a.firstBad(start, n)
		if !ok {
			return op.freeRuns(start, n)
		}
		if err := op.freeRuns(start, b-start); err != nil {
			return err
		}
		if len(op.retired) >= retiredMax && !op.a.J.Lost(b) {
			// Whoever is to be given it will find it bad again.
			if err := op.freeRuns(b, 1); err != nil {
				return err
			}
		} else if err := op.retire(b); err != nil {
			return err
		}
		start, n = b+1, start+n-b-1
	}
}

// usable returns the part of a reserved run before its first bad block. A bad block at its start is retired; then nothing
// is left of the run.
func (op *Op) usable(r Run) (Run, error) {
	good := op.a.Good(r)
	if good == r.Len {
		return r, nil
	}
	keep := max(good, 1)
	if keep < r.Len {
		op.a.Blocks.Unreserve(Run{r.Start + keep, r.Len - keep})
	}
	r.Len = keep
	switch {
	case good > 0:
		return r, nil
	case op.retiring || len(op.retired) >= retiredMax:
		// The list is being changed for another block, or has been often enough: this one only stays taken for now.
		op.reserved = append(op.reserved, r)
		return Run{}, nil
	}
	return Run{}, op.withdraw(r)
}

// withdraw takes one reserved block, which is bad, out of the free space for good.
func (op *Op) withdraw(r Run) error {
	op.reserved = append(op.reserved, r)
	op.Tx.Count(-1, 0)
	if err := op.a.Blocks.logRange(op.Tx, r, true); err != nil {
		return err
	}
	return op.retire(r.Start)
}

// Withdraw logs that a block, which is bad, leaves the free space for the list of bad blocks. ok is false when it is not
// free now.
func (op *Op) Withdraw(block uint64) (ok bool, err error) {
	r, err := op.a.Blocks.take(block/layout.GroupBits, int(block%layout.GroupBits), 1, 1, true, false)
	if err != nil || r.Len == 0 {
		return false, err
	}
	return true, op.withdraw(r)
}

// Own takes a lock that op holds until it is committed or aborted, once. Of all locks taken so, an operation takes only
// one.
func (op *Op) Own(mu *critical.Mutex) {
	if op.owned != mu {
		invariants.Check(op.owned == nil, "an operation takes a second lock of its own")
		mu.Lock()
		op.owned = mu
	}
}

// release ends what Own and HoldUntilDone began.
func (op *Op) release() {
	for i := len(op.latches) - 1; i >= 0; i-- {
		op.latches[i].Unlock()
	}
	op.latches = op.latches[:0]
	if op.owned != nil {
		op.owned.Unlock()
		op.owned = nil
	}
}

// forgetRetired forgets what was bad about blocks that have been given up for good.
func (op *Op) forgetRetired() {
	for _, b := range op.retired {
		op.a.cleared(b)
		if op.a.J.Lost(b) {
			op.a.J.Found(b)
		}
		op.a.retired.Add(1)
	}
}

// Retired returns how many blocks have been given to the list of bad blocks since open.
func (a *Allocator) Retired() uint64 { return a.retired.Load() }

// Distrust says that the bitmap of a group has faulted: nothing is taken from the group until it can be read again.
func (b *Bits) Distrust(group uint64) {
	if groups := b.all(); group < uint64(len(groups)) {
		groups[group].distrusted.Store(true)
	}
}

// Free reports whether a bit is free: neither used nor reserved nor in quarantine. It may be taken at once. Behind the end none is.
func (b *Bits) Free(bit uint64) (bool, error) {
	if bit >= b.limit.Load() {
		return false, nil
	}
	g, err := b.groupAt(bit / layout.GroupBits)
	if err != nil {
		return false, err
	}
	defer g.mu.Unlock()
	return g.runAt(int(bit%layout.GroupBits), 1) == 1, nil
}

// vet returns an error while the bitmap of a group that has faulted once cannot be read or is lost.
func (b *Bits) vet(g *group, i uint64) (err error) {
	block, err := b.locate(i)
	if err != nil {
		return err
	}
	if b.j.Lost(block) {
		return fmt.Errorf("%w: bitmap of group %d in block %d", layout.ErrDamaged, i, block)
	}
	region := b.j.Region()
	defer region.Unguard(region.Guard(), &err)
	region.Probe(layout.BlockOffset(block), layout.BlockSize)
	g.distrusted.Store(false)
	return nil
}

// passable reports whether an error concerns one group only, so that others may be looked at.
func passable(err error) bool {
	var fault *pmem.FaultError
	return errors.Is(err, layout.ErrDamaged) || errors.As(err, &fault)
}
