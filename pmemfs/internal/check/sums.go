package check

import (
	"fmt"

	"pmemfs/pmemfs/internal/layout"
)

func sumsName(g uint64) string { return fmt.Sprintf("checksums of block group %d", g) }

// claimSums claims the table of checksums of a block group.
func (c *checker) claimSums(g uint64, o owner) {
	if sums := c.sb.Sums(); sums.On() {
		c.claim(sums.Table(g), layout.SumBlocks, o)
	}
}

// vetSums compares the blocks of a written extent of a file with their checksums.
func (c *checker) vetSums(file string, e layout.Extent) {
	sums := c.sb.Sums()
	if !c.image.Data || c.quiet || !sums.On() || e.Flags&layout.ExtentUnwritten != 0 {
		return
	}
	for i := range uint64(e.Len) {
		at := sums.Offset(e.Phys + i)
		stored := layout.GetSum(c.block(layout.BlockOf(at))[at%layout.BlockSize:])
		if found := layout.CRC(c.block(e.Phys + i)); found != stored {
			c.fault(DataChecksum, layout.BlockOffset(e.Phys+i), fmt.Sprintf("data at byte %d of %s", (e.Logical+i)<<layout.BlockShift, file),
				fmt.Sprintf("checksum %#08x", stored), fmt.Sprintf("checksum %#08x", found))
		}
	}
}
