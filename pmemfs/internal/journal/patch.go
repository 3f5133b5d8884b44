package journal

import "pmemfs/pmemfs/internal/layout"

// patch is a change of a few bytes of a node that has no shadow. Most operations change a node once, in a handful of
// lines; a shadow would read all 64, and compare them again.
type patch struct {
	off    int64 // of the node
	within int
	b      []byte // in the transaction's arena
}

// Patchable reports whether the node at block is as on the medium in this transaction, so that Patch may be used.
func (tx *Tx) Patchable(block uint64) bool {
	off := layout.BlockOffset(block)
	for _, s := range tx.shadows {
		if s.off == off {
			return false
		}
	}
	return !tx.patched(off)
}

// Patch stores b, which it copies, at byte within of the node at block. All patches of a node are made in one go, right
// after Patchable; whoever looks at the node later in the transaction sees a shadow with the patches in it.
func (tx *Tx) Patch(block uint64, within int, b []byte) {
	if len(b) == 0 {
		return // the format has no empty entry
	}
	from := len(tx.arena)
	tx.arena = append(tx.arena, b...)
	tx.patches = append(tx.patches, patch{layout.BlockOffset(block), within, tx.arena[from:len(tx.arena):len(tx.arena)]})
}

// PatchEdits is Patch for all runs of tx.Edits.
func (tx *Tx) PatchEdits(block uint64) {
	for i := range tx.Edits.N {
		tx.Patch(block, tx.Edits.Within[i], tx.Edits.Run(i))
	}
}

func (tx *Tx) patched(off int64) bool {
	for i := range tx.patches {
		if tx.patches[i].off == off {
			return true
		}
	}
	return false
}

// unpatch turns the patches of a node into a shadow.
func (tx *Tx) unpatch(off int64) *shadow {
	s := tx.shadowBlock(off)
	keep := tx.patches[:0]
	for _, p := range tx.patches {
		if p.off == off {
			copy(s.buf[p.within:], p.b)
		} else {
			keep = append(keep, p)
		}
	}
	tx.patches = keep
	return s
}

// shadowBlock makes a shadow of the node at byte offset off as it is on the medium.
func (tx *Tx) shadowBlock(off int64) *shadow {
	s := tx.add(off, layout.BlockSize, layout.EntryNode, false)
	// The first four bytes are the checksum, which a checkpoint may be storing right now.
	clear(s.buf[:4])
	copy(s.buf[4:], tx.j.region.Bytes()[off+4:off+layout.BlockSize])
	return s
}
