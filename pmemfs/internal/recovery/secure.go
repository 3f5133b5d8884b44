package recovery

import (
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/pmem"
	"pmemfs/pmemfs/internal/ring"
)

// secure makes durable what the window has that may be in a cache alone.
func secure(region *pmem.Region, sb *layout.Superblock, old layout.Head) error {
	found := ring.NewLoose(sb)
	_, lost, err := window(mediumOf(region), sb, old, func(rec []byte, pos uint64, loose bool) error {
		if loose {
			found.Add(rec, pos)
		}
		return nil
	})
	ranges := found.Ranges(lost)
	if err != nil || len(ranges) == 0 {
		return err
	}
	return region.Persist(siteLoose, ranges)
}
