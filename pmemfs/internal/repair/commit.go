package repair

import (
	"slices"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/pmem"
)

// Commit stores a plan in the region that it was made for, which the caller owns alone and guards. First the
// records of the journal's window are made durable, and what they say is brought to rest, as recovery does; then the changed blocks go into records of a new epoch, each
// of which is fenced before anything of it is stored in place, new blocks before what refers to them; the superblocks come last. A power cut so leaves every
// block as it was or as it is to be. Durable on return. Errors are those of the region; the image is as a power cut
// would leave it then, and can be repaired again.
func (p *Plan) Commit(region *pmem.Region) error {
	c := committer{region: region, plan: p, head: p.Head}
	c.head.Version = p.version
	blocks := p.order()
	if err := c.secure(); err != nil {
		return err
	}
	if err := c.replay(); err != nil {
		return err
	}
	if err := c.retire(); err != nil {
		return err
	}
	for len(blocks) > 0 {
		n, err := c.batch(blocks)
		if err != nil {
			return err
		}
		blocks = blocks[n:]
	}
	for _, b := range []uint64{p.Super.Backup, layout.SuperBlock} {
		if want := p.Blocks[b]; want != nil {
			if err := c.region.Persist(siteSuper, []pmem.Range{c.put(b, want)}); err != nil {
				return err
			}
		}
	}
	return nil
}

// order returns the blocks that go into records: those that nothing refers to yet first, because a power cut between two
// records must not leave a file with blocks that have not been filled.
func (p *Plan) order() []uint64 {
	var fresh, old []uint64
	for b := range p.Blocks {
		switch {
		case p.Super.Untouchable(b), b >= p.Super.Blocks: // those are stored with the window
		case p.fresh[b]:
			fresh = append(fresh, b)
		default:
			old = append(old, b)
		}
	}
	slices.Sort(fresh)
	slices.Sort(old)
	if i, ok := slices.BinarySearch(old, p.Super.InodeBoot); ok && p.Super.Incompat&layout.IncompatSnapshots != 0 {
		// Inode 7 first: what snapshots have must be kept before the live files change.
		old = append(slices.Delete(old, i, i+1), 0)
		copy(old[1:], old)
		old[0] = p.Super.InodeBoot
	}
	return append(fresh, old...)
}

// Fences, in the order of a commit.
var (
	siteLoose  = pmem.NewSite("repair: unfenced records")
	siteReplay = pmem.NewSite("repair: replayed blocks")
	siteRetire = pmem.NewSite("repair: heads without a window")
	siteRecord = pmem.NewSite("repair: record")
	siteBlocks = pmem.NewSite("repair: blocks of a record")
	sitePassed = pmem.NewSite("repair: head behind a record")
	siteSuper  = pmem.NewSite("repair: superblock")
)

// committer stores a plan.
type committer struct {
	region *pmem.Region
	plan   *Plan
	head   layout.Head
	rec    []byte
}

// put stores a whole block and returns where. Not durable yet.
func (c *committer) put(block uint64, p []byte) pmem.Range {
	off := layout.BlockOffset(block)
	c.region.Write(off, p)
	return pmem.Range{Off: off, Len: layout.BlockSize}
}

// secure makes durable what the old window has that may be in a cache alone.
func (c *committer) secure() error {
	if len(c.plan.loose) == 0 {
		return nil
	}
	return c.region.Persist(siteLoose, c.plan.loose)
}

// replay stores what the old window says, as recovery does. The old head still stands, so it can be done again.
func (c *committer) replay() error {
	var ranges []pmem.Range
	for b, p := range c.plan.replayed {
		ranges = append(ranges, c.put(b, p))
	}
	if len(ranges) == 0 {
		return nil
	}
	return c.region.Persist(siteReplay, ranges)
}

// retire puts an empty window of a new epoch in place of the old one: a head beside the one that counts, then one over it.
// So whatever was wrong with the two is gone before a record relies on them. The blocks of the ring that could not be read
// need no fence of their own: they become zeros, which is what a repair that finds the old head takes them for.
func (c *committer) retire() error {
	var ranges []pmem.Range
	for i := range c.plan.Super.RingBlocks {
		if p := c.plan.Blocks[layout.JournalRing+i]; p != nil {
			ranges = append(ranges, c.put(layout.JournalRing+i, p))
		}
	}
	for range 2 {
		if err := c.region.Persist(siteRetire, append(ranges, c.putHead())); err != nil {
			return err
		}
		ranges = nil
	}
	return nil
}

// putHead stores the next head into the block whose turn it is. Not durable yet.
func (c *committer) putHead() pmem.Range {
	c.head.Version++
	p := make([]byte, layout.BlockSize)
	layout.EncodeHead(p, &c.head)
	return c.put(layout.JournalHeadA+c.head.Version%2, p)
}

// batch commits as many blocks as fit a record: the record, with a fence; the blocks, with a fence; the head that passes
// the record over.
func (c *committer) batch(blocks []uint64) (n int, err error) {
	ring := c.plan.Super.RingBytes()
	limit := int(ring)/4 - layout.BlockSize
	c.rec = append(c.rec[:0], make([]byte, layout.RecordHeader)...)
	var ranges []pmem.Range
	entries := uint32(0)
	for n < len(blocks) && len(c.rec)+layout.BlockSize+layout.EntryHeader <= limit {
		off := layout.BlockOffset(blocks[n])
		c.rec = layout.AppendEntry(c.rec, off, layout.BlockSize, layout.EntryData, 0, c.plan.Blocks[blocks[n]])
		ranges = append(ranges, pmem.Range{Off: off, Len: layout.BlockSize})
		entries++
		n++
	}
	h := layout.RecordHead{Length: uint32(len(c.rec)), Seq: c.head.TailSeq, Epoch: c.head.Epoch, Salt: c.head.Salt, Entries: entries}
	layout.EncodeRecordHead(c.rec, &h, layout.CRC(c.rec[layout.RecordHeader:]))
	if err := c.append(); err != nil {
		return 0, err
	}
	for _, b := range blocks[:n] {
		c.put(b, c.plan.Blocks[b])
	}
	if err := c.region.Persist(siteBlocks, ranges); err != nil {
		return 0, err
	}
	c.head.TailSeq++
	c.head.TailPos += layout.LineUp(uint64(len(c.rec)))
	return n, c.region.Persist(sitePassed, []pmem.Range{c.putHead()})
}

// append stores the record in the ring. Durable on return.
func (c *committer) append() error {
	ring, size := c.plan.Super.RingOffset(), uint64(c.plan.Super.RingBytes())
	at := c.head.TailPos % size
	first := min(uint64(len(c.rec)), size-at)
	c.region.Write(ring+int64(at), c.rec[:first])
	ranges := []pmem.Range{{Off: ring + int64(at), Len: int64(first)}}
	if rest := c.rec[first:]; len(rest) > 0 {
		c.region.Write(ring, rest)
		ranges = append(ranges, pmem.Range{Off: ring, Len: int64(len(rest))})
	}
	return c.region.Persist(siteRecord, ranges)
}
