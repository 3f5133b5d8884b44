package writeback

import (
	"pmemfs/pmemfs/internal/alloc"
	"pmemfs/pmemfs/internal/layout"
)

// Verifier returns the write verifier of RFC 1813 section 3.3.7. It changes exactly when bytes that were answered unstable may have been
// lost: with an open after a mount that had answered some and did not end with Close, and when some could not be flushed.
func (b *Buffers) Verifier() uint64 {
	return layout.Word(b.v.Super().UUID[:8]) ^ (b.gen.Load()+1)*0x9e3779b97f4a7c15
}

// Lost says that bytes that were answered unstable may have been lost: the verifier changes.
func (b *Buffers) Lost() { b.gen.Add(1) }

// OpenVerifier takes the verifier's generation from the image. Nothing is written: until something is answered unstable,
// the next open may well come to the same one.
func (b *Buffers) OpenVerifier() error {
	in, err := b.v.Slot(layout.VerifierIno)
	if err != nil {
		return err
	}
	b.gen.Store(layout.DecodeVerifier(in, b.v.Journal.Epoch()).Next())
	return nil
}

// MarkUnclean makes the image say that what was answered unstable may be lost. The caller holds no lock. One fence, once in a mount;
// durable on return.
func (b *Buffers) MarkUnclean() error {
	if b.unclean.Load() {
		return nil
	}
	b.markMu.Lock()
	defer b.markMu.Unlock()
	if b.unclean.Load() {
		return nil // another call has done it meanwhile
	}
	g, err := b.v.Enter(layout.VerifierIno)
	if err != nil {
		return err
	}
	defer g.RUnlock() // not before unclean says so: Close, which waits for the gate, would leave the mark on the image
	err = b.v.ChangeEntered(layout.VerifierIno, func(op *alloc.Op) error { return b.saveVerifier(op, true) })
	if err == nil {
		b.unclean.Store(true)
	}
	return err
}

// MarkClean makes the image say that nothing is lost, if it says something else. Everything has been flushed, and the caller holds all
// gates. One fence; durable on return.
func (b *Buffers) MarkClean() error {
	if !b.unclean.Load() {
		return nil
	}
	return b.v.ChangeEntered(layout.VerifierIno, func(op *alloc.Op) error { return b.saveVerifier(op, false) })
}

// saveVerifier logs the slot of the verifier, whose stripe is held exclusively.
func (b *Buffers) saveVerifier(op *alloc.Op, unclean bool) error {
	off, err := b.v.Inodes.Offset(layout.VerifierIno)
	if err != nil {
		return err
	}
	layout.EncodeVerifier(op.Tx.Inode(off), layout.VerifierState{Gen: b.gen.Load(), Unclean: unclean})
	return nil
}
