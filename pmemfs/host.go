package pmemfs

import (
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/pmem"
	"pmemfs/pmemfs/internal/recovery"
)

// Missing is what the filesystem of an image has still to find room for when the image is stored to, in bytes.
type Missing = pmem.Missing

// makeWhole gives an image the blocks that it lacks, if it could then be opened: one that is damaged stays as it is. What cannot be looked at
// since the host has no space for it (on tmpfs loads of a hole need some) does not count as damage.
func makeWhole(region *pmem.Region, sb *layout.Superblock) (Missing, error) {
	m, err := region.Missing()
	if err != nil || m.Whole() {
		return m, err
	}
	if _, _, err := recovery.Journal(region, sb, nil); err != nil && pmem.HostReason(err) == nil {
		return m, err
	}
	return region.MakeWhole()
}

// sayWhole logs what an image was given.
func (fs *FS) sayWhole(m Missing) {
	if !m.Whole() {
		fs.media.log.Info("the image was sparse, or shared blocks with other files, and has blocks of its own now",
			"allocated_bytes", m.Holes, "unshared_bytes", m.Shared)
	}
}
