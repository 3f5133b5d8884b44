package pmemfs

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/pmem"
	"pmemfs/pmemfs/testpart"
)

// fenceRow is what holds a row of DESIGN.md's table of fences.
type fenceRow struct {
	fences  string
	counted []string                              // rows of TestFences
	tests   []string                              // tests of other files that count, as in "folder TestName"
	measure func(f *fixture) (want, got []uint64) // counts what no other test does
}

// fenceRows are the rows of the table by their first column.
var fenceRows = map[string]fenceRow{
	"create, mkdir, mknod, symlink":          {fences: "1", counted: []string{"create", "create exclusive", "mkdir", "mknod", "symlink"}},
	"symlink target over 96 bytes":           {fences: "1", counted: []string{"symlink, long"}},
	"link":                                   {fences: "1", counted: []string{"link"}},
	"unlink, rmdir":                          {fences: "1", counted: []string{"unlink", "unlink 4 MiB", "rmdir"}},
	"rename":                                 {fences: "1", counted: []string{"rename", "rename to another directory", "rename over a file", "rename exchange", "rename a directory"}},
	"setattr, truncate":                      {fences: "1", counted: []string{"setattr", "truncate to 0", "truncate up"}},
	"write of up to 4 KiB":                   {fences: "1", counted: []string{"write 1 byte", "write 4 KiB, overwriting", "write 4 KiB, unaligned", "append 4 KiB", "write 4 KiB into a hole", "append 1,000 bytes"}},
	"larger write":                           {fences: "2", counted: []string{"write 4097 bytes", "write 64 KiB", "write 1 MiB", "write 16 MiB"}},
	"set attribute up to 1 KiB / over":       {fences: "1 / 2", counted: []string{"set a short attribute", "set a long attribute"}},
	"lock, unlock":                           {fences: "0", counted: []string{"lock, wait, unlock"}},
	"reads":                                  {fences: "0", counted: []string{"lookup", "getattr", "read", "readdir", "access by a list", "sync"}},
	"larger write, on an ordinary file":      {fences: "1", tests: []string{"pmemfs TestBulkFences"}},
	"set access control lists, both at once": {fences: "1", counted: []string{"set access control lists", "remove lists"}},
	"create, mkdir, mknod below a default list; chmod of what has one": {fences: "1",
		counted: []string{"create below a default list", "mkdir below a default list", "mode of what has a list"}},
	"set or drop a value in a server's key-value store": {fences: "1", counted: []string{"put a value"}},
	"a client's first lock after a minute without":      {fences: "1", tests: []string{"server/nsm TestDurable"}},
	"generations beyond those of the mount (once in 2^32 inodes of one mount)": {fences: "1",
		tests: []string{"pmemfs/internal/inode TestGenerationsRunOut"}},
	"the first charge to a user, a group or a directory tree":            {fences: "1 more, or 2", tests: []string{"pmemfs TestQuotaFences"}},
	"a quota set or taken away; a soft limit that begins to be exceeded": {fences: "1", tests: []string{"pmemfs TestQuotaFences"}},
	"accounting turned on":                                 {fences: "3", tests: []string{"pmemfs TestQuotaFences"}},
	"counting what is there; giving a tree to its account": {fences: "1 for each 32 inodes", tests: []string{"pmemfs TestQuotaFences"}},
	"checkpoint": {fences: "2", tests: []string{"pmemfs TestCheckpointFlushesOnce"}},
	"the first unstable write of a mount, on an ordinary file": {fences: "1", tests: []string{"pmemfs TestUnstableFences"}},
	"open after a crash":                                      {fences: "3", tests: []string{"pmemfs TestNotesFence"}},
	"open, with an empty window":                              {fences: "2", tests: []string{"pmemfs TestNotesFence"}},
	"open, with request notes to carry over":                  {fences: "3", tests: []string{"pmemfs TestNotesFence"}},
	"unlink of a file in more than 256 extents":               {fences: "1 for each 256 extents", measure: longUnlink},
	"unlink of an open file":                                  {fences: "1 + 1 for each 256 extents", measure: openUnlink},
	"allocate, punch hole":                                    {fences: "1 for each 64 / 256 extents", counted: []string{"allocate 16 MiB", "punch a hole"}, measure: longSpace},
	"growth of the inode file (once in 256 to 8,000 creates)": {fences: "2", measure: growth},
	"end of the inode file given back (once in 1,000 removals or more)": {fences: "1 for each 128 extents", measure: trims,
		tests: []string{"pmemfs TestTrimAtOpen"}},
	"mkfs": {fences: "4", measure: mkfs},
	"the first change of something after a snapshot": {fences: "as without", measure: snapshotChanges},
	"a snapshot made, deleted, held or released":     {fences: "1", measure: snapshotCalls},
	"the first snapshot of an image":                 {fences: "3", measure: snapshotFirst},
	"freeing what a deleted snapshot held":           {fences: "1 for each 64 entries, 1 at the end", measure: snapshotFrees},
	"grow":                                           {fences: "up to 9", tests: []string{"pmemfs TestGrowFences"}},
}

// TestFencesOfDesign holds DESIGN.md's table of fences to what is counted: each of its rows is here with the same figure, and each of them
// is counted by TestFences, by another test that is named, or here.
func TestFencesOfDesign(t *testing.T) {
	testpart.NotRace(t)
	text, err := os.ReadFile("../DESIGN.md")
	must(t, err)
	_, table, ok := strings.Cut(string(text), "\n| operation | the record holds | fences |\n|---|---|---|\n")
	if !ok {
		t.Fatal("DESIGN.md has no table of fences")
	}
	table, _, _ = strings.Cut(table, "\n\n")
	seen := 0
	for line := range strings.Lines(table) {
		cells := strings.Split(strings.TrimSpace(line), " | ")
		name, fences := strings.TrimPrefix(cells[0], "| "), strings.TrimSuffix(cells[len(cells)-1], " |")
		row, ok := fenceRows[name]
		if !ok || row.fences != fences {
			t.Errorf("DESIGN.md says that %q takes %q, here it is %q", name, fences, row.fences)
			continue
		}
		seen++
		t.Run(name, row.check)
	}
	if seen != len(fenceRows) {
		t.Errorf("DESIGN.md has %d of %d rows", seen, len(fenceRows))
	}
}

func (row *fenceRow) check(t *testing.T) {
	for _, name := range row.counted {
		found := false
		for _, op := range operations {
			found = found || op.name == name && strings.Contains(row.fences, fmt.Sprint(op.fences))
		}
		if !found {
			t.Errorf("TestFences has no %q of %s fences", name, row.fences)
		}
	}
	for _, test := range row.tests {
		folder, name, _ := strings.Cut(test, " ")
		files, err := filepath.Glob(filepath.Join("..", folder, "*_test.go"))
		must(t, err)
		found := false
		for _, file := range files {
			source, err := os.ReadFile(file)
			must(t, err)
			found = found || strings.Contains(string(source), "\nfunc "+name+"(t *testing.T) {\n")
		}
		if !found {
			t.Errorf("package %s has no %s", folder, name)
		}
	}
	if row.measure == nil {
		return
	}
	f := newFixture(t, false)
	want, got := row.measure(f)
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%v fences, expected %v", got, want)
			break
		}
	}
	checkFS(t, f.fs)
	closeFS(t, f.fs)
}

// longUnlink removes a file of 600 extents.
func longUnlink(f *fixture) (want, got []uint64) {
	f.pieces("long", 600)
	return []uint64{3}, []uint64{f.fences(func() error { return f.fs.Unlink(&f.c, nil, f.root, []byte("long")) })}
}

// openUnlink removes a file of 600 extents that is open, and closes it.
func openUnlink(f *fixture) (want, got []uint64) {
	h := f.pieces("long", 600)
	must(f.t, f.fs.Hold(h))
	return []uint64{1, 3}, []uint64{
		f.fences(func() error { return f.fs.Unlink(&f.c, nil, f.root, []byte("long")) }),
		f.fences(func() error { return f.fs.Release(h) }),
	}
}

// longSpace allocates 600 holes and punches 600 extents.
func longSpace(f *fixture) (want, got []uint64) {
	const n = 600
	a, b := f.pieces("a", n), f.pieces("b", n)
	return []uint64{(n + 63) / 64, (n + 255) / 256}, []uint64{
		f.fences(func() error { return f.fs.Allocate(&f.c, nil, a, 0, 2*n*layout.BlockSize, false) }),
		f.fences(func() error { return f.fs.PunchHole(&f.c, nil, b, 0, 2*n*layout.BlockSize) }),
	}
}

// growth makes files until the inode file has grown.
func growth(f *fixture) (want, got []uint64) {
	limit := f.fs.a.Inodes.Limit()
	for i := 0; ; i++ {
		fences := f.fences(func() error {
			_, err := f.fs.Create(&f.c, nil, f.tree, fmt.Appendf(nil, "%d", i), &CreateOptions{})
			return err
		})
		if f.fs.a.Inodes.Limit() != limit {
			return []uint64{2 + 1}, []uint64{fences}
		}
	}
}

// trims removes many files: the last removal sets off one record more, as the end of the inode file is in few extents.
func trims(f *fixture) (want, got []uint64) {
	const n = 3000
	makeMany(f.t.(*testing.T), f.fs, f.tree, n)
	limit := f.fs.a.Inodes.Limit()
	for i := n - 1; ; i-- {
		fences := f.fences(func() error { return f.fs.Unlink(&f.c, nil, f.tree, fmt.Appendf(nil, "%d", i)) })
		if f.fs.a.Inodes.Limit() != limit {
			return []uint64{1 + 1}, []uint64{fences}
		}
	}
}

// mkfs formats a region.
func mkfs(f *fixture) (want, got []uint64) {
	region, err := pmem.NewMemory(8<<20, pmem.CacheFlush)
	must(f.t, err)
	must(f.t, formatRegion(region, &FormatOptions{RootMode: 0o755}, strings.NewReader(strings.Repeat("random", 100))))
	fences := region.Counters().Fences
	must(f.t, region.Close())
	return []uint64{4}, []uint64{fences}
}
