package recovery

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"pmemfs/pmemfs/internal/journal"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/mutation"
	"pmemfs/pmemfs/internal/pmem"
)

// guarded runs f and returns the fault of the region's memory that it hits.
func guarded(region *pmem.Region, f func()) (err error) {
	defer region.Unguard(region.Guard(), &err)
	f()
	return nil
}

// named is guarded, with an error that names the part of the journal whose memory faults. Without that part nobody knows
// what was acknowledged, so the image is refused.
func named(region *pmem.Region, what string, f func() error) error {
	var err error
	fault := guarded(region, func() { err = f() })
	var at *pmem.FaultError
	if errors.As(fault, &at) && at.Host != nil {
		return fmt.Errorf("%s, block %d: %w", what, layout.BlockOf(at.Off), fault)
	}
	if errors.As(fault, &at) {
		return fmt.Errorf("%w: %s, block %d: %w", layout.ErrDamaged, what, layout.BlockOf(at.Off), fault)
	}
	return err
}

// Superblock is Super for a region whose memory may fault: either copy may be unreadable. first is why the first copy is
// not used, nil if it is.
func Superblock(region *pmem.Region) (sb *layout.Superblock, first, err error) {
	medium := region.Bytes()
	fault := guarded(region, func() { sb, err = Super(medium) })
	if fault == nil {
		if err == nil {
			_, first = layout.DecodeSuperblock(medium)
		}
		return sb, first, err
	}
	first = fmt.Errorf("superblock: %w", fault)
	other := guarded(region, func() {
		if sb = backup(medium); sb != nil {
			err = vetSize(medium, sb)
		}
	})
	switch {
	case other != nil:
		return nil, first, fmt.Errorf("both superblocks are unreadable: %w", fault)
	case sb == nil:
		return nil, first, fmt.Errorf("%w: the superblock is unreadable and there is no copy of it: %w", layout.ErrDamaged, fault)
	}
	return sb, first, err
}

// vetSize returns ErrTruncated for a medium that is shorter than its superblock says.
func vetSize(medium []byte, sb *layout.Superblock) error {
	if size := layout.BlockOffset(sb.Blocks); int64(len(medium)) < size {
		return fmt.Errorf("%w: %d bytes long, the superblock says %d", ErrTruncated, len(medium), size)
	}
	return nil
}

// Journal reads the journal of a region whose memory may fault: the head that counts, and as the window leaves it. Errors
// name the part that is damaged or unreadable and wrap layout.ErrDamaged.
//
// An unreadable head refuses the image even if the other is valid: it may be the newer one, without which records that
// were acknowledged would be missing, and no checkpoint could be made before it is readable again.
func Journal(region *pmem.Region, sb *layout.Superblock, f func(rec []byte) error) (head, end layout.Head, err error) {
	medium := region.Bytes()
	err = named(region, "journal head", func() error {
		for _, block := range []uint64{layout.JournalHeadA, layout.JournalHeadB} {
			region.Probe(layout.BlockOffset(block), layout.BlockSize)
		}
		var err error
		head, err = Head(medium)
		return err
	})
	if err != nil {
		return head, head, err
	}
	err = named(region, "journal ring", func() error {
		var err error
		end, err = Window(medium, sb, head, f)
		return err
	})
	return head, end, err
}

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

// sorted returns the lost blocks in ascending order.
func (r *replay) sorted() []uint64 { return slices.Sorted(maps.Keys(r.lost)) }

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
}

func newReplay(region *pmem.Region, lost []uint64) *replay {
	r := &replay{region: region, lines: map[uint64]uint64{}, seals: map[uint64]bool{}, lost: map[uint64]bool{}}
	for _, block := range lost {
		r.lost[block] = true
	}
	return r
}

// record stores the entries of a record in place. Memory that faults loses a block, and no more than that. A host that does not
// store is an error: the window still counts, and the next attempt may do better.
func (r *replay) record(rec []byte) error {
	for body := rec[layout.RecordHeader:]; len(body) > 0; {
		e, rest, ok := layout.NextEntry(body, r.region.Size())
		if !ok {
			return fmt.Errorf("journal %w: record %d has a malformed entry", layout.ErrDamaged, layout.DecodeRecordHead(rec).Seq)
		}
		body = rest
		if e.Kind == layout.EntryNote {
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

// finish seals what is due, lists what is lost behind the head that is about to be written, and makes all of it durable,
// with the ranges of what else has been stored.
func (r *replay) finish(h *layout.Head, also []pmem.Range) ([]uint64, error) {
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
