//go:build locktimes

package main

import (
	"testing"

	"pmemfs/cmd/pmemfs/internal/bench"
)

func TestBenchLocks(t *testing.T) {
	dir := t.TempDir()
	var report bench.LocksReport
	benchJSON(t, dir, &report, "locks", "--count", "100", "--rounds", "2", "--image-dir", dir, "--image-size", "64MiB", "--processors", "16")
	if len(report.Rows) == 0 {
		t.Fatal("no operations")
	}
	for _, row := range report.Rows {
		gates := 0.0
		for _, l := range row.Locks {
			if l.Name == "gate" {
				gates = l.Reads
			}
			if l.Of < 1 || l.HeldNs < 0 || l.Takes+l.Reads <= 0 {
				t.Errorf("%s: %+v", row.Name, l)
			}
		}
		if gates < 1 {
			t.Errorf("%s enters the gate %v times", row.Name, gates)
		}
		if row.NsPerOp <= 0 || len(row.Ceiling) != 1 || row.Ceiling[0] <= 0 {
			t.Errorf("%+v", row)
		}
	}
	want(t, 1, "bench", "locks", "--processors", "0")
	want(t, 0, "bench", "locks", "--count", "10", "--rounds", "1", "--markdown", "--sums")
}
