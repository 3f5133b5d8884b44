package layout

// ScrubIno is the inode slot that keeps how far a scrub has come. It is no file: to whoever does not know it, it is a free
// slot, with a mode of 0.
//
//	 40 next inode u64 (0: no pass is under way) | 48 next block of its data u64 | 56 passes completed u64
//	 64 the pass began i64 | 72 the last complete pass ended i64 (ns since 1970) | 96 bytes read so far u64
//	104 findings of the last complete pass u32 | 108 findings of this one u32
const ScrubIno = 4

// ScrubState is how far a scrub has come.
type ScrubState struct {
	Ino          uint64 // where to go on; 0 when no pass is under way
	Block        uint64 // of the inode's data
	Passes       uint64 // completed since the image was made
	Began, Ended int64  // of this pass, of the last complete one; ns since 1970
	Bytes        uint64 // read in this pass
	LastFindings uint32 // of the last complete pass
	Findings     uint32 // of this pass so far
}

// EncodeScrub fills the slot; the caller seals it.
func EncodeScrub(in Inode, s *ScrubState) {
	InitInode(in, ScrubIno, 1)
	in.SetSize(s.Ino)
	le.PutUint64(in[offBlocks:], s.Block)
	le.PutUint64(in[offChange:], s.Passes)
	in.SetAtime(s.Began)
	in.SetMtime(s.Ended)
	in.SetParent(s.Bytes)
	in.SetRdev(s.LastFindings, s.Findings)
}

// DecodeScrub reads the slot. A slot that was never used, or that is damaged, is a state of zeros: a scrub begins anew.
func DecodeScrub(in Inode) (s ScrubState) {
	if !in.Free() || !in.Sealed(ScrubIno) {
		return s
	}
	s = ScrubState{
		Ino: in.Size(), Block: in.Blocks(), Passes: in.Change(), Began: in.Atime(), Ended: in.Mtime(), Bytes: in.Parent(),
	}
	s.LastFindings, s.Findings = in.Rdev()
	return s
}
