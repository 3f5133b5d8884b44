package layout

// VerifierIno is the inode slot that keeps the generation of the write verifier. Like ScrubIno it is no file.
//
//	40 generation u64 | 48 unclean u64: 1 while writes may have been answered that are in memory alone
const VerifierIno = 5

// VerifierState is what the slot says.
type VerifierState struct {
	Gen     uint64
	Unclean bool
}

// verifierStride is what separates the generations of mounts that did not end cleanly.
const verifierStride = 1 << 32

// Next returns the generation that a mount begins with: the one of the mount before if that ended cleanly, else a new one,
// behind all that it can have had.
func (s VerifierState) Next() uint64 {
	if s.Unclean {
		return (s.Gen | (verifierStride - 1)) + 1
	}
	return s.Gen
}

// EncodeVerifier fills the slot; the caller seals it.
func EncodeVerifier(in Inode, s VerifierState) {
	InitInode(in, VerifierIno, 1)
	in.SetSize(s.Gen)
	unclean := uint64(0)
	if s.Unclean {
		unclean = 1
	}
	le.PutUint64(in[offBlocks:], unclean)
}

// DecodeVerifier reads the slot. One that was never used is zero. One that is damaged counts as unclean, with a generation
// that follows from the epoch, so that it is another one after each open.
func DecodeVerifier(in Inode, epoch uint64) VerifierState {
	switch {
	case !anySet(in):
		return VerifierState{}
	case !in.Free() || !in.Sealed(VerifierIno):
		return VerifierState{Gen: 1<<63 | epoch<<32, Unclean: true}
	}
	return VerifierState{in.Size(), in.Blocks() != 0}
}
