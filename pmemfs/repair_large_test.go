package pmemfs

import (
	"bytes"
	"fmt"
	"testing"

	"pmemfs/pmemfs/internal/check"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/testpart"
)

// TestRepairLarge repairs an image of several block groups and inode groups, in which what is found by searching is
// spread out.
func TestRepairLarge(t *testing.T) {
	testpart.NotRace(t)
	testpart.NotInvariants(t)
	t.Parallel()
	fs := memFS(t, 300<<20)
	b := builder{t: t, fs: fs}
	var d Handle
	for i := range 34_000 {
		if i%2000 == 0 {
			d = b.dir(fs.Root(), fmt.Sprintf("d%d", i))
		}
		b.file(d, fmt.Sprintf("name number %d", i), 0)
	}
	frag := b.file(fs.Root(), "frag", 0)
	for i := range uint64(15_000) {
		b.write(frag, 2*i<<12, 1)
	}
	b.write(b.file(fs.Root(), "big", 0), 0, 150<<20)
	b.ok(fs.SyncAll())
	medium, bitmap, offset := bytes.Clone(fs.region.Bytes()), uint64(0), map[uint64]int64{}
	for _, ino := range []uint64{layout.InodeFileIno, layout.RootIno, d.Ino, frag.Ino} {
		var err error
		offset[ino], err = fs.inodes.Offset(ino)
		b.ok(err)
	}
	bitmap, err := fs.inodes.GroupBitmap(1)
	b.ok(err)
	b.ok(fs.Close())
	was := checkMedium(t, medium)
	for name, offsets := range map[string][]int64{
		"bitmap of a later group":       {layout.BlockOffset(layout.BitmapBlock(1)) + 200},
		"bitmap of a later inode group": {layout.BlockOffset(bitmap) + 100},
		"inode file":                    {offset[layout.InodeFileIno] + 100},
		"inode file and bitmaps":        {offset[layout.InodeFileIno] + 100, 4096 + 200, layout.BlockOffset(layout.BitmapBlock(1)) + 200},
		"root directory":                {offset[layout.RootIno] + 100},
		"directory":                     {offset[d.Ino] + 100},
		"file of many extents":          {offset[frag.Ino] + 100},
	} {
		t.Run(name, func(t *testing.T) {
			damaged := bytes.Clone(medium)
			for _, off := range offsets {
				damaged[off] ^= 1
			}
			after, r := repaired(t, damaged)
			reportFaults(t, r.After, nil)
			is, err := check.Run(after, nil)
			reportFaults(t, checkReport(is), err)
			if is.Files != was.Files || is.Dirs != was.Dirs || is.Names != was.Names || is.DataBlocks != was.DataBlocks {
				t.Errorf("%d files, %d directories, %d names, %d blocks; expected %d, %d, %d, %d", is.Files, is.Dirs, is.Names, is.DataBlocks,
					was.Files, was.Dirs, was.Names, was.DataBlocks)
			}
			closeFS(t, mountBytes(t, after))
		})
	}
}
