package repair

import (
	"fmt"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/ring"
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

// ring returns a copy of the journal ring.
func (f *fixer) ring() []byte {
	all := make([]byte, 0, f.sb.RingBytes())
	for i := range f.sb.RingBlocks {
		all = append(all, f.block(layout.JournalRing+i)...)
	}
	return all
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
	if old.Recount {
		f.wipeBackups()
	}
	f.readLost(&old)
	bytes := f.ring()
	r := ring.New(bytes, old)
	judge := ring.NewJudge(bytes, old, layout.BlockOffset(f.sb.Blocks), f.stored)
	seals, loose := map[uint64]bool{}, ring.NewLoose(f.sb)
	pos, seq, end := old.TailPos, old.TailSeq, old.TailPos+r.Size()
	for pos < end {
		rec, head, ok := r.Record(pos)
		if !ok || head.Seq != seq {
			next, found := behind(r, pos, seq, end)
			if !found {
				break
			}
			f.stale = true
			f.lose(fmt.Sprintf("journal record %d", seq), "and what follows up to record %d: acknowledged operations may be missing or half there", next.seq-1)
			pos, seq = next.pos, next.seq
			continue
		}
		if !judge.Whole(rec, pos, seq) {
			break // it was not durable
		}
		size := layout.LineUp(uint64(head.Length))
		if pos+size > end {
			f.stale = true
			f.lose(fmt.Sprintf("journal record %d", seq), "and what follows: it overwrites the window's beginning")
			break
		}
		if !judge.Vouched(seq) {
			loose.Add(rec, pos)
		}
		f.replay(rec, head.Seq, seals)
		pos, seq = pos+size, seq+1
	}
	for _, x := range judge.Lost() {
		for b := range x.Blocks() {
			f.refuse(b)
		}
	}
	for b := range seals {
		layout.Seal(f.edit(b))
	}
	f.replayAccounts(old.Version, next+1)
	for b := range f.refused {
		delete(f.changed, b) // what the window says of a part of it does not make the rest true
	}
	h.TailPos, h.TailSeq, f.loose = pos, seq, append(loose.Ranges(judge.Lost()), ring.HeadLine(next))
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
		f.refuse(b)
	}
}

// refuse notes that what a block holds is not the truth, or that nobody knows whether it is.
func (f *fixer) refuse(b uint64) {
	f.refused[b] = true
	f.bad[b] = true
	f.probed.set(b)
}

// position is where a record is.
type position struct{ pos, seq uint64 }

// behind returns the first valid record behind a missing one, if one of those vouches for it: then it was durable.
func behind(r *ring.Reader, pos, seq, end uint64) (first position, vouched bool) {
	found := false
	for p, h := range r.Behind(pos, seq, end, func(*layout.RecordHead) bool { return true }) {
		if !found {
			first, found = position{p, h.Seq}, true
		}
		if !layout.SeqBefore(h.Fenced, seq) && layout.SeqBefore(h.Fenced, h.Seq) {
			return first, true
		}
	}
	return position{}, false
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
		if !e.Kind.Changes() && e.Kind != layout.EntryAccount {
			continue
		}
		block := layout.BlockOf(e.Off)
		if f.sb.Untouchable(block) {
			f.stale = true
			f.lose(fmt.Sprintf("journal record %d", seq), "an entry for block %d, which belongs to the superblocks or the journal", block)
			continue
		}
		if e.Kind == layout.EntryAccount {
			f.quota.change(&e)
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
