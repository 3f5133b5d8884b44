package pmemfs

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pmemfs/pmemfs/testpart"
)

// residentKiB returns the process's resident anonymous memory: pages of the mapped image are the page cache's.
func residentKiB(t testing.TB) int {
	t.Helper()
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		var n int
		if _, err := fmt.Sscanf(line, "RssAnon: %d kB", &n); err == nil {
			return n
		}
	}
	t.Fatal("no RssAnon in /proc/self/status")
	return 0
}

// TestOpenAfterKill opens filesystems of a thousand and of a million files that were not closed. Open must not read what
// it does not need: the journal records replayed are counted, the times only logged.
func TestOpenAfterKill(t *testing.T) {
	testpart.NotRace(t)
	testpart.NotInvariants(t)
	for _, n := range []int{1000, 1_000_000} {
		path := filepath.Join(t.TempDir(), "img")
		if err := Format(path, FormatOptions{Size: 1 << 30}); err != nil {
			t.Fatal(err)
		}
		killed := populate(t, path, n)
		info, err := ReadInfo(killed)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		fs, err := Open(killed, Options{Durability: DurabilityProcess})
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%d files: open after a kill took %v with %d records to replay; resident (anonymous) %d KiB",
			n, time.Since(start).Round(10*time.Microsecond), info.ReplayRecords, residentKiB(t))
		if info.ReplayRecords == 0 {
			t.Error("nothing to replay: the kill was not one")
		}
		if got := fs.Info().UsedInodes; got < uint64(n) {
			t.Errorf("%d inodes, expected at least %d", got, n)
		}
		closeFS(t, fs)
		checkImage(t, killed)
	}
}

// populate makes n files and returns a copy of the image as a kill at that moment leaves it.
func populate(t *testing.T, path string, n int) string {
	t.Helper()
	fs, err := Open(path, Options{Durability: DurabilityProcess, NoBackground: true})
	if err != nil {
		t.Fatal(err)
	}
	c := &Cred{}
	var dir Handle
	for i := range n {
		if i%10_000 == 0 {
			a, err := fs.Mkdir(c, nil, fs.Root(), fmt.Appendf(nil, "d%d", i), nil)
			if err != nil {
				t.Fatal(err)
			}
			dir = a.Handle
		}
		if _, err := fs.Create(c, nil, dir, fmt.Appendf(nil, "f%d", i), &CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	killed := path + ".killed"
	if err := os.WriteFile(killed, fs.region.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	closeFS(t, fs)
	return killed
}

// BenchmarkOpen opens an image with a ring of 16 MiB, all of it written, with an empty window and with one of 4 MiB, with
// and without notes.
func BenchmarkOpen(b *testing.B) {
	for _, notes := range []bool{false, true} {
		for _, window := range []bool{false, true} {
			b.Run(fmt.Sprintf("notes=%v/window=%v", notes, window), func(b *testing.B) { benchOpen(b, notes, window) })
		}
	}
}
