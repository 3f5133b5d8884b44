package check

import (
	"fmt"

	"pmemfs/pmemfs/internal/layout"
)

// badBlocks checks the list of bad blocks: unwritten extents that map each block to itself. Then it reports the lost blocks
// that are not among them.
func (c *checker) badBlocks() {
	const ino = layout.BadBlocksIno
	bad := newBitset(c.sb.Blocks)
	if c.good.has(ino) {
		in, off := c.slot(ino)
		m := extents{c: c, in: in, ino: ino, off: off}
		m.each = func(e layout.Extent, at int64, _ bool) {
			if e.Logical != e.Phys || e.Flags != layout.ExtentUnwritten {
				c.fault(BadBlockMap, at, m.name(e.Logical), "an unwritten extent at the block's own number", fmt.Sprintf("block %d with flags %#x", e.Phys, e.Flags))
			}
			bad.add(e.Phys, uint64(e.Len), func(uint64, uint64) {})
		}
		owned := m.walk()
		c.report.BadBlocks = m.blocks
		if m.whole() {
			c.vetOwned(in, ino, off, owned)
		}
	}
	c.report.LostBlocks = 0
	for _, b := range c.lostBlocks {
		if !bad.has(b) {
			c.report.LostBlocks++
			c.fault(BlockLost, layout.BlockOffset(b), blockRun(b, 1), "what was last stored there", "older content: its memory refused the store")
		}
	}
}

// readLost reads the list of lost blocks behind the head that counts.
func (c *checker) readLost(h *layout.Head) {
	if !h.Lost {
		return
	}
	at := layout.JournalHeadA + h.Version%2
	list, ok := layout.LostBlocks(c.block(at), h.Version, c.sb.Blocks)
	if !ok {
		c.fault(JournalLostList, layout.BlockOffset(at)+layout.LostOffset, "list of lost blocks", "a valid checksum, the head's version, and blocks in order", "something else")
	}
	c.lostBlocks = list
}
