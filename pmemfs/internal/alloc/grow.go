package alloc

import (
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/mutation"
)

// The bitmap of the last group says nothing behind the end of the image. Nobody hands those bits out, so a growth may change them.

// MarkTail logs that one block behind the end, of the last group, is used, and no other up to end, which may be in a later one.
func (op *Op) MarkTail(block, end uint64) error {
	limit := op.a.Blocks.Limit()
	group := limit / layout.GroupBlocks
	if limit%layout.GroupBlocks == 0 {
		return nil // the last group is whole
	}
	last := min(end, (group+1)*layout.GroupBlocks)
	if err := op.a.Blocks.logRange(op.Tx, Run{limit, last - limit}, false); err != nil {
		return err
	}
	if block >= last {
		return nil
	}
	return op.a.Blocks.logRange(op.Tx, Run{block, 1}, true)
}

// EndGrowth logs what brings the bitmaps in step with an image of which a growth was under way at a crash: nothing is used behind the end, the
// place of the backup superblock is, and those of former ones are not. Nobody else uses the allocator yet.
func (op *Op) EndGrowth(backup uint64, former []uint64) error {
	b := op.a.Blocks
	if limit := b.Limit(); limit%layout.GroupBlocks != 0 {
		if err := b.logRange(op.Tx, Run{limit, layout.GroupBlocks - limit%layout.GroupBlocks}, false); err != nil {
			return err
		}
	}
	for _, at := range former {
		if free, err := b.Free(at); err != nil || free {
			return err
		}
		if err := op.FreeBlocks(at, 1); err != nil {
			return err
		}
	}
	r, err := b.take(backup/layout.GroupBits, int(backup%layout.GroupBits), 1, 1, true, false)
	if err != nil || r.Len == 0 {
		return err // it is used already
	}
	op.reserved = append(op.reserved, r)
	op.Tx.Count(-1, 0)
	return b.logRange(op.Tx, r, true)
}

// FreeOwn logs that a block of the filesystem's own is free, and that fresh blocks more are that are yet to come. It stays taken until Grown.
func (op *Op) FreeOwn(block, fresh uint64) error {
	r := Run{block, 1}
	if err := op.a.Blocks.hold(r); err != nil {
		return err
	}
	if mutation.GrowthHeld.Off() {
		op.freed = append(op.freed, r)
	} else {
		op.own = append(op.own, r)
	}
	op.Tx.Count(1+int64(fresh), 0)
	return op.a.Blocks.logRange(op.Tx, r, false)
}

// Grown begins to hand out the blocks up to limit, of which fresh are free; the last one is not. freed is what FreeOwn was told of: it can
// be used when a checkpoint has passed a record that is still to come, so that no head of the time before counts any more.
func (a *Allocator) Grown(limit, fresh, freed uint64) {
	a.Blocks.SetLimit(limit, limit-1)
	a.Blocks.AddAvail(int64(fresh))
	if !mutation.GrowthHeld.Off() {
		a.Blocks.quarantine(a.J.NextSeq(), Run{freed, 1})
	}
}
