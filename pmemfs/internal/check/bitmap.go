package check

import (
	"fmt"
	"math/bits"

	"pmemfs/pmemfs/internal/layout"
)

// bitmap checks a bitmap block's identity and returns it, or nil.
func (c *checker) bitmap(block uint64, kind uint16, group uint64, name string) []byte {
	b, off := c.block(block), layout.BlockOffset(block)
	switch {
	case !layout.BitmapIs(b, kind, group):
		c.fault(BitmapIdentity, off, name, fmt.Sprintf("a bitmap block of kind %d, number %d", kind, group), "something else")
	case !c.sealed(block):
		c.fault(BitmapChecksum, off, name, "a valid checksum", "a wrong one")
	default:
		if layout.BitmapReserved(b) {
			c.fault(BitmapReserved, off, name, "zeros in its reserved bytes", "something else")
		}
		return b
	}
	return nil
}

// blockBitmaps checks the bitmap of each block group.
func (c *checker) blockBitmaps() {
	c.badGroups = map[uint64]bool{}
	for g := range layout.GroupCount(c.sb.Blocks) {
		b := c.bitmap(layout.BitmapBlock(g), layout.KindBlocks, g, groupName(g))
		if b == nil {
			c.badGroups[g] = true
			continue
		}
		c.pastEnd(b, layout.BitmapBlock(g), g, c.sb.Blocks, groupName(g))
		c.step(1)
	}
}

// pastEnd checks that no bit at or beyond limit is set.
func (c *checker) pastEnd(b []byte, block, group, limit uint64, name string) {
	first := int(min(limit-group*layout.GroupBits, layout.GroupBits))
	for w := first / 64; w < layout.BitmapWords; w++ {
		if over := layout.BitmapWord(b, w) &^ layout.WordMask(w, 0, first); over != 0 {
			bit := w*64 + bits.TrailingZeros64(over)
			c.fault(BitmapPastEnd, layout.BlockOffset(block)+layout.BitmapByte(bit), name, fmt.Sprintf("no bit set from bit %d on", first), fmt.Sprintf("bit %d set", bit))
			return
		}
	}
}

// usage compares what is owned with the block bitmaps, in both directions.
func (c *checker) usage() {
	for g := range layout.GroupCount(c.sb.Blocks) {
		c.step(1)
		if c.badGroups[g] {
			continue
		}
		c.groupUsage(g, c.block(layout.BitmapBlock(g)))
	}
}

func (c *checker) groupUsage(g uint64, b []byte) {
	base := g * layout.GroupBlocks
	limit := int(min(c.sb.Blocks-base, layout.GroupBlocks))
	var leaked, unmarked runs
	leak := func(start, n uint64) {
		off := layout.BlockOffset(layout.BitmapBlock(g)) + layout.BitmapByte(int(start-base))
		c.fault(BitmapLostBlock, off, groupName(g), blockRun(start, n)+" marked free: nothing owns them", "marked used")
	}
	ask := func(start, n uint64) { c.ask(question{start: start, n: n, unmarked: true}) }
	for w := 0; w*64 < limit; w++ {
		at := base + uint64(w)*64
		used, own := layout.BitmapWord(b, w)&layout.WordMask(w, 0, limit), c.owned[at/64]
		c.report.UsedBlocks += uint64(bits.OnesCount64(used))
		if !c.lost {
			leaked.word(at, used&^own, leak)
		}
		unmarked.word(at, own&^used, ask)
	}
	leaked.end(leak)
	unmarked.end(ask)
}
