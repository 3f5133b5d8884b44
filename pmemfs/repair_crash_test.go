package pmemfs

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"pmemfs/pmemfs/internal/pmem"
	"pmemfs/pmemfs/testpart"
)

var errCut = errors.New("power cut")

// cutRepair repairs a copy of a medium and stops at a fence. It returns what a power cut leaves there: with all stores that
// no fence had reached, and with none of them. done is true when there was no such fence.
func cutRepair(t *testing.T, medium []byte, fence int, seen map[string]bool) (all, none []byte, done bool) {
	t.Helper()
	region := memoryOf(t, medium)
	none = bytes.Clone(medium)
	n := 0
	region.SetPersistHook(func(p pmem.Failpoint, r pmem.Range) error {
		seen[p.Site.String()] = true
		if !p.After {
			if n++; n > fence {
				return errCut
			}
			return nil
		}
		copy(none[r.Off:r.Off+r.Len], region.Bytes()[r.Off:])
		return nil
	})
	_, err := repairRegion(region, nil)
	if err != nil && !errors.Is(err, errCut) {
		t.Fatal(err)
	}
	all = bytes.Clone(region.Bytes())
	if err := region.Close(); err != nil {
		t.Fatal(err)
	}
	return all, none, n <= fence
}

// thorough says whether tests that go on for long are to be run whole: TEST_PMEMFS_THOROUGH is set, as "make crash" does.
func thorough() bool { return os.Getenv("TEST_PMEMFS_THOROUGH") != "" }

// TestRepairInterrupted cuts the power at fences of a repair: a second repair must come to the same end. Every fence is
// passed by the crash job "repair"; here it is many kinds of damage, and at each of them every fence if asked for, else two.
func TestRepairInterrupted(t *testing.T) {
	testpart.NotRace(t)
	testpart.NotInvariants(t)
	t.Parallel()
	healthy, window := operate(t, false), operate(t, true)
	seen := map[string]bool{}
	defer func() {
		for _, site := range pmem.Sites() {
			if name := site.String(); strings.HasPrefix(name, "repair: ") && !seen[name] {
				t.Errorf("no repair has the fence %q", name)
			}
		}
	}()
	for _, name := range []string{
		"first superblock", "backup superblock", "bitmap checksum", "inode checksum", "inode file", "node magic", "node checksum",
		"node reached twice", "directories in a ring", "no root directory", "block with two owners", "attribute value", "orphan without entry",
		"both journal heads", "durable record", "entry for the superblock", "versions of the heads",
	} {
		t.Run(name, func(t *testing.T) {
			of, list := healthy, atRest()
			if i := slices.IndexFunc(list, func(d damage) bool { return d.name == name }); i < 0 {
				of, list = window, inWindow()
			}
			d := list[slices.IndexFunc(list, func(d damage) bool { return d.name == name })]
			s := *of
			s.t, s.medium = t, bytes.Clone(of.medium)
			d.do(&s)
			interrupt(t, s.medium, seen)
		})
	}
}

func interrupt(t *testing.T, medium []byte, seen map[string]bool) {
	t.Helper()
	whole, r := repaired(t, medium)
	reportFaults(t, r.After, nil)
	want := picture(t, mountKept(t, whole))
	for fence := 0; ; fence++ {
		all, none, done := cutRepair(t, medium, fence, seen)
		if done {
			if fence < 3 {
				t.Errorf("only %d fences", fence)
			}
			checkMedium(t, none) // what is done is durable
			return
		}
		if !thorough() && fence%4 != 2 {
			continue
		}
		for i, cut := range [][]byte{all, none} {
			again, r := repaired(t, cut)
			reportFaults(t, r.After, nil)
			if got := picture(t, mountKept(t, again)); !maps.Equal(got, want) {
				t.Errorf("cut at fence %d (%d): %d files, expected %d", fence, i, len(got), len(want))
			}
		}
	}
}
