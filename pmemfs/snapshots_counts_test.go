package pmemfs

import (
	"fmt"
	"testing"

	"pmemfs/pmemfs/testpart"
)

// snapshotOps are what changes something after a snapshot. Each is done several times, i being how often before.
var snapshotOps = []struct {
	name   string
	fences uint64
	lines  [4]uint64 // of the first call and of a later one: without snapshots, and with any number of them
	run    func(f *fixture, i int) error
}{
	{"create", 1, [4]uint64{7, 7, 19, 7}, func(f *fixture, i int) error {
		return errOf(f.fs.Create(&f.c, nil, f.tree, fmt.Append(nil, "new", i), &CreateOptions{}))
	}},
	{"mkdir", 1, [4]uint64{7, 7, 19, 7}, func(f *fixture, i int) error {
		return errOf(f.fs.Mkdir(&f.c, nil, f.tree, fmt.Append(nil, "new", i), nil))
	}},
	{"unlink", 1, [4]uint64{5, 5, 27, 14}, func(f *fixture, i int) error { return f.fs.Unlink(&f.c, nil, f.tree, fmt.Append(nil, "old", i)) }},
	{"rename", 1, [4]uint64{5, 5, 26, 14}, func(f *fixture, i int) error {
		return f.fs.Rename(&f.c, nil, f.tree, fmt.Append(nil, "old", i), f.tree, fmt.Append(nil, "new", i), 0)
	}},
	{"setattr", 1, [4]uint64{3, 3, 12, 3}, func(f *fixture, i int) error {
		return errOf(f.fs.Setattr(&f.c, nil, f.file, &SetAttr{Mask: SetMode, Mode: 0o600 + uint32(i)}))
	}},
	{"write 4 KiB", 1, [4]uint64{67, 67, 78, 67}, func(f *fixture, i int) error { return write(4096, 0)(f) }},
	{"write 64 KiB", 2, [4]uint64{5, 3, 15, 3}, func(f *fixture, i int) error {
		return errOfWrite(f.fs.Write(&f.c, nil, f.big, make([]byte, 64<<10), 1<<20))
	}},
	{"truncate", 1, [4]uint64{3, 3, 13, 6}, func(f *fixture, i int) error {
		return errOf(f.fs.Setattr(&f.c, nil, f.big, &SetAttr{Mask: SetSize, Size: uint64(3<<20 - i<<16)}))
	}},
}

// snapshotCount is what one call cost.
type snapshotCount struct{ fences, lines uint64 }

// countAfter returns what the first call of an operation costs after some snapshots, and what a later one does.
func countAfter(t *testing.T, op int, snapshots int) (first, later snapshotCount) {
	t.Helper()
	f := newFixture(t, false)
	for i := range 3 {
		must(t, errOf(f.fs.Create(&f.c, nil, f.tree, fmt.Append(nil, "old", i), &CreateOptions{})))
	}
	for i := range snapshots {
		must(t, errOf(f.fs.CreateSnapshot(fmt.Sprint("s", i), "")))
	}
	must(t, f.fs.SyncAll())
	var counts []snapshotCount
	for i := range 3 {
		before := f.fs.Counters()
		must(t, snapshotOps[op].run(f, i))
		after := f.fs.Counters()
		counts = append(counts, snapshotCount{after.Fences - before.Fences, after.Lines - before.Lines})
	}
	checkFS(t, f.fs)
	closeFS(t, f.fs)
	return counts[0], counts[2]
}

// TestSnapshotCounts asserts that operations take as many fences with snapshots as without, and to the line what they flush: a thousand
// snapshots cost what one does, and what has been kept once is not kept again. A later unlink or rename keeps the inode of another file.
func TestSnapshotCounts(t *testing.T) {
	testpart.NotRace(t)
	for i, op := range snapshotOps {
		var got [6]snapshotCount
		for k, snapshots := range []int{0, 1, 1000} {
			got[2*k], got[2*k+1] = countAfter(t, i, snapshots)
		}
		for k, lines := range []uint64{op.lines[0], op.lines[1], op.lines[2], op.lines[3], op.lines[2], op.lines[3]} {
			if want := (snapshotCount{op.fences, lines}); got[k] != want {
				t.Errorf("%s: count %d is %+v, expected %+v", op.name, k, got[k], want)
			}
		}
		t.Logf("%-12s first and later: without %v, one snapshot %v, 1,000 snapshots %v", op.name, got[:2], got[2:4], got[4:])
	}
}
