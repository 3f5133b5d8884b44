package pmemfs

import (
	"encoding/hex"
	"errors"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/pmem"
	"pmemfs/pmemfs/internal/recovery"
	"pmemfs/pmemfs/internal/scrub"
)

// Info describes an image, for people and as JSON. Sizes are bytes.
type Info struct {
	Path          string   `json:"path"`
	UUID          string   `json:"uuid"`
	Label         string   `json:"label"`
	FormatVersion int      `json:"format_version"`
	Features      []string `json:"features"` // that it has, and that older programs may not know
	SizeBytes     uint64   `json:"size_bytes"`
	FreeBytes     uint64   `json:"free_bytes"`
	JournalBytes  uint64   `json:"journal_bytes"`
	UsedInodes    uint64   `json:"used_inodes"`
	Epoch         uint64   `json:"epoch"`
	Clean         bool     `json:"clean"`     // closed properly: the next open replays nothing
	ReadOnly      bool     `json:"read_only"` // this process has it open for reading only
	InUse         bool     `json:"in_use"`    // another process has it open; the figures may be a moment old
	ReplayRecords uint64   `json:"to_replay"` // records that the next open replays
	Created       int64    `json:"created_ns"`
	BadBlocks     uint64   `json:"bad_blocks"`  // taken out of use since their memory is bad
	LostBlocks    uint64   `json:"lost_blocks"` // in use, and refused: their memory did not take what was stored
	Domain        string   `json:"domain"`
	DomainReason  string   `json:"domain_reason"`
	Durability    string   `json:"durability"`
	DataChecksums bool     `json:"data_checksums"`
	SparseBytes   int64    `json:"sparse_bytes"` // have no blocks on the host's disk
	SharedBytes   int64    `json:"shared_bytes"` // have blocks there that other files have too

	Scrub ScrubStatus `json:"scrub"`
}

// Info describes the open filesystem. It asks the host which blocks the image has, which takes a system call for some dozens of them.
func (fs *FS) Info() Info {
	i := fs.Glance()
	if m, err := fs.region.Missing(); err == nil { // else nobody can tell
		i.SparseBytes, i.SharedBytes = m.Holes, m.Shared
	}
	return i
}

// Glance is Info without what the host is asked for, so that it can be had every second: SparseBytes and SharedBytes are 0.
func (fs *FS) Glance() Info {
	i := describe(fs.super())
	c := fs.j.Counts()
	i.Path, i.FreeBytes, i.UsedInodes = fs.region.Path(), uint64(c.Free)<<layout.BlockShift, uint64(c.Inodes)
	m := fs.MediaErrors()
	i.BadBlocks, i.LostBlocks = m.Bad, m.Lost
	i.Epoch, i.InUse, i.ReadOnly = fs.j.Epoch(), true, fs.readOnly
	i.Domain, i.DomainReason = fs.region.Domain().String(), fs.region.DomainReason()
	i.Durability = fs.region.Durability().String()
	if st, err := fs.ScrubStatus(); err == nil { // a closed filesystem has none
		i.Scrub = st
	}
	return i
}

func describe(sb *layout.Superblock) Info {
	return Info{
		UUID: hex.EncodeToString(sb.UUID[:]), Label: sb.Label, FormatVersion: layout.FormatVersion, Features: featuresOf(sb),
		SizeBytes: sb.Blocks << layout.BlockShift, JournalBytes: uint64(sb.RingBytes()), Created: sb.Created,
		DataChecksums: sb.Sums().On(),
	}
}

// ReadInfo describes the image at path without opening or changing it; it may be in use. The domain is what an Open
// would have.
//
// Errors: ErrNotImage, ErrDamaged, ErrIO, or what the system said.
func ReadInfo(path string) (info Info, err error) {
	inUse := false
	region, err := pmem.Open(path, pmem.Options{ReadOnly: true})
	if errors.Is(err, pmem.ErrLocked) {
		inUse = true
		region, err = pmem.Open(path, pmem.Options{ReadOnly: true, NoLock: true})
	}
	if err != nil {
		return info, mapOpenErr(path, err)
	}
	defer func() { err = mapOpenErr(path, errors.Join(err, region.Close())) }()
	defer region.Unguard(region.Guard(), &err)
	sb, _, err := recovery.Superblock(region)
	if err != nil {
		return info, err
	}
	// A ring in use changes under the reader; what it cannot make sense of is then not damage.
	head, end, err := recovery.Journal(region, sb, nil)
	if err != nil && (!inUse || !errors.Is(err, layout.ErrDamaged)) {
		return info, err
	}
	info = describe(sb)
	info.Path, info.InUse, info.Clean, info.Epoch = path, inUse, head.Clean && end.TailSeq == head.TailSeq, head.Epoch
	info.ReplayRecords = end.TailSeq - head.TailSeq
	info.FreeBytes, info.UsedInodes = end.FreeBlocks<<layout.BlockShift, end.UsedInodes
	info.BadBlocks, info.LostBlocks = badOf(region, sb), recovery.CountLost(region.Bytes(), sb, &head)
	info.Domain, info.DomainReason = region.Domain().String(), region.DomainReason()
	info.Durability = region.Durability().String()
	missing, err := region.Missing()
	if err != nil {
		return info, err
	}
	info.SparseBytes, info.SharedBytes = missing.Holes, missing.Shared
	slot := layout.BlockOffset(sb.InodeBoot) + layout.ScrubIno*layout.InodeSize
	info.Scrub = ScrubStatus(scrub.StatusOf(layout.DecodeScrub(region.Bytes()[slot : slot+layout.InodeSize])))
	return info, nil
}

// badOf counts the bad blocks of an image as they were before the window, as far as its list can be read.
func badOf(region *pmem.Region, sb *layout.Superblock) (n uint64) {
	var err error
	defer region.Unguard(region.Guard(), &err)
	off := layout.BlockOffset(sb.InodeBoot) + layout.BadBlocksIno*layout.InodeSize
	in := layout.Inode(region.Bytes()[off : off+layout.InodeSize])
	if !in.Sealed(layout.BadBlocksIno) {
		return 0
	}
	block, height := in.DataRoot()
	if height == 0 {
		for i := range min(in.InlineCount(), layout.InlineExtents) {
			n += uint64(in.InlineExtent(i).Len)
		}
		return n
	}
	nodes := badNodes
	return badBelow(region.Bytes(), sb, block, height-1, &nodes)
}

// badNodes bounds the nodes of the list that are looked at: a made-up list could name some again and again.
const badNodes = 1 << 16

// badBelow is badOf for a node of the list's tree.
func badBelow(medium []byte, sb *layout.Superblock, block uint64, level uint8, nodes *int) (n uint64) {
	if *nodes--; block >= sb.Blocks || level >= layout.MaxHeight || *nodes < 0 {
		return 0
	}
	node := layout.Node(medium[layout.BlockOffset(block):layout.BlockOffset(block+1)])
	if node.Validate(block) != nil || node.Level() != level || node.Owner() != layout.BadBlocksIno {
		return 0
	}
	for i := range node.Count() {
		if level > 0 {
			n += badBelow(medium, sb, node.Child(i), level-1, nodes)
		} else if p := node.Payload(i); len(p) == layout.ExtentPayload {
			n += uint64(layout.DecodeExtent(node.Key(i), p).Len)
		}
	}
	return n
}

// Counters counts what a filesystem has done to its medium since Open.
type Counters struct {
	Fences      uint64 `json:"fences"`
	Lines       uint64 `json:"lines"`    // flushed from the cache, or recorded for msync
	NTLines     uint64 `json:"nt_lines"` // stored past the cache
	Syncs       uint64 `json:"syncs"`    // system calls
	Checkpoints uint64 `json:"checkpoints"`
}

// Failure returns why the filesystem acknowledges no change any more, as an ErrReadOnly that wraps what the medium said; nil while it does.
func (fs *FS) Failure() error {
	if fs.readOnly {
		return nil
	}
	return mapErr(fs.j.Err())
}

// Counters returns the counters.
func (fs *FS) Counters() Counters {
	c := fs.region.Counters()
	return Counters{c.Fences, c.Lines, c.NTLines, c.Syncs, fs.j.Checkpoints()}
}
