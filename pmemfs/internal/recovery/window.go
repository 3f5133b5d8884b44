package recovery

import (
	"errors"
	"fmt"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/mutation"
	"pmemfs/pmemfs/internal/pmem"
	"pmemfs/pmemfs/internal/ring"
)

// Head returns the newer valid journal head.
func Head(medium []byte) (layout.Head, error) {
	a, okA := layout.DecodeHead(medium[layout.BlockOffset(layout.JournalHeadA):])
	b, okB := layout.DecodeHead(medium[layout.BlockOffset(layout.JournalHeadB):])
	switch {
	case !okA && !okB:
		return a, fmt.Errorf("both journal heads %w", layout.ErrDamaged)
	case okB && (!okA || b.Version >= a.Version):
		a = b
	}
	if a.TailPos%layout.LineSize != 0 {
		return a, fmt.Errorf("journal head %w: its tail, position %d, is not at the start of a line", layout.ErrDamaged, a.TailPos)
	}
	return a, nil
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
		end, _, err = Window(mediumOf(region), sb, head, f)
		return err
	})
	return head, end, err
}

// Window calls f with each valid record from the tail on and returns the head as it stands after them. It returns an
// error that wraps layout.ErrDamaged when a record that must have been durable is not valid. lost is bulk data that cannot be read, of
// records that count.
func Window(medium Medium, sb *layout.Superblock, h layout.Head, f func(rec []byte) error) (end layout.Head, lost []layout.Bulk, err error) {
	return window(medium, sb, h, func(rec []byte, _ uint64, _ bool) error {
		if f == nil {
			return nil
		}
		return f(rec)
	})
}

// window is Window with a function that is also told the position of a record, and whether it is loose: no other record says that it
// was durable.
func window(medium Medium, sb *layout.Superblock, h layout.Head, f func(rec []byte, pos uint64, loose bool) error) (layout.Head, []layout.Bulk, error) {
	r := ring.New(ringOf(medium.Bytes, sb), h)
	var host error // why the host does not give a block
	judge := ring.NewJudge(ringOf(medium.Bytes, sb), h, layout.BlockOffset(sb.Blocks), func(n uint64) []byte {
		b, err := medium.block(n)
		host = errors.Join(host, err)
		return b
	})
	pos, seq := h.TailPos, h.TailSeq
	for {
		rec, head, ok := r.Record(pos)
		ok = ok && head.Seq == seq && judge.Whole(rec, pos, seq)
		if host != nil {
			return h, nil, fmt.Errorf("bulk data of record %d: %w", seq, host)
		}
		if !ok {
			break
		}
		if err := f(rec, pos, !judge.Vouched(seq)); err != nil {
			return h, nil, err
		}
		h.FreeBlocks += uint64(head.Free)
		h.UsedInodes += uint64(head.Inodes)
		pos += layout.LineUp(uint64(head.Length))
		seq++
		if pos-h.TailPos >= r.Size() {
			break
		}
	}
	// A clean head was written when nothing more was to be appended in its epoch: there is no end to doubt.
	if (!h.Clean || seq != h.TailSeq) && !mutation.VetEnd.Off() {
		if err := vetEnd(r, pos, seq, h.TailPos+r.Size()); err != nil {
			return h, nil, err
		}
	}
	h.TailPos, h.TailSeq = pos, seq
	return h, judge.Lost(), nil
}

// vetEnd looks for a valid record behind the end of the window that says that everything up to seq was durable when it
// was appended: then the window did not end at seq, it is damaged there.
func vetEnd(r *ring.Reader, pos, seq, end uint64) error {
	vouches := func(h *layout.RecordHead) bool { return !layout.SeqBefore(h.Fenced, seq) }
	for _, h := range r.Behind(pos, seq, end, vouches) {
		return fmt.Errorf("journal %w at position %d: record %d was durable and is not valid, record %d behind it is",
			layout.ErrDamaged, pos, seq, h.Seq)
	}
	return nil
}

// ringOf returns the ring of a medium.
func ringOf(medium []byte, sb *layout.Superblock) []byte {
	return medium[sb.RingOffset() : sb.RingOffset()+sb.RingBytes()]
}

// vet decodes all entries of a record. None may be for a superblock, a head or the ring: replay would destroy what it reads.
func vet(rec []byte, sb *layout.Superblock) error {
	for body := rec[layout.RecordHeader:]; len(body) > 0; {
		e, rest, ok := layout.NextEntry(body, layout.BlockOffset(sb.Blocks))
		if !ok {
			return fmt.Errorf("journal %w: record %d has a malformed entry", layout.ErrDamaged, layout.DecodeRecordHead(rec).Seq)
		}
		if block := layout.BlockOf(e.Off); (e.Kind.Changes() || e.Kind == layout.EntryAccount) && sb.Untouchable(block) {
			return fmt.Errorf("journal %w: record %d has an entry for block %d, of the superblocks or the journal",
				layout.ErrDamaged, layout.DecodeRecordHead(rec).Seq, block)
		}
		body = rest
	}
	return nil
}
