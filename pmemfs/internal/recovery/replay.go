package recovery

import (
	"fmt"
	"maps"
	"pmemfs/pmemfs/internal/journal"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/mutation"
	"pmemfs/pmemfs/internal/pmem"
	"slices"
)

// lostBlocks returns the blocks that a head lists as lost.
func lostBlocks(medium []byte, sb *layout.Superblock, h *layout.Head) ([]uint64, error) {
	if !h.Lost {
		return nil, nil
	}
	block := layout.JournalHeadA + h.Version%2
	list, ok := layout.LostBlocks(medium[layout.BlockOffset(block):layout.BlockOffset(block+1)], h.Version, sb.Blocks)
	if !ok {
		return nil, fmt.Errorf("%w: the list of lost blocks in block %d", layout.ErrDamaged, block)
	}
	return list, nil
}

// CountLost returns how many blocks a journal head lists as lost, 0 if the list is damaged.
func CountLost(medium []byte, sb *layout.Superblock, h *layout.Head) uint64 {
	list, err := lostBlocks(medium, sb, h)
	if err != nil {
		return 0
	}
	return uint64(len(list))
}

// replay is a window being stored in place: the lines that it stored to, by block, the blocks whose checksum is due, and
// the blocks whose memory faults.
type replay struct {
	region *pmem.Region
	lines  map[uint64]uint64
	seals  map[uint64]bool
	lost   map[uint64]bool

	accounts map[int64]layout.Usage // what the window changes of accounts, by the offset of their slot
	head     uint64                 // version of the head that the window is of
	records  uint64                 // replayed
}

func newReplay(region *pmem.Region, lost []uint64, head uint64) *replay {
	r := &replay{region: region, head: head, accounts: map[int64]layout.Usage{}, lines: map[uint64]uint64{}, seals: map[uint64]bool{}, lost: map[uint64]bool{}}
	for _, block := range lost {
		r.lost[block] = true
	}
	return r
}

// sorted returns the lost blocks in ascending order.
func (r *replay) sorted() []uint64 { return slices.Sorted(maps.Keys(r.lost)) }

// window is Window, and remembers what it has lost.
func (r *replay) window(sb *layout.Superblock, old layout.Head, f func(rec []byte) error) (layout.Head, error) {
	h, lost, err := Window(mediumOf(r.region), sb, old, f)
	for _, x := range lost {
		for block := range x.Blocks() {
			r.lost[block] = true
		}
	}
	return h, err
}

// record stores the entries of a record in place. Memory that faults loses a block, and no more than that. A host that does not
// store is an error: the window still counts, and the next attempt may do better.
func (r *replay) record(rec []byte) error {
	r.records++
	for body := rec[layout.RecordHeader:]; len(body) > 0; {
		e, rest, ok := layout.NextEntry(body, r.region.Size())
		if !ok {
			return fmt.Errorf("journal %w: record %d has a malformed entry", layout.ErrDamaged, layout.DecodeRecordHead(rec).Seq)
		}
		body = rest
		if e.Kind == layout.EntryAccount && !mutation.AccountsReplayed.Off() {
			sum := r.accounts[e.Off]
			sum.Add(e.AccountChange())
			r.accounts[e.Off] = sum
		}
		if !e.Kind.Changes() {
			continue
		}
		block := layout.BlockOf(e.Off)
		if r.lost[block] {
			continue
		}
		err := guarded(r.region, func() { r.lines[block] |= journal.Apply(r.region, &e) })
		if pmem.HostReason(err) != nil {
			return fmt.Errorf("replay of the journal: %w", err)
		}
		if err != nil {
			r.lost[block] = true
		}
		r.seals[block] = r.seals[block] || e.Kind.Sealed4K()
	}
	return nil
}

// finishAccounts stores what accounts have used behind the window, as of the head of a version that is about to be written. What the window
// says is added to what they had as of its head, which stays in the other copy: so this can be repeated. A slot that cannot be read, or is
// damaged, stays as it is.
func (r *replay) finishAccounts(version uint64) error {
	for off, change := range r.accounts {
		block := layout.BlockOf(off)
		if r.lost[block] {
			continue
		}
		var used layout.Usage
		var newest int
		var ok bool
		err := guarded(r.region, func() {
			used, newest, ok = layout.DecodeSlot(r.region.Bytes()[off:off+layout.AccountSlotSize], r.head)
		})
		if err == nil && !ok {
			continue
		}
		if err == nil {
			used.Add(change)
			err = journal.StoreAccount(r.region, off, 1-newest, version, used)
		}
		if pmem.HostReason(err) != nil {
			return fmt.Errorf("replay of the journal: %w", err)
		}
		if err != nil {
			r.lost[block] = true
			continue
		}
		r.lines[block] |= 1 << (off % layout.BlockSize / layout.LineSize)
	}
	clear(r.accounts)
	return nil
}

// finish seals what is due, lists what is lost behind the head that is about to be written, and makes all of it durable,
// with the ranges of what else has been stored.
func (r *replay) finish(h *layout.Head, also []pmem.Range) ([]uint64, error) {
	if err := r.finishAccounts(h.Version); err != nil {
		return nil, err
	}
	var ranges []pmem.Range
	for block, mask := range r.lines {
		if r.lost[block] {
			continue
		}
		if r.seals[block] && !mutation.SealAtRecovery.Off() {
			err := guarded(r.region, func() { journal.SealInPlace(r.region, block) })
			if pmem.HostReason(err) != nil {
				return nil, fmt.Errorf("replay of the journal: %w", err)
			}
			if err != nil {
				r.lost[block] = true
				continue
			}
			mask |= 1
		}
		ranges = journal.AppendLines(ranges, block, mask)
	}
	list := func() ([]pmem.Range, error) {
		lost, err := journal.StoreLost(r.region, h, r.sorted())
		return append(lost, also...), err
	}
	err := journal.FlushAround(r.region, siteReplay, ranges, list, func(block uint64) { r.lost[block] = true })
	return r.sorted(), err
}
