package pmemfs

import (
	"bytes"
	"testing"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/testpart"
)

// TestSizesAroundAGroup formats images whose last block group has no or few blocks, and opens them by either superblock. The
// open writes the damaged one again.
func TestSizesAroundAGroup(t *testing.T) {
	testpart.NotRace(t)
	for _, d := range []int64{-1, 0, 1, 2, 3, 32, 33, 34, 35} {
		fs := memFSWith(t, (layout.GroupBlocks+d)*layout.BlockSize, d%2 == 0 || d > 3)
		b := builder{t: t, fs: fs}
		for _, name := range []string{"one", "two"} {
			b.file(fs.Root(), name, 40<<20)
		}
		checkFS(t, fs)
		medium := bytes.Clone(fs.region.Bytes())
		closeFS(t, fs)
		medium[100] ^= 1
		again := mountBytes(t, medium)
		if r, err := again.Check(); err != nil || !r.Clean() || r.Stopped != "" {
			t.Errorf("%+v, %v", r, err)
		}
		closeFS(t, again)
	}
}
