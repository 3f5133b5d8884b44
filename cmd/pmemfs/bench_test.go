package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"pmemfs/cmd/pmemfs/internal/bench"
)

// benchJSON runs a benchmark, reads its report, and demands that nothing is left in dir.
func benchJSON(t *testing.T, dir string, report any, args ...string) {
	t.Helper()
	stdout, _ := want(t, 0, append([]string{"bench"}, append(args, "--json")...)...)
	if err := json.Unmarshal([]byte(stdout), report); err != nil {
		t.Fatalf("%v\n%s", err, stdout)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left behind %v, %v", left, err)
	}
}

func TestBenchEngine(t *testing.T) {
	dir := t.TempDir()
	var report bench.EngineReport
	benchJSON(t, dir, &report, "engine", "--count", "50", "--rounds", "1", "--image-dir", dir, "--image-size", "64MiB", "--compare", dir)
	if report.Domain != "page-cache" || len(report.Folders) != 1 || report.Folders[0].Path != dir || report.Folders[0].Filesystem == "" {
		t.Errorf("%+v", report)
	}
	for _, row := range report.Rows {
		// A checkpoint within the round adds fences of its own, never one per operation.
		limit := map[string]float64{"lookup": 0.1, "getattr": 0.1, "read 4 KiB": 0.1, "write 64 KiB": 2.5}[row.Name]
		if limit == 0 {
			limit = 1.5
		}
		if row.NsPerOp <= 0 || row.Fences > limit || len(row.Compared) != 1 || row.Compared[0].NsPerOp <= 0 || row.Compared[0].Ratio <= 0 {
			t.Errorf("%+v", row)
		}
	}
	for domain, args := range map[string][]string{"volatile": nil, "cache-flush": {"--domain", "cache-flush"}} {
		args := append([]string{"bench", "engine", "--count", "10", "--rounds", "1", "--image-size", "64MiB"}, args...)
		if stdout, _ := want(t, 0, args...); !strings.Contains(stdout, "in domain "+domain) {
			t.Errorf("%q as text:\n%s", args, stdout)
		}
	}
}

// TestBenchEngineParallel: what several goroutines do is compared with one, which need not be asked for.
func TestBenchEngineParallel(t *testing.T) {
	dir := t.TempDir()
	var report bench.ParallelReport
	benchJSON(t, dir, &report, "engine", "--parallel", "3", "--count", "150", "--rounds", "1", "--compare", dir)
	rows := map[string]int{}
	for i, row := range report.Rows {
		rows[row.Place]++
		for _, f := range row.Targets {
			if f.OpsPerSec <= 0 || f.Gain <= 0 || row.Goroutines == 1 && f.Gain != 1 {
				t.Errorf("%+v", row)
			}
		}
		if len(row.Targets) != 2 || row.Goroutines != 1+i%2*2 {
			t.Errorf("%+v", row)
		}
	}
	if len(rows) != 3 || rows["own directories"] != 10 || rows["one directory"] != 6 || rows["one file"] != 6 {
		t.Errorf("rows %v", rows)
	}
}

func TestBenchDirTest(t *testing.T) {
	dir := t.TempDir()
	var report bench.DirTestReport
	benchJSON(t, dir, &report, "dirtest", "--operations", "500", "--names", "70", "--dirs", "3", "--rounds", "2", "--parallel", "2,2",
		"--compare", dir, "--image-dir", dir, "--image-size", "64MiB")
	if len(report.Rows) != 4 {
		t.Fatalf("%+v", report)
	}
	for i, row := range report.Rows {
		if row.NsPerOp <= 0 || row.Goroutines != 1+i/2 || (row.Target == "engine") != (i%2 == 0) || row.Ratio <= 0 || row.Gain <= 0 {
			t.Errorf("%+v", row)
		}
	}
	stdout, _ := want(t, 0, "bench", "dirtest", "--operations", "10", "--names", "5", "--rounds", "1", "--markdown", "--processor-time")
	if !strings.Contains(stdout, "\n| engine | 1 |") {
		t.Errorf("for a document:\n%s", stdout)
	}
}

func TestBenchDurable(t *testing.T) {
	dir := t.TempDir()
	var report bench.DurableReport
	benchJSON(t, dir, &report, "durable", dir, "--large", "2", "--small", "4", "--rounds", "1")
	if len(report.Ways) == 0 || len(report.Rows) != 6 || report.Domain != "page-cache" {
		t.Fatalf("%+v", report)
	}
	for _, row := range report.Rows {
		if row.NsPerOp <= 0 || len(row.Compared) != len(report.Ways) {
			t.Errorf("%+v", row)
		}
	}
}
