package repair

import (
	"fmt"

	"pmemfs/pmemfs/internal/layout"
)

// heads finds the journal head that counts. next is the version in front of the one to be written next, whose block is then
// the other one and which counts from then on.
func (f *fixer) heads() (h layout.Head, next uint64, ok bool) {
	a, okA := layout.DecodeHead(f.block(layout.JournalHeadA))
	b, okB := layout.DecodeHead(f.block(layout.JournalHeadB))
	turn := uint64(0)
	if !okA || okB && b.Version > a.Version {
		a, okA, turn = b, okB, 1
	}
	if okA {
		next = a.Version + (a.Version+turn)%2 // one more for a head that lies in the other's block
	}
	if f.bad[layout.JournalHeadA] || f.bad[layout.JournalHeadB] {
		return a, next, false // the one that cannot be read may be the newer one; what the other says may be overwritten
	}
	return a, next, okA && a.TailPos%layout.LineSize == 0
}

// ring reads records of an epoch.
type ring struct {
	bytes []byte
	head  layout.Head
	buf   []byte
}

func (f *fixer) ring() []byte {
	ring := make([]byte, 0, f.sb.RingBytes())
	for i := range f.sb.RingBlocks {
		ring = append(ring, f.block(layout.JournalRing+i)...)
	}
	return ring
}

// record returns the record at pos if it is valid.
func (r *ring) record(pos uint64) ([]byte, layout.RecordHead, bool) {
	at := pos % uint64(len(r.bytes))
	h := layout.DecodeRecordHead(r.bytes[at:])
	if !h.Of(&r.head) || h.Length < layout.RecordHeader || uint64(h.Length) > uint64(len(r.bytes))/4 {
		return nil, h, false
	}
	rec := r.bytes[at:min(at+uint64(h.Length), uint64(len(r.bytes)))]
	if n := int(h.Length) - len(rec); n > 0 {
		r.buf = append(append(r.buf[:0], rec...), r.bytes[:n]...)
		rec = r.buf
	}
	return rec, h, layout.RecordSealed(rec)
}

// window replays the journal into the plan. A record that was durable and is damaged is left out, and what follows it is
// replayed all the same: it is as true as it was, and the rest of the repair sees to what does not fit together.
func (f *fixer) window() {
	old, next, ok := f.heads()
	h := &f.plan.Head
	*h = layout.Head{Clean: true, Version: next, Epoch: old.Epoch + 1, TailSeq: old.TailSeq, TailPos: old.TailPos, Salt: f.salt}
	if !ok {
		f.stale = true
		*h = layout.Head{Clean: true, Version: next, TailSeq: 1, Salt: f.salt} // slots() finds the epoch
		f.lose("journal", "both heads, or the newer one: what was done since the last checkpoint may be missing or half there")
		return
	}
	f.readLost(&old)
	r := ring{bytes: f.ring(), head: old}
	seals := map[uint64]bool{}
	pos, seq, end := old.TailPos, old.TailSeq, old.TailPos+uint64(len(r.bytes))
	for pos < end {
		rec, head, ok := r.record(pos)
		if !ok || head.Seq != seq {
			next, found := r.behind(pos, seq, end)
			if !found {
				break
			}
			f.stale = true
			f.lose(fmt.Sprintf("journal record %d", seq), "and what follows up to record %d: acknowledged operations may be missing or half there", next.seq-1)
			pos, seq = next.pos, next.seq
			continue
		}
		size := (uint64(head.Length) + layout.LineSize - 1) &^ (layout.LineSize - 1)
		if pos+size > end {
			f.stale = true
			f.lose(fmt.Sprintf("journal record %d", seq), "and what follows: it overwrites the window's beginning")
			break
		}
		f.replay(rec, head.Seq, seals)
		pos, seq = pos+size, seq+1
	}
	for b := range seals {
		layout.Seal(f.edit(b))
	}
	for b := range f.refused {
		delete(f.changed, b) // what the window says of a part of it does not make the rest true
	}
	h.TailPos, h.TailSeq = pos, seq
}

// readLost reads the list of blocks whose memory refused a store. What they hold is not the truth, so it counts as
// unreadable.
func (f *fixer) readLost(h *layout.Head) {
	if !h.Lost {
		return
	}
	list, ok := layout.LostBlocks(f.block(layout.JournalHeadA+h.Version%2), h.Version, f.sb.Blocks)
	if !ok {
		f.lose("journal", "the list of blocks whose memory refused a store: what they hold may be older than the truth")
	}
	for _, b := range list {
		f.refused[b] = true
		f.bad[b] = true
		f.probed.set(b)
	}
}

// place is where a record is.
type place struct{ pos, seq uint64 }

// behind returns the first valid record behind a missing one, if one of those vouches for it: then it was durable.
func (r *ring) behind(pos, seq, end uint64) (first place, vouched bool) {
	found := false
	budget := 16 * len(r.bytes) // as in recovery: genuine records do not overlap
	for p := pos + layout.LineSize; p < end && budget > 0; p += layout.LineSize {
		h := layout.DecodeRecordHead(r.bytes[p%uint64(len(r.bytes)):])
		if !h.Of(&r.head) || !layout.SeqBefore(seq, h.Seq) {
			continue
		}
		budget -= int(min(h.Length, uint32(len(r.bytes))))
		if _, _, ok := r.record(p); !ok {
			continue
		}
		if !found {
			first, found = place{p, h.Seq}, true
		}
		if !layout.SeqBefore(h.Fenced, seq) && layout.SeqBefore(h.Fenced, h.Seq) {
			return first, true
		}
	}
	return place{}, false
}

// replay applies the entries of a record up to the first that is malformed.
func (f *fixer) replay(rec []byte, seq uint64, seals map[uint64]bool) {
	for body := rec[layout.RecordHeader:]; len(body) > 0; {
		e, rest, ok := layout.NextEntry(body, layout.BlockOffset(f.sb.Blocks))
		if !ok {
			f.stale = true
			f.lose(fmt.Sprintf("journal record %d", seq), "the part of it from a malformed entry on")
			return
		}
		body = rest
		if e.Kind == layout.EntryNote {
			continue
		}
		block := layout.BlockOf(e.Off)
		if f.sb.Untouchable(block) {
			f.stale = true
			f.lose(fmt.Sprintf("journal record %d", seq), "an entry for block %d, which belongs to the superblocks or the journal", block)
			continue
		}
		if e.Kind.Sealed4K() {
			seals[block] = true
		}
		f.apply(&e)
	}
}

func (f *fixer) apply(e *layout.Entry) {
	b := f.edit(layout.BlockOf(e.Off))
	at := e.Off % layout.BlockSize
	switch {
	case e.Kind.HasPayload():
		copy(b[at:], e.Data)
	case e.Kind == layout.EntryBitSet:
		layout.BitmapSet(b, int(e.Arg), int(e.Len))
	case e.Kind == layout.EntryBitClear:
		layout.BitmapClear(b, int(e.Arg), int(e.Len))
	default:
		clear(b[at : at+int64(e.Len)])
	}
}
