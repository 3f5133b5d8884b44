package pmemfs

import (
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/pmem"
	"pmemfs/pmemfs/internal/recovery"
)

// makeWhole gives an image the blocks that it lacks, if it could then be opened: one that is damaged stays as it is. What cannot be read
// since the host has no space for it (on tmpfs loads of a hole need some) does not count as damage.
func makeWhole(region *pmem.Region, sb *layout.Superblock) (pmem.Missing, error) {
	m, err := region.Missing()
	if err != nil || m.Whole() {
		return m, err
	}
	if _, _, err := recovery.Journal(region, sb, nil); err != nil && pmem.HostReason(err) == nil {
		return m, err
	}
	return region.MakeWhole()
}

// logOpen says what Open has done to an image before its journal was replayed, and heals the superblock if it may be written.
func (fs *FS) logOpen(whole pmem.Missing, superblock error) {
	if fs.readOnly {
		fs.j.Refuse()
		fs.log.Info("the image is open for reading: what the journal says is replayed in memory, and nothing is kept")
		if superblock != nil {
			fs.log.Warn("the superblock is damaged, its copy is used", "error", superblock)
		}
		return
	}
	if !whole.Whole() {
		fs.log.Info("the image was sparse, or shared blocks with other files, and has blocks of its own now",
			"allocated_bytes", whole.Holes, "unshared_bytes", whole.Shared)
	}
	fs.media.HealSuperblocks(superblock)
}
