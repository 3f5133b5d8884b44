package pmemfs

import (
	"errors"
	"testing"

	"pmemfs/pmemfs/internal/check"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/pmem"
	"pmemfs/pmemfs/testpart"
)

// TestRepairPoison repairs images in memory that really faults. What has a fixed block cannot be repaired until the
// memory takes stores again; anything else is put elsewhere.
func TestRepairPoison(t *testing.T) {
	testpart.NotRace(t)
	healthy := operate(t, false)
	before := picture(t, mountKept(t, healthy.medium))
	for _, x := range []struct {
		name  string
		block uint64
		fixed bool
	}{
		{"directory leaf", healthy.leaf(healthy.dir), false},
		{"directory root", healthy.root(healthy.dir), false},
		{"extent leaf", healthy.leaf(healthy.frag), false},
		{"attributes", healthy.attrNode(), false},
		{"orphan index", healthy.root(layout.OrphanIno), false},
		{"bitmap", layout.BitmapBlock(0), true},
		{"inodes", layout.BlockOf(healthy.at(healthy.plain)), true},
		{"superblock", layout.SuperBlock, true},
		{"ring", layout.JournalRing + 3, true},
	} {
		t.Run(x.name, func(t *testing.T) {
			region := memoryOf(t, healthy.medium)
			_, heal, err := region.Poison(layout.BlockOffset(x.block))
			if err != nil {
				t.Fatal(err)
			}
			r, err := check.RunImage(imageOf(region), nil)
			if err != nil || r.Faults[0].Class != check.Unreadable || layout.BlockOf(r.Faults[0].Offset) != x.block {
				t.Fatalf("%v: %v", err, r)
			}
			done, err := repairRegion(region, nil)
			if x.fixed {
				var fault *pmem.FaultError
				if !errors.As(err, &fault) || layout.BlockOf(fault.Off) != x.block {
					t.Errorf("a repair that the memory refuses: %v", err)
				}
				if err := heal(); err != nil {
					t.Fatal(err)
				}
				var again *RepairReport
				again, err = repairRegion(region, nil)
				again.Notes = append(again.Notes, done.Notes...)
				done = again
			}
			if err != nil {
				t.Fatal(err)
			}
			reportFaults(t, done.After, nil)
			if !x.fixed && done.After.BadBlocks != 1 {
				t.Errorf("%d bad blocks listed", done.After.BadBlocks)
			}
			fs, err := mount(region, Options{NoBackground: true})
			if err != nil {
				t.Fatal(err)
			}
			comparePictures(t, before, picture(t, fs), done)
			closeFS(t, fs)
		})
	}
}
