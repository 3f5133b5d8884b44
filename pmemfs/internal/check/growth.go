package check

import (
	"bytes"

	"pmemfs/pmemfs/internal/layout"
)

// afterGrowth makes of an image whose head says that a growth was under way what the next open makes of it, in copies: nothing is used
// behind the end, the place of the backup superblock is, and that of another one is not. What cannot be relied on stays as it is.
func (c *checker) afterGrowth() {
	if !c.head.Recount {
		return
	}
	last, backup := (c.sb.Blocks-1)/layout.GroupBlocks, c.sb.Backup/layout.GroupBlocks
	end := int(c.sb.Blocks - last*layout.GroupBlocks)
	c.editBitmap(last, func(b []byte) { layout.BitmapClear(b, end, layout.GroupBits-end) })
	for at, sb := range layout.Backups(uint64(len(c.image.Bytes))/layout.BlockSize, c.raw) {
		if at < c.sb.Blocks && at != c.sb.Backup && sb.SameImage(c.sb) {
			c.editBitmap(at/layout.GroupBlocks, func(b []byte) { layout.BitmapClear(b, int(at%layout.GroupBlocks), 1) })
		}
	}
	c.editBitmap(backup, func(b []byte) { layout.BitmapSet(b, int(c.sb.Backup%layout.GroupBlocks), 1) })
}

// editBitmap changes the copy of a group's bitmap, if the bitmap is one.
func (c *checker) editBitmap(group uint64, edit func(b []byte)) {
	block := layout.BitmapBlock(group)
	if !layout.BitmapIs(c.block(block), layout.KindBlocks, group) || !c.sealed(block) {
		return
	}
	if !c.changed.has(block) {
		c.copies[block] = bytes.Clone(c.block(block))
		c.changed.set(block)
	}
	c.unsealed.set(block)
	edit(c.copies[block])
}
