package repair

import (
	"slices"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/pmem"
)

// Commit stores a plan in the region that it was made for, which the caller owns alone and guards. First what the
// journal's window says is brought to rest, as recovery does; then the changed blocks go into records of a new epoch, each
// of which is fenced before anything of it is stored in place; the superblocks come last. A power cut so leaves every
// block as it was or as it is to be. Durable on return. Errors are those of the region; the image is as a power cut
// would leave it then, and can be repaired again.
func (p *Plan) Commit(region *pmem.Region) error {
	c := committer{region: region, plan: p, head: p.Head}
	c.head.Version = p.version
	var blocks []uint64
	for b := range p.Blocks {
		if !p.Super.Untouchable(b) {
			blocks = append(blocks, b)
		}
	}
	slices.Sort(blocks)
	if err := c.settle(); err != nil {
		return err
	}
	if err := c.writeHead(siteRetire); err != nil {
		return err
	}
	for i := range p.Super.RingBlocks {
		if b := p.Blocks[layout.JournalRing+i]; b != nil {
			if err := c.store(siteRing, layout.JournalRing+i, b); err != nil {
				return err
			}
		}
	}
	for len(blocks) > 0 {
		n, err := c.batch(blocks)
		if err != nil {
			return err
		}
		blocks = blocks[n:]
	}
	if err := c.writeHead(siteDone); err != nil {
		return err
	}
	for _, b := range []uint64{p.Super.Backup, layout.SuperBlock} {
		if want := p.Blocks[b]; want != nil {
			if err := c.store(siteSuper, b, want); err != nil {
				return err
			}
		}
	}
	return nil
}

// Fences, in the order of a commit.
var (
	siteSettle = pmem.NewSite("repair: replayed blocks")
	siteRetire = pmem.NewSite("repair: head without a window")
	siteRing   = pmem.NewSite("repair: ring that could not be read")
	siteRecord = pmem.NewSite("repair: record")
	siteBlocks = pmem.NewSite("repair: blocks of a record")
	sitePassed = pmem.NewSite("repair: head behind a record")
	siteDone   = pmem.NewSite("repair: last head")
	siteSuper  = pmem.NewSite("repair: superblock")
)

// committer stores a plan.
type committer struct {
	region *pmem.Region
	plan   *Plan
	head   layout.Head
	rec    []byte
}

// store writes a whole block. Durable on return.
func (c *committer) store(site *pmem.Site, block uint64, p []byte) error {
	off := layout.BlockOffset(block)
	c.region.Write(off, p)
	return c.region.Persist(site, []pmem.Range{{Off: off, Len: layout.BlockSize}})
}

// settle stores what the old window says, as recovery does. The old head still stands, so it can be done again.
func (c *committer) settle() error {
	var ranges []pmem.Range
	for b, p := range c.plan.settled {
		off := layout.BlockOffset(b)
		c.region.Write(off, p)
		ranges = append(ranges, pmem.Range{Off: off, Len: layout.BlockSize})
	}
	if len(ranges) == 0 {
		return nil
	}
	return c.region.Persist(siteSettle, ranges)
}

// writeHead writes the block of the head whose turn it is. Durable on return.
func (c *committer) writeHead(site *pmem.Site) error {
	c.head.Version++
	p := make([]byte, layout.BlockSize)
	layout.EncodeHead(p, &c.head)
	return c.store(site, layout.JournalHeadA+c.head.Version%2, p)
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
		c.region.Write(layout.BlockOffset(b), c.plan.Blocks[b])
	}
	if err := c.region.Persist(siteBlocks, ranges); err != nil {
		return 0, err
	}
	c.head.TailSeq++
	c.head.TailPos += (uint64(len(c.rec)) + layout.LineSize - 1) &^ (layout.LineSize - 1)
	return n, c.writeHead(sitePassed)
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
