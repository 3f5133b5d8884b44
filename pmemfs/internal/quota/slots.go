package quota

import (
	"fmt"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/pmem"
	"pmemfs/pmemfs/internal/tree"
)

var errRecord = fmt.Errorf("%w: the record of an account makes no sense", layout.ErrDamaged)

// create makes an account without limits, in a record of its own: its slot does not move afterwards. One fence, and one more for 64 accounts;
// durable on return. v.AccountsMu is held.
func (q *Quotas) create(key uint64, anyway bool) error {
	return q.editLocked(func(t *tree.Tree) error {
		t.Op.Frees = anyway
		slot, err := q.freeSlot(t)
		if err != nil {
			return err
		}
		var b [layout.AccountPayload]byte
		layout.EncodeAccount(b[:], &layout.Account{Slot: slot})
		return t.Insert(key, b[:])
	})
}

// freeSlot returns the offset of a slot that no account has. Slots are given out in order, and never come back: the next one is in the last
// block.
func (q *Quotas) freeSlot(t *tree.Tree) (int64, error) {
	var c tree.Cursor
	if err := t.SeekLE(&c, layout.SlotBlockKey(1<<32-1)); err != nil {
		return 0, err
	}
	if !c.Valid() {
		return 0, errRecord // the state of quotas is always there
	}
	n, found := layout.SlotBlockOf(c.Key())
	if !found {
		return q.growSlots(t, 0)
	}
	block, used, ok := layout.DecodeSlotBlock(c.Payload())
	switch {
	case !ok || block >= q.v.Super().Blocks:
		return 0, errRecord
	case used == layout.SlotsPerBlock:
		return q.growSlots(t, n+1)
	}
	var b [layout.SlotBlockPayload]byte
	layout.EncodeSlotBlock(b[:], block, used+1)
	return layout.BlockOffset(block) + int64(used)*layout.AccountSlotSize, t.Update(layout.SlotBlockKey(n), b[:])
}

// growSlots adds block n of slots, of which nothing is used, and takes the first of them. The block is durable before a record names it.
func (q *Quotas) growSlots(t *tree.Tree, n uint64) (int64, error) {
	r, err := t.Op.AllocBlocks(0, 1, false)
	if err != nil {
		return 0, err
	}
	fresh := make([]byte, layout.BlockSize)
	layout.InitSlotBlock(fresh)
	off := layout.BlockOffset(r.Start)
	durable, err := q.v.Region.WriteThrough(siteSlots, []pmem.Segment{{Off: off, Src: fresh}})
	if err != nil {
		return 0, err
	}
	if !durable.Valid() {
		return 0, fmt.Errorf("slots of accounts: a block is named before it is durable")
	}
	t.Nodes += int64(r.Len) // the inode has them as it has nodes
	var b [layout.SlotBlockPayload]byte
	layout.EncodeSlotBlock(b[:], r.Start, 1)
	return off, t.Insert(layout.SlotBlockKey(n), b[:])
}
