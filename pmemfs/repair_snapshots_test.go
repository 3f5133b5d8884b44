package pmemfs

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"testing"

	"pmemfs/pmemfs/internal/check"
	"pmemfs/pmemfs/testpart"
)

// pictures returns all files of each snapshot, by its name.
func pictures(t testing.TB, fs *FS) map[string]map[string]item {
	t.Helper()
	list, _, err := fs.Snapshots()
	must(t, err)
	all := map[string]map[string]item{}
	for _, s := range list {
		all[s.Name] = pictureFrom(t, fs, fs.Root().In(s.Epoch))
	}
	return all
}

// TestRepairSnapshots makes every damage in an image with snapshots. A repair leaves nothing to find, the live files are there but for what
// is said to be lost, and each snapshot is as it was, or gone.
func TestRepairSnapshots(t *testing.T) {
	testpart.NotRace(t)
	testpart.NotInvariants(t)
	t.Parallel()
	bothWays(t, func(t *testing.T, sums bool) {
		for _, replay := range []bool{false, true} {
			healthy := snapped(t, replay, sums)
			fs := mountKept(t, healthy.medium)
			live, then := picture(t, fs), pictures(t, fs)
			list := slices.Concat(snapDamage, pastDamage, atRest())
			if replay {
				list = inWindow()
			}
			lost := map[string]int{}
			for _, d := range list {
				if slices.Contains(otherwise, d.name) {
					continue
				}
				t.Run(d.name, func(t *testing.T) { lost[d.name] = repairSnapshots(t, healthy, d, live, then) })
			}
			for name, n := range pastLosses {
				if got, ok := lost[name]; ok && got != n {
					t.Errorf("%s cost %d snapshots, expected %d", name, got, n)
				}
			}
		}
	})
}

// otherwise is damage that is none here, or more than it is made for.
var otherwise = []string{
	"block with two owners", "directory with two names", "directories in a ring", "extents in a tree in disorder", "extent beyond the largest file",
}

// pastLosses is how many of the three snapshots some damage costs.
var pastLosses = map[string]int{
	"node checksum": 1, "inode checksum": 0, "bitmap checksum": 0, "leaked block": 0, "link count": 0, "node of the table of snapshots": 3,
	"shard table": 3, "inode of the snapshots": 3, "state of the snapshots": 3, "two snapshots of a name": 1, "name of a snapshot": 1,
	"nodes of a shard": 0, "kept blocks of a shard": 0, "checksum of a kept inode": 1, "blocks of a kept inode": 0,
	"kept inode without an entry": 0, "kept inode that is not there": 1, "entry too few": 0, "entry that nothing needs": 0, "flags of an entry": 0,
	"node of kept blocks": 0, "kept block of a live file": 1, "node of a kept directory": 1, "node of a kept map": 1, "name in a kept directory": 1,
	"value of a kept attribute": 1, "snapshot without a line": 1,
}

// repairSnapshots repairs one damage and returns how many snapshots it cost.
func repairSnapshots(t *testing.T, healthy *surgery, d damage, live map[string]item, then map[string]map[string]item) (lost int) {
	s := *healthy
	s.t, s.medium = t, bytes.Clone(healthy.medium)
	d.do(&s)
	after, r := repaired(t, s.medium)
	if r.Before.Clean() {
		return 0 // with snapshots it is none
	}
	if class := check.Class(r.Before.Faults[0].Class); class == check.SuperblockBoth || class == check.ImageTruncated {
		return 0
	}
	reportFaults(t, r.After, nil)
	if t.Failed() {
		return 0
	}
	again, nothing := repaired(t, after)
	if !bytes.Equal(again, after) || nothing.Written != 0 || len(nothing.Notes) != 0 {
		t.Error("a second repair changes something")
	}
	fs := mountKept(t, after)
	comparePictures(t, live, picture(t, fs), r)
	now := pictures(t, fs)
	for name, was := range then {
		is, ok := now[name]
		if ok && !maps.Equal(was, is) {
			t.Errorf("snapshot %q has changed: %v", name, differences(was, is))
		}
		if !ok {
			lost++
		}
	}
	if len(now) > len(then)-lost+1 {
		t.Errorf("%d snapshots", len(now))
	}
	return lost
}

// differences says in what two pictures differ.
func differences(a, b map[string]item) (list []string) {
	for path, was := range a {
		if is, ok := b[path]; !ok || is != was {
			list = append(list, fmt.Sprintf("%s: %v, was %v", path, is, was))
		}
	}
	for path := range b {
		if _, ok := a[path]; !ok {
			list = append(list, path+" is new")
		}
	}
	return list[:min(len(list), 5)]
}
