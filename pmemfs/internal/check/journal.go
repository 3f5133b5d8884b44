package check

import (
	"bytes"
	"fmt"

	"pmemfs/pmemfs/internal/layout"
)

// heads finds the journal head that counts. An invalid other one is no fault: a power cut may have torn it.
func (c *checker) heads() (layout.Head, bool) {
	offA, offB := layout.BlockOffset(layout.JournalHeadA), layout.BlockOffset(layout.JournalHeadB)
	a, okA := layout.DecodeHead(c.raw(layout.JournalHeadA))
	b, okB := layout.DecodeHead(c.raw(layout.JournalHeadB))
	switch {
	case !c.readable(layout.JournalHeadA) || !c.readable(layout.JournalHeadB):
		return a, false // that is a fault already; the head that cannot be read may be the newer one
	case !okA && !okB:
		c.fault(JournalHeads, offA, "journal heads", "at least one with a valid checksum", "none")
		return a, false
	case okA && okB && a.Version != b.Version+1 && b.Version != a.Version+1:
		c.fault(JournalHeadVersions, offA, "journal heads", "successive versions", fmt.Sprintf("%d and %d", a.Version, b.Version))
	}
	h, off, turn := a, offA, uint64(0)
	if !okA || okB && b.Version > a.Version {
		h, off, turn = b, offB, 1
	}
	if h.Version%2 != turn {
		c.fault(JournalHeadTurn, off, "journal head", fmt.Sprintf("a version whose turn it is, %d modulo 2", turn), fmt.Sprintf("version %d", h.Version))
	}
	if h.TailPos%layout.LineSize != 0 {
		c.fault(JournalTail, off, "journal head", "a tail at the start of a line", fmt.Sprintf("position %d", h.TailPos))
		return h, false
	}
	return h, true
}

// ring reads records.
type ring struct {
	bytes []byte
	off   int64       // in the image
	head  layout.Head // whose records count
	buf   []byte      // for records that wrap
}

// at returns where in the image a position is.
func (r *ring) at(pos uint64) int64 { return r.off + int64(pos%uint64(len(r.bytes))) }

// record returns the record at pos, which begins a line, if it is valid.
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

// window replays the records from the tail to the first invalid one into copies of the blocks that they change.
func (c *checker) window() {
	if c.head, c.headOK = c.heads(); !c.headOK {
		return
	}
	h := &c.head
	c.readLost(h)
	off := c.sb.RingOffset()
	r := ring{bytes: c.ring(), off: off, head: *h}
	size, pos, seq := uint64(len(r.bytes)), h.TailPos, h.TailSeq
	durable, budget := r.durable(pos, seq), c.sb.Blocks<<layout.BlockShift
	for pos-h.TailPos < size {
		rec, head, ok := r.record(pos)
		if !ok || head.Seq != seq {
			break
		}
		if layout.SeqBefore(durable, seq) {
			there, unread := c.bulk(rec, &budget)
			if !there || len(unread) > 0 {
				durable = r.vouched(durable, pos, h.TailPos+size)
				rec, head, _ = r.record(pos)
			}
			if loose := layout.SeqBefore(durable, seq); loose && !there {
				break // it arrived without its bulk data, and nobody was told of it
			} else if loose {
				c.loseBulk(unread)
			}
		}
		c.replay(rec, &head, r.at(pos))
		h.FreeBlocks += uint64(head.Free)
		h.UsedInodes += uint64(head.Inodes)
		c.report.ReplayedRecords++
		pos += layout.LineUp(uint64(head.Length))
		seq++
	}
	if pos-h.TailPos > size {
		c.journalFault(JournalWindow, r.at(pos), seq-1, "a window that fits the ring", "records that overwrite its beginning")
		return
	}
	c.windowEnd(&r, pos, seq, h.TailPos+size)
}

// windowEnd looks for a valid record behind the end of the window that says that the one missing there was durable.
func (c *checker) windowEnd(r *ring, pos, seq, end uint64) {
	// Genuine records do not overlap, so they are the ring's size together; lengths that lie must not cost more.
	budget := 16 * len(r.bytes)
	for p := pos + layout.LineSize; p < end && budget > 0; p += layout.LineSize {
		h := layout.DecodeRecordHead(r.bytes[p%uint64(len(r.bytes)):])
		if !h.Of(&r.head) || !layout.SeqBefore(seq, h.Seq) || layout.SeqBefore(h.Fenced, seq) {
			continue
		}
		budget -= int(min(h.Length, uint32(len(r.bytes))))
		if _, _, ok := r.record(p); ok {
			c.journalFault(JournalRecord, r.at(pos), seq, "a valid record: it was durable", fmt.Sprintf("an invalid one, with record %d behind it", h.Seq))
			return
		}
	}
}

// journalFault reports a fault of a record and gives up on the counters.
func (c *checker) journalFault(class Class, off int64, seq uint64, expected, found string) {
	c.headOK = false
	c.fault(class, off, fmt.Sprintf("journal record %d", seq), expected, found)
}

// replay applies the entries of a record, as far as they make sense.
func (c *checker) replay(rec []byte, h *layout.RecordHead, off int64) {
	if !layout.SeqBefore(h.Fenced, h.Seq) {
		c.journalFault(JournalFenced, off, h.Seq, "a fenced sequence below its own", fmt.Sprint(h.Fenced))
	}
	if layout.RecordReserved(rec) {
		c.journalFault(JournalReserved, off, h.Seq, "zeros in its reserved bytes", "something else")
	}
	n := uint32(0)
	for body := rec[layout.RecordHeader:]; len(body) > 0; n++ {
		e, rest, ok := layout.NextEntry(body, layout.BlockOffset(c.sb.Blocks))
		if !ok {
			c.journalFault(JournalEntry, off, h.Seq, "well-formed entries", fmt.Sprintf("entry %d of kind %d at offset %d with length %d", n, e.Kind, e.Off, e.Len))
			return
		}
		body = rest
		if e.Kind == layout.EntryAccount && c.fixed(layout.BlockOf(e.Off)) == "" {
			c.accounts.replay(&e)
			continue
		}
		if !e.Kind.Changes() && e.Kind != layout.EntryAccount {
			continue
		}
		if b := layout.BlockOf(e.Off); c.fixed(b) != "" && !c.isBitmap(b) && (e.Kind != layout.EntryData || !c.sb.Sums().Holds(b)) {
			c.journalFault(JournalTarget, off, h.Seq, "entries for bitmaps, checksums and blocks of inodes", fmt.Sprintf("entry %d for %s at offset %d", n, c.fixed(b), e.Off))
			continue
		}
		c.apply(&e)
	}
	if n != h.Entries {
		c.journalFault(JournalEntryCount, off, h.Seq, fmt.Sprintf("%d entries, as its header says", h.Entries), fmt.Sprint(n))
	}
}

// apply stores an entry in the copy of its block.
func (c *checker) apply(e *layout.Entry) {
	block := layout.BlockOf(e.Off)
	if e.Kind.Sealed4K() {
		c.unsealed.set(block)
	}
	at := e.Off % layout.BlockSize
	if e.Kind.HasPayload() && bytes.Equal(c.block(block)[at:at+int64(e.Len)], e.Data) {
		return // in place already: most are after the end of a process
	}
	if !c.changed.has(block) {
		c.copies[block] = bytes.Clone(c.block(block))
		c.changed.set(block)
	}
	b := c.copies[block]
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

// counters compares the journal's counters after the window with the bitmaps.
func (c *checker) counters() {
	if !c.headOK || c.report.Stopped != "" {
		return
	}
	off := layout.BlockOffset(layout.JournalHeadA + c.head.Version%2)
	if free := c.sb.Blocks - c.report.UsedBlocks; len(c.badGroups) == 0 && c.head.FreeBlocks != free && !c.head.Recount {
		c.fault(JournalFreeBlocks, off, "journal head", fmt.Sprintf("%d free blocks after the window, as in the bitmaps", free), fmt.Sprint(c.head.FreeBlocks))
	}
	if len(c.badInodeGroups) == 0 && c.head.UsedInodes != c.usedInodes {
		c.fault(JournalUsedInodes, off, "journal head", fmt.Sprintf("%d inodes in use after the window, as in the bitmaps", c.usedInodes), fmt.Sprint(c.head.UsedInodes))
	}
}
