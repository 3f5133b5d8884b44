package recovery

import (
	"slices"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/mutation"
	"pmemfs/pmemfs/internal/pmem"
	"pmemfs/pmemfs/internal/ring"
)

// notesMax is how many request notes are kept, the newest ones.
const notesMax = 8192

// carryShare is the part of the ring, one in so many, that carried notes may take. What lies in the part behind the end of
// the window is not read for notes: it will be overwritten before the head is that says so, and an open that is cut short
// there must not find fewer notes the next time.
const carryShare = 8

// readNotes returns what the records that lie in the ring say of who asked for them, oldest first, each key once: those of
// the window, whose end is at end, and those before it that nothing has overwritten. A record from behind the end has not
// happened. Memory that faults is an error, with the notes before it.
func readNotes(region *pmem.Region, sb *layout.Superblock, old, end *layout.Head) (notes []layout.RequestNote, err error) {
	medium := region.Bytes()
	r := ring.New(ringOf(medium, sb), *old)
	err = named(region, "request notes in the journal ring", func() error {
		noted(r, end, func(n layout.RequestNote) {
			if len(notes) == 2*notesMax {
				notes = notes[:copy(notes, notes[notesMax:])]
			}
			notes = append(notes, n)
		})
		return nil
	})
	return newest(notes), err
}

// noted calls f with the notes of the valid records before end.
func noted(r *ring.Reader, end *layout.Head, f func(n layout.RequestNote)) {
	size := r.Size()
	reach, last, all := size-size/carryShare, end.TailPos, mutation.NotesBeforeEnd.Off()
	if mutation.NotesApart.Off() {
		reach = size
	}
	if all {
		last += size / carryShare
	}
	budget := r.Budget()
	for p := end.TailPos - min(end.TailPos, reach); p < last && budget > 0; {
		h, ours := r.Head(p)
		if !ours || !layout.SeqBefore(h.Seq, end.TailSeq) && !all {
			p += layout.LineSize
			continue
		}
		budget -= int(min(h.Length, uint32(size)))
		rec, _, ok := r.Record(p)
		if !ok {
			p += layout.LineSize
			continue
		}
		eachNote(rec, f)
		p += layout.LineUp(uint64(h.Length))
	}
}

// eachNote calls f with the notes of a valid record. Entries that cannot be decoded end it.
func eachNote(rec []byte, f func(n layout.RequestNote)) {
	for body := rec[layout.RecordHeader:]; len(body) > 0; {
		e, rest, ok := layout.NextEntry(body, 1<<62)
		if !ok {
			return
		}
		if e.Kind == layout.EntryRequestNote {
			f(layout.DecodeRequestNote(e.Data))
		}
		body = rest
	}
}

// newest returns the last notesMax notes, each key once, in order.
func newest(notes []layout.RequestNote) []layout.RequestNote {
	notes = notes[max(len(notes)-notesMax, 0):]
	seen := make(map[[16]byte]bool, len(notes))
	var kept []layout.RequestNote
	for _, n := range slices.Backward(notes) {
		if !seen[n.Key] {
			seen[n.Key] = true
			kept = append(kept, n)
		}
	}
	slices.Reverse(kept)
	return kept
}

// carry stores the newest notes once more, in a record of the epoch that h begins, so that the next open finds them too,
// and moves h behind it. The caller persists what it returns before h is written: a head whose ring has lost the notes
// of the epoch before would be the end of them. h has room for them (see fits).
func carry(region *pmem.Region, sb *layout.Superblock, h *layout.Head, notes []layout.RequestNote) ([]pmem.Range, error) {
	size := sb.RingBytes()
	most := (int(size)/carryShare - layout.RecordHeader) / (layout.EntryHeader + layout.RequestNoteSize)
	notes = notes[max(len(notes)-most, 0):]
	if len(notes) == 0 || mutation.NotesCarried.Off() {
		return nil, nil
	}
	rec := make([]byte, layout.RecordHeader)
	for i := range notes {
		rec = layout.AppendRequestNote(rec, &notes[i])
	}
	head := layout.RecordHead{Length: uint32(len(rec)), Seq: h.TailSeq, Epoch: h.Epoch, Salt: h.Salt, Entries: uint32(len(notes))}
	layout.EncodeRecordHead(rec, &head, layout.CRC(rec[layout.RecordHeader:]))
	at := int64(h.TailPos % uint64(size))
	first := min(int64(len(rec)), size-at)
	err := guarded(region, func() {
		region.Write(sb.RingOffset()+at, rec[:first])
		region.Write(sb.RingOffset(), rec[first:])
	})
	if err != nil {
		return nil, err
	}
	h.TailSeq++
	h.TailPos += layout.LineUp(uint64(len(rec)))
	ranges := []pmem.Range{{Off: sb.RingOffset() + at, Len: first}}
	if rest := int64(len(rec)) - first; rest > 0 {
		ranges = append(ranges, pmem.Range{Off: sb.RingOffset(), Len: rest})
	}
	if mutation.NotesFenced.Off() {
		return nil, nil
	}
	return ranges, nil
}

// fits reports whether what carry may store leaves the window alone that begins at tail and ends at end.
func fits(sb *layout.Superblock, tail, end uint64) bool {
	size := uint64(sb.RingBytes())
	return end-tail <= size-size/carryShare || mutation.NotesRoom.Off()
}
