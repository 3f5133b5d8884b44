package pmemfs

import (
	"fmt"

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

// settleOpen says what Open has done to an image before its journal was replayed, and heals it if it may be written.
func (fs *FS) settleOpen(whole Missing, superblock error) {
	if fs.readOnly {
		fs.j.Refuse()
		fs.media.log.Info("the image is open for reading: what the journal says is replayed in memory, and nothing is kept")
		if superblock != nil {
			fs.media.log.Warn("the superblock is damaged, its copy is used", "error", superblock)
		}
		return
	}
	if !whole.Whole() {
		fs.media.log.Info("the image was sparse, or shared blocks with other files, and has blocks of its own now",
			"allocated_bytes", whole.Holes, "unshared_bytes", whole.Shared)
	}
	fs.healSuperblock(superblock)
}

// LookForImage looks whether the image's path still leads to it, logs what has changed since the last look, and counts each look that does not find it
// (MediaErrors). An image that has no name left vanishes with this process: from then on every change is ErrReadOnly. In the page-cache
// domain no change is acknowledged after that whether anybody looks or not; elsewhere, where a reply waits for no system call, those are that come before the next look. Called
// every few seconds by whoever serves an image, from one goroutine.
func (fs *FS) LookForImage() error {
	g, err := fs.enter(0)
	if err != nil {
		return err
	}
	defer g.RUnlock()
	place, err := fs.region.Place()
	if err != nil {
		return mapErr(err)
	}
	if place != pmem.PlaceKept {
		fs.media.misplaced.Add(1)
	}
	before := pmem.Place(fs.media.place.Swap(uint32(place)))
	if place == before {
		return nil
	}
	path, log := fs.region.Path(), fs.media.log
	switch place {
	case pmem.PlaceKept:
		log.Info("the image is where it was again", "image", path)
	case pmem.PlaceMoved:
		log.Error("the image is no longer at its path: it has been moved or replaced, and the next start will serve what is there then", "image", path,
			"content", fs.region.Descriptor())
	case pmem.PlaceVanish:
		if !fs.readOnly {
			fs.j.Fail(fmt.Errorf("%s: %w", path, pmem.ErrNameless))
		}
		log.Error("the image has been removed: nothing is acknowledged any more, and all of it is gone when this process ends; copy it before that",
			"image", path, "command", "cp --sparse=never "+fs.region.Descriptor()+" COPY")
	}
	return nil
}
