package journal

import (
	"fmt"

	"pmemfs/pmemfs/internal/layout"
)

// Inspect verifies a metadata block on the medium whatever is known of it, as a scrub does: its checksum, unless the block
// has changed since the last checkpoint, and what check looks at. The error is a *SealError, a *LostError, check's, or a memory fault.
// The caller holds the lock of the object, so that its bytes stay; check must not wait for a lock.
func (j *Journal) Inspect(block uint64, check func(b []byte) error) (err error) {
	defer j.region.Unguard(j.region.Guard(), &err)
	if j.Lost(block) {
		return &LostError{Block: block}
	}
	if sealed, err := j.inspect(block, check); sealed || err != nil {
		return err
	}
	// A record may be about to store to the block that has not said so yet, or a checkpoint to bring the checksum up to date. Without
	// checkpoints no mark goes away, records that are in flight now leave theirs, and later ones make theirs before they store.
	j.ckptMu.Lock()
	defer j.ckptMu.Unlock()
	j.quiet()
	if sealed, err := j.inspect(block, check); sealed || err != nil {
		return err
	}
	return &SealError{Block: block}
}

// inspect reports whether the block's checksum is right, or due, and then what check says.
func (j *Journal) inspect(block uint64, check func(b []byte) error) (sealed bool, err error) {
	b := j.region.Bytes()[layout.BlockOffset(block):layout.BlockOffset(block+1)]
	if !layout.SealedAs(b, j.region.LoadSum(layout.BlockOffset(block))) && !j.dirty.sealDue(block) {
		return false, nil
	}
	return true, check(b)
}

// InspectSelf verifies both heads and the records of the live window, and calls bad for what is damaged, which Renew puts
// right. read is in bytes. A memory fault is an error. Checkpoints wait meanwhile, commits do not.
func (j *Journal) InspectSelf(bad func(off int64, object, problem string)) (read int64, err error) {
	defer j.region.Unguard(j.region.Guard(), &err)
	j.ckptMu.Lock() // heads and tail stay
	defer j.ckptMu.Unlock()
	for _, block := range []uint64{layout.JournalHeadA, layout.JournalHeadB} {
		off := layout.BlockOffset(block)
		line := j.region.Bytes()[off : off+layout.HeadSize]
		read += layout.HeadSize
		if h, ok := layout.DecodeHead(line); !ok {
			bad(off, fmt.Sprintf("journal head in block %d", block), "checksum is wrong")
		} else if h.Lost && !j.listed(block, &h) {
			bad(off+layout.LostOffset, fmt.Sprintf("list of lost blocks in block %d", block), "it is damaged")
		} else if h.Version != j.version && h.Version+1 != j.version {
			bad(off, fmt.Sprintf("journal head in block %d", block), fmt.Sprintf("version is %d, expected %d or the one before", h.Version, j.version))
		}
	}
	j.mu.Lock()
	pos := j.tail
	j.mu.Unlock()
	// Nothing between the tail and what is durable changes while the tail stays.
	for end := j.durableEnd(); pos < end; {
		n, problem := j.inspectRecord(pos)
		if problem != "" {
			bad(j.ring+int64(pos%j.size), fmt.Sprintf("journal record at position %d", pos), problem)
			break // where the next one begins is not known
		}
		read += n
		pos += layout.LineUp(uint64(n))
	}
	return read, nil
}

// listed reports whether the list of lost blocks behind a head is whole.
func (j *Journal) listed(block uint64, h *layout.Head) bool {
	off := layout.BlockOffset(block)
	_, ok := layout.LostBlocks(j.region.Bytes()[off:off+layout.BlockSize], h.Version, uint64(j.region.Size())>>layout.BlockShift)
	return ok
}

// inspectRecord verifies the record at pos and returns its length.
func (j *Journal) inspectRecord(pos uint64) (n int64, problem string) {
	ring := j.region.Bytes()[j.ring : j.ring+int64(j.size)]
	at := pos % j.size
	h := layout.DecodeRecordHead(ring[at:])
	switch {
	case h.Epoch != j.epoch || h.Salt != j.salt:
		return 0, "epoch or salt is wrong"
	case h.Length < layout.RecordHeader || int(h.Length) > j.MaxRecord():
		return 0, fmt.Sprintf("length is %d", h.Length)
	}
	rec := ring[at:min(at+uint64(h.Length), j.size)]
	if rest := int(h.Length) - len(rec); rest > 0 {
		rec = append(append(make([]byte, 0, h.Length), rec...), ring[:rest]...)
	}
	if !layout.RecordSealed(rec) {
		return 0, "checksum is wrong"
	}
	return int64(h.Length), ""
}

// Renew empties the window and writes both heads anew, which ends damage in either: what they say is in DRAM, and what the
// records say is in place. Four fences.
func (j *Journal) Renew() error {
	for range 2 {
		if err := j.checkpoint(checkpointAlways); err != nil {
			return err
		}
	}
	return nil
}
