package layout

import (
	"errors"
	"fmt"

	"pmemfs/pmemfs/internal/mutation"
)

// Superblock constants, part of the medium.
const (
	Magic          = "PMEMFS\x00\n" // first 8 bytes of an image
	FormatVersion  = 1              // separate from the program's version
	superUsed      = 176            // bytes of the superblock in use; the rest is zero
	LabelMax       = 32             // bytes of volume label
	SuperBlock     = 0              // block number of the first superblock
	JournalHeadA   = 2              // block number of journal head A; B is the next
	JournalHeadB   = 3
	JournalRing    = 4 // first block of the journal ring
	MinRingBlocks  = 128
	MaxRingBlocks  = (64 << 20) / BlockSize
	BootInodeCount = 16 // inode numbers below this are the filesystem's own
)

// Feature bits. An unknown incompatible bit refuses the image, an unknown ro-compatible bit allows read-only use,
// an unknown compatible bit is ignored. Reserved bits are named in SPEC.md.
const (
	KnownCompat   = uint64(0)
	KnownROCompat = ROCompatSums | ROCompatQuota
	KnownIncompat = IncompatSnapshots | IncompatEntries
)

// ROCompatQuota says that there may be accounts of quotas, which whoever changes files keeps.
const ROCompatQuota = uint64(1) << 0

// IncompatEntries says that the journal may hold entries of kinds above 12.
const IncompatEntries = uint64(1) << 4

// ROCompatSums says that data blocks have checksums, which whoever changes them keeps.
const ROCompatSums = uint64(1) << 1

// Errors from DecodeSuperblock.
var (
	// ErrNotImage is returned when the magic is absent.
	ErrNotImage = errors.New("not a pmemfs image")
	// ErrDamaged is returned when a checksum or a bound is wrong.
	ErrDamaged = errors.New("damaged")
	// ErrVersion is returned for a format or a feature that this program does not know.
	ErrVersion = errors.New("unsupported format")
)

// Superblock is the decoded superblock.
type Superblock struct {
	UUID       [16]byte
	Compat     uint64
	ROCompat   uint64
	Incompat   uint64
	Blocks     uint64 // size of the filesystem
	RingBlocks uint64 // size of the journal ring, which starts at JournalRing
	Backup     uint64 // block of the other superblock copy
	InodeBoot  uint64 // block that holds inode numbers 0 to 15
	OwnerEpoch uint64 // reserved for failover: who may write
	HandleKey  [16]byte
	HashKey    [16]byte // key of the directory hash
	Created    int64    // ns since 1970
	Label      string   // at most LabelMax bytes
	BirthEpoch uint64   // current snapshot epoch, given to new inodes and extents
}

// EncodeSuperblock fills a 4 KiB block.
//
//	 0 crc u32 of 4.. | 4 version u32 | 8 magic 8B | 16 uuid 16B | 32 compat | 40 ro-compat | 48 incompat
//	56 blocks | 64 ring blocks | 72 backup | 80 inode boot | 88 owner epoch | 96 handle key 16B | 112 hash key 16B
//	128 created | 136 birth epoch | 144 label 32B | 176 zero
func EncodeSuperblock(b []byte, s *Superblock) {
	clear(b[:BlockSize])
	le.PutUint32(b[4:], FormatVersion)
	copy(b[8:16], Magic)
	copy(b[16:32], s.UUID[:])
	for i, v := range []uint64{s.Compat, s.ROCompat, s.Incompat, s.Blocks, s.RingBlocks, s.Backup, s.InodeBoot, s.OwnerEpoch} {
		le.PutUint64(b[32+8*i:], v)
	}
	copy(b[96:112], s.HandleKey[:])
	copy(b[112:128], s.HashKey[:])
	le.PutUint64(b[128:], uint64(s.Created))
	le.PutUint64(b[136:], s.BirthEpoch)
	copy(b[144:144+LabelMax], s.Label)
	seal(b[:BlockSize])
}

// HasMagic reports whether b, at least 16 bytes, begins like a superblock.
func HasMagic(b []byte) bool { return len(b) >= 16 && string(b[8:16]) == Magic }

// DecodeSuperblock reads and bounds-checks a superblock. Errors wrap ErrNotImage, ErrDamaged or ErrVersion.
func DecodeSuperblock(b []byte) (*Superblock, error) {
	if len(b) < BlockSize || !HasMagic(b) {
		return nil, fmt.Errorf("%w: no superblock magic", ErrNotImage)
	}
	if !sealed(b[:BlockSize]) && !mutation.SuperSeal.Off() {
		return nil, fmt.Errorf("superblock %w: checksum is wrong", ErrDamaged)
	}
	if v := le.Uint32(b[4:]); v != FormatVersion {
		return nil, fmt.Errorf("%w: format version %d, this program knows %d", ErrVersion, v, FormatVersion)
	}
	s := &Superblock{
		Compat: le.Uint64(b[32:]), ROCompat: le.Uint64(b[40:]), Incompat: le.Uint64(b[48:]),
		Blocks: le.Uint64(b[56:]), RingBlocks: le.Uint64(b[64:]), Backup: le.Uint64(b[72:]),
		InodeBoot: le.Uint64(b[80:]), OwnerEpoch: le.Uint64(b[88:]),
		Created: int64(le.Uint64(b[128:])), BirthEpoch: le.Uint64(b[136:]),
	}
	copy(s.UUID[:], b[16:32])
	copy(s.HandleKey[:], b[96:112])
	copy(s.HashKey[:], b[112:128])
	label := b[144 : 144+LabelMax]
	for len(label) > 0 && label[len(label)-1] == 0 {
		label = label[:len(label)-1]
	}
	s.Label = string(label)
	if bad := s.Incompat &^ KnownIncompat; bad != 0 {
		return nil, fmt.Errorf("%w: unknown incompatible features %#x", ErrVersion, bad)
	}
	return s, s.bounds()
}

func (s *Superblock) bounds() error {
	switch {
	case s.Blocks < MinBlocks || s.Blocks > MaxBlocks:
		return fmt.Errorf("superblock %w: %d blocks", ErrDamaged, s.Blocks)
	case s.RingBlocks < MinRingBlocks || s.RingBlocks > MaxRingBlocks || JournalRing+s.RingBlocks > s.Blocks:
		return fmt.Errorf("superblock %w: journal of %d blocks", ErrDamaged, s.RingBlocks)
	case s.Backup == 0 || s.Backup >= s.Blocks || s.InodeBoot == 0 || s.InodeBoot >= s.Blocks:
		return fmt.Errorf("superblock %w: backup %d, inode file %d", ErrDamaged, s.Backup, s.InodeBoot)
	}
	if sums, tail := s.Sums(), s.Blocks%GroupBlocks; sums.On() && (JournalRing+s.RingBlocks+SumBlocks >= s.InodeBoot || tail > 0 && tail < sums.TailMin()) {
		return fmt.Errorf("superblock %w: no room for checksums: %d blocks, inode file at %d", ErrDamaged, s.Blocks, s.InodeBoot)
	}
	return nil
}

// Amended reports whether the superblock has a feature that an image gets later than from mkfs.
func (s *Superblock) Amended() bool { return s.ROCompat&ROCompatQuota != 0 || s.Incompat != 0 }

// Untouchable reports whether a block is one that no journal entry may change: a superblock, a head, the ring.
func (s *Superblock) Untouchable(block uint64) bool {
	return block == SuperBlock || block == s.Backup || block >= JournalHeadA && block < JournalRing+s.RingBlocks
}

// RingBytes returns the size of the journal ring in bytes.
func (s *Superblock) RingBytes() int64 { return int64(s.RingBlocks) << BlockShift }

// RingOffset returns the byte offset of the journal ring.
func (s *Superblock) RingOffset() int64 { return JournalRing << BlockShift }

// Compile-time checks: the fields end where SPEC.md says.
var _ [superUsed - 144 - LabelMax]byte = [0]byte{}
