package pmemfs

import (
	"testing"

	"pmemfs/pmemfs/internal/layout"
)

// TestScrubQuotas finds damage of accounts: of their tree and of slots that are given out.
func TestScrubQuotas(t *testing.T) {
	s := operateQuotas(t, false)
	fs := mountBytes(t, s.medium)
	if r := mustScrub(t, fs, ScrubOptions{}); !r.Clean() {
		t.Errorf("%v", r.Findings)
	}
	slot, off := s.slot(rootUser)
	slot[20]++
	node := s.leaf(layout.QuotaIno)
	for name, at := range map[string]int64{
		"slot 0 of block 0 of accounts":               off + 20,
		nodeObject(node, "accounts", layout.QuotaIno): layout.BlockOffset(node) + 100,
		"inode 8": s.at(layout.QuotaIno) + 60,
	} {
		again := mountBytes(t, fs.region.Bytes())
		again.region.Bytes()[at]++
		r := mustScrub(t, again, ScrubOptions{})
		if len(r.Findings) != 1 || r.Findings[0].Object != name {
			t.Errorf("%s: %v", name, r.Findings)
		}
		must(t, again.region.Close())
	}
	closeFS(t, fs)
}
