package pmemfs

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pmemfs/pmemfs/internal/check"
	"pmemfs/pmemfs/testpart"
)

// repaired repairs a copy of a medium in memory, and returns the copy and what was done.
func repaired(t testing.TB, medium []byte) ([]byte, *RepairReport) {
	t.Helper()
	region := memoryOf(t, medium)
	r, err := repairRegion(region, nil)
	if err != nil {
		t.Fatal(err)
	}
	after := bytes.Clone(region.Bytes())
	if err := region.Close(); err != nil {
		t.Fatal(err)
	}
	return after, r
}

func TestRepairFaults(t *testing.T) {
	testpart.NotRace(t)
	testpart.NotInvariants(t)
	t.Parallel()
	bothWays(t, testRepairFaults)
}

func testRepairFaults(t *testing.T, sums bool) {
	healthy, window := operateWith(t, false, sums), operateWith(t, true, sums)
	before := picture(t, mountKept(t, healthy.medium))
	for _, d := range atRest() {
		t.Run(d.name, func(t *testing.T) { repairFault(t, healthy, d, before) })
	}
	before = picture(t, mountKept(t, window.medium))
	for _, d := range inWindow() {
		t.Run(d.name, func(t *testing.T) { repairFault(t, window, d, before) })
	}
}

// repairFault damages a copy of a medium and expects a repair to leave nothing to find, and everything in its place that
// is not said to be lost.
func repairFault(t *testing.T, healthy *surgery, d damage, before map[string]item) {
	s := *healthy
	s.t, s.medium = t, bytes.Clone(healthy.medium)
	d.do(&s)
	after, r := repaired(t, s.medium)
	f := r.Before.Faults[0]
	if class := check.Class(f.Class); class == check.SuperblockBoth || class == check.ImageTruncated {
		if !bytes.Equal(after, s.medium) || r.After.Clean() || len(r.Notes) == 0 || !r.Left(f) {
			t.Error("nothing can be done, and that is to be said")
		}
		return
	}
	reportFaults(t, r.After, nil)
	if t.Failed() {
		return
	}
	if r.Before.Clean() || r.Left(r.Before.Faults[0]) {
		t.Error("no fault was repaired")
	}
	again, nothing := repaired(t, after)
	if !bytes.Equal(again, after) || nothing.Written != 0 || len(nothing.Notes) != 0 {
		t.Error("a second repair changes something")
	}
	comparePictures(t, before, picture(t, mountKept(t, after)), r)
}

// comparePictures expects what was there to be there, unless a note says otherwise.
func comparePictures(t *testing.T, before, after map[string]item, r *RepairReport) {
	t.Helper()
	said := map[string]bool{}
	for _, n := range r.Notes {
		said[n.Object] = true
	}
	for path, was := range before {
		is, ok := after[path]
		if ok && is == was {
			continue
		}
		explained := said[fmt.Sprintf("inode %d", was.ino)] || saidOfAttribute(r, was.ino)
		for up := path; up != "" && !explained; {
			up = up[:strings.LastIndex(up, "/")]
			explained = said[fmt.Sprintf("directory %d", before[up].ino)] || said[fmt.Sprintf("inode %d", before[up].ino)]
		}
		if !explained {
			t.Errorf("%q was inode %d, %s; is inode %d, %s; nothing is said of that: %v", path, was.ino, was.look, is.ino, is.look, r.Notes)
		}
	}
	here := map[uint64]string{}
	for _, is := range after {
		here[is.ino] = is.look
	}
	for path, was := range before { // by whatever name
		if here[was.ino] != was.look && !said[fmt.Sprintf("inode %d", was.ino)] && !saidOfAttribute(r, was.ino) {
			t.Errorf("%q, inode %d, was %s, is %s", path, was.ino, was.look, here[was.ino])
		}
	}
}

func saidOfAttribute(r *RepairReport, ino uint64) bool {
	return slices.ContainsFunc(r.Notes, func(n RepairNote) bool {
		return strings.HasPrefix(n.Object, "attribute ") && strings.HasSuffix(n.Object, fmt.Sprintf("of inode %d", ino))
	})
}
