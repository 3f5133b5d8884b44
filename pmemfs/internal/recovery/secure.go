package recovery

import (
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/pmem"
	"pmemfs/pmemfs/internal/ring"
)

// secure makes durable what may be in a cache alone of what the open relies on: the head that counts, and what its window has. Until the
// head is, the medium may count on the other one, whose line the next head overwrites, and its ring space and list of lost blocks with it.
func secure(region *pmem.Region, sb *layout.Superblock, old layout.Head) error {
	found := ring.NewLoose(sb)
	_, lost, err := window(mediumOf(region), sb, old, func(rec []byte, pos uint64, loose bool) error {
		if loose {
			found.Add(rec, pos)
		}
		return nil
	})
	if err != nil {
		return err
	}
	ranges := append(found.Ranges(lost), ring.HeadLine(old.Version))
	return named(region, "journal", func() error { return region.Persist(siteLoose, ranges) })
}
