package crashtest

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"pmemfs/pmemfs"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/pmem"
)

// TestBrokenGrowthChecked checks images as a growth leaves them that the power cuts short, before anybody opens them: that is no damage. With
// some on top they are repaired, and hold no trace of the growth then.
func TestBrokenGrowthChecked(t *testing.T) {
	for i, z := range sizes[:4] {
		s, err := roomStart(z.from, z.medium, pmem.CacheFlush, z.sums)
		if err != nil {
			t.Fatal(err)
		}
		for _, site := range append([]string{"journal: head of a checkpoint", "journal: dirty lines of a checkpoint"}, growSites...) {
			if site == growSites[0] && layout.GroupCount(z.from) == layout.GroupCount(z.to) {
				continue // there are none
			}
			for _, when := range []string{"before ", "after "} {
				broken, err := s.brokenGrowth(int64(z.to), when+site)
				if err == nil {
					err = checkBroken(broken, s.medium)
				}
				if err != nil {
					t.Errorf("size %d, %s%s: %v", i, when, site, err)
				}
			}
		}
	}
}

// checkBroken checks an image, damages it and repairs it. before is what it was.
func checkBroken(s start, before []byte) (err error) {
	region, err := pmem.NewMemory(int64(len(s.medium)), s.domain)
	if err != nil {
		return err
	}
	region.Write(0, s.medium)
	r, err := checkRegion(region)
	if err != nil {
		return errors.Join(err, region.Close())
	}
	if !r.Clean() {
		return errors.Join(fmt.Errorf("check: %v", r.Faults[0]), region.Close())
	}
	sb, err := layout.DecodeSuperblock(before)
	if err != nil {
		return err
	}
	// The inode of the root directory: its links.
	region.Write(layout.BlockOffset(sb.InodeBoot+1)+32, []byte{9})
	if rep, err := repairRegion(region); err != nil || rep.Before.Clean() {
		return fmt.Errorf("a repair of what was damaged: %w", err)
	}
	r, err = checkRegion(region)
	if err == nil && !r.Clean() {
		err = fmt.Errorf("check after the repair: %v", r.Faults[0])
	}
	if err != nil {
		return err
	}
	repaired := slices.Clone(region.Bytes())
	n := uint64(len(repaired)) / layout.BlockSize
	read := func(b uint64) []byte { return repaired[layout.BlockOffset(b):layout.BlockOffset(b+1)] }
	now, err := layout.DecodeSuperblock(repaired)
	if err != nil {
		return err
	}
	for at := range layout.Backups(n, read) {
		if at >= now.Blocks {
			err = fmt.Errorf("a backup superblock is left in block %d of %d", at, now.Blocks)
		}
	}
	fs, oerr := openRegion(region)
	if err = errors.Join(err, oerr); err != nil {
		return err
	}
	if _, err := fs.Create(root, nil, fs.Root(), []byte("new"), &pmemfs.CreateOptions{}); err != nil {
		return err
	}
	return fs.Close()
}
