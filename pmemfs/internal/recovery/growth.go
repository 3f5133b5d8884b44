package recovery

import (
	"fmt"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/mutation"
	"pmemfs/pmemfs/internal/pmem"
)

// afterGrowth counts the free blocks of an image whose head says that a growth was under way: what counters say may be of either size, and the
// bitmaps are those of both. The window has been replayed. A bitmap that cannot be relied on counts as full; whole is false then, and
// the next open has to count again. Nothing is stored: what has to be put right is for a record of the new epoch.
func (r *replay) afterGrowth(sb *layout.Superblock, h *layout.Head) (whole bool, err error) {
	if !h.Recount || mutation.GrowthCounted.Off() {
		return true, nil
	}
	h.FreeBlocks, whole = 0, true
	for g := range layout.GroupCount(sb.Blocks) {
		free, ok, err := r.countGroup(sb, g)
		if err != nil {
			return false, fmt.Errorf("bitmap of block group %d: %w", g, err)
		}
		h.FreeBlocks += free
		whole = whole && ok
	}
	return whole, nil
}

// countGroup counts the free blocks of a group. ok is false when its bitmap cannot be relied on. The error is the host's.
func (r *replay) countGroup(sb *layout.Superblock, g uint64) (free uint64, ok bool, err error) {
	block := layout.BitmapBlock(g)
	if r.lost[block] {
		return 0, false, nil
	}
	fault := guarded(r.region, func() {
		b := r.region.Bytes()[layout.BlockOffset(block):layout.BlockOffset(block+1)]
		if !layout.BitmapIs(b, layout.KindBlocks, g) || !r.seals[block] && !layout.Sealed(b) {
			return
		}
		limit := int(min(sb.Blocks-g*layout.GroupBlocks, layout.GroupBlocks))
		free, ok = uint64(limit-layout.BitmapUsedBefore(b, limit)), true
	})
	return free, ok, pmem.HostReason(fault)
}
