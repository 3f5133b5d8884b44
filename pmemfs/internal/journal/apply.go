package journal

import (
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/pmem"
)

// lineMask returns the lines of a block that the byte range [off, off+n) within it touches.
func lineMask(off, n int64) uint64 {
	first, last := off/layout.LineSize, (off+n-1)/layout.LineSize
	return ^uint64(0) >> (63 - (last - first)) << first
}

// Apply stores an entry in place. It is the one routine that does, for commits and for recovery. It returns the lines
// of the entry's block that it stored to. Bits of a bitmap may be set and cleared by others at the same time; of all
// other bytes the caller holds whatever guards them.
func Apply(region *pmem.Region, e *layout.Entry) uint64 {
	switch {
	case e.Kind.HasPayload():
		region.Write(e.Off, e.Data)
	case e.Kind == layout.EntryBitSet, e.Kind == layout.EntryBitClear:
		return applyBits(region, e)
	default:
		region.Zero(e.Off, int64(e.Len))
	}
	return lineMask(e.Off%layout.BlockSize, int64(e.Len))
}

func applyBits(region *pmem.Region, e *layout.Entry) (lines uint64) {
	start, n := int(e.Arg), int(e.Len)
	for w := start / 64; w*64 < start+n; w++ {
		off, mask := layout.BitmapOffset(w), layout.WordMask(w, start, n)
		if e.Kind == layout.EntryBitSet {
			region.SetBits(e.Off+off, mask)
		} else {
			region.ClearBits(e.Off+off, mask)
		}
		lines |= lineMask(off, 8)
	}
	return lines
}

// apply stores the entries of a durable record in place and notes the lines as dirty. A block whose memory faults is
// lost, and the others are stored all the same: the record is durable, so the operation has happened. Where the host is the
// reason the journal fails: the window, which keeps the record, cannot be emptied before the next open.
func (tx *Tx) apply() (err error) {
	tx.touched = tx.touched[:0]
	for next := 0; next < len(tx.entries); {
		var failed error
		if next, failed = tx.applySome(next); failed != nil {
			err = tx.j.fail(failed)
		}
	}
	tx.j.dirty.mark(tx.touched)
	return err
}

// applySome stores entries from number i on until the end or until memory has faulted, and returns the first that is left to be stored.
func (tx *Tx) applySome(i int) (next int, err error) {
	j := tx.j
	defer func() {
		cause := recover()
		if cause == nil {
			return
		}
		lose := j.lose
		if fault := j.region.Fault(cause); fault.Host != nil {
			lose, err = j.withhold, fault
		}
		block := layout.BlockOf(tx.entries[next].off)
		lose(block)
		for next++; next < len(tx.entries) && layout.BlockOf(tx.entries[next].off) == block; next++ {
		}
	}()
	for next = i; next < len(tx.entries); {
		next = tx.applyBlock(next)
	}
	return next, nil
}

// applyBlock stores entry i and those behind it that concern the same block, and returns the next one.
func (tx *Tx) applyBlock(i int) int {
	j := tx.j
	e := &tx.entries[i]
	block := layout.BlockOf(e.off)
	t := touched{leaf: j.dirty.leaf(block), at: uint8(block % leafBlocks)}
	for {
		if !t.seal && e.kind.Sealed4K() {
			// Before the store too: whoever inspects the block meanwhile must not take its checksum for wrong.
			t.seal = true
			t.sealMark()
		}
		t.lines |= tx.applyEntry(e)
		if i++; i == len(tx.entries) {
			break
		}
		if e = &tx.entries[i]; layout.BlockOf(e.off) != block {
			break
		}
	}
	tx.touched = append(tx.touched, t)
	if t.seal {
		j.setVerified(block)
	}
	return i
}

// applyEntry is Apply for an entry of the transaction.
func (tx *Tx) applyEntry(e *entry) uint64 {
	if !e.kind.HasPayload() {
		return Apply(tx.j.region, &layout.Entry{Off: e.off, Len: e.n, Kind: e.kind, Arg: e.arg})
	}
	if e.at < 0 {
		tx.applyCut(e.off, &tx.cuts[-e.at-1])
	} else {
		tx.j.region.Write(e.off, tx.rec[e.at:e.at+int(e.n)])
	}
	return lineMask(e.off%layout.BlockSize, int64(e.n))
}

// applyCut stores a payload in place from where the record has it.
func (tx *Tx) applyCut(off int64, c *cut) {
	words := len(c.words())
	for _, part := range tx.j.ringParts(c.pos, words) {
		tx.j.region.Write(off, part)
		off += int64(len(part))
	}
	tx.j.region.Write(off, tx.rec[c.at:c.at+len(c.data)-words])
}

// setVerified notes that Verify need not look at a block again, unless it is lost: in whichever order this and lose come,
// the bit ends clear.
func (j *Journal) setVerified(block uint64) {
	w := &j.verified[block/64]
	if w.Load()>>(block%64)&1 == 1 {
		return
	}
	if w.Or(1 << (block % 64)); j.Lost(block) {
		w.And(^(uint64(1) << (block % 64)))
	}
}

// Verify checks the deferred checksum of a metadata block, and whatever else check looks at, at the first use of the
// block since it was opened; later calls cost one load. Blocks in the live window were verified before they were
// changed. The error of check is returned as it is; a wrong checksum returns a *SealError.
func (j *Journal) Verify(block uint64, check func(b []byte) error) error {
	if j.Verified(block) {
		return nil
	}
	if j.Lost(block) {
		return &LostError{Block: block}
	}
	b := j.region.Bytes()[layout.BlockOffset(block):layout.BlockOffset(block+1)]
	if !layout.Sealed(b) {
		return &SealError{Block: block}
	}
	if err := check(b); err != nil {
		return err
	}
	j.setVerified(block)
	return nil
}

// Verified reports whether Verify would find nothing to do.
func (j *Journal) Verified(block uint64) bool {
	return j.verified[block/64].Load()>>(block%64)&1 == 1
}
