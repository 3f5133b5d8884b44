package integration

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"pmemfs/integration/harness"
)

// benchCell is what is looked at of a cell of `benchserver --json`.
type benchCell struct {
	Row         string      `json:"row"`
	Connections int         `json:"connections"`
	Depth       int         `json:"depth"`
	Echo        benchFigure `json:"echo"`
	Servers     []struct {
		benchFigure
		Server string  `json:"server"`
		Failed string  `json:"failed"`
		Ratio  float64 `json:"ratio_to_echo"`
	} `json:"servers"`
}

type benchFigure struct {
	OpsPerSec float64   `json:"ops_per_s"`
	CPUMicros float64   `json:"server_cpu_us_per_op"`
	Verified  int64     `json:"replies_verified"`
	Rounds    []float64 `json:"rounds_ops_per_s"`
}

// TestBenchServer measures our stacks for a moment, all operations, and
// demands that nothing is missing: the bench itself fails on a reply that it
// cannot verify.
func TestBenchServer(t *testing.T) { benchAll(t, "nfs3", 13, "native", "go-nfs") }

// TestBenchNineP is the same for 9P, beside Debian's server and the Go library's.
func TestBenchNineP(t *testing.T) {
	benchAll(t, "9p", 7, "native", "p9-mem", "diod")
}

func benchAll(t *testing.T, protocol string, operations int, stacks ...string) {
	dir := t.TempDir()
	svg := filepath.Join(dir, "plot.svg")
	r := harness.Bench(t, dir, "--protocol", protocol, "--quick", "--cell", "5ms", "--rounds", "2",
		"--targets", strings.Join(stacks, ","), "--json", "--svg", svg)
	var report struct {
		Protocol string
		Servers  []struct{ Name, Absent string }
		Cells    []benchCell
	}
	if err := json.Unmarshal([]byte(r.Stdout), &report); err != nil {
		t.Fatalf("%v\n%s", err, r.Stdout)
	}
	if report.Protocol != protocol {
		t.Errorf("it measured %s", report.Protocol)
	}
	for _, s := range report.Servers {
		if s.Absent != "" {
			t.Errorf("%s is absent: %s", s.Name, s.Absent)
		}
	}
	rows := make(map[string]int)
	for _, c := range report.Cells {
		rows[c.Row]++
		figures := []benchFigure{c.Echo}
		for _, s := range c.Servers {
			if s.Failed != "" || !slices.Contains(stacks, s.Server) || s.Ratio <= 0 {
				t.Errorf("%s on %s: ratio %v, %s", c.Row, s.Server, s.Ratio, s.Failed)
			}
			figures = append(figures, s.benchFigure)
		}
		if len(figures) != 1+len(stacks) {
			t.Errorf("%s: %d figures", c.Row, len(figures))
		}
		for _, f := range figures {
			if f.OpsPerSec <= 0 || f.CPUMicros <= 0 || len(f.Rounds) != 2 || f.Verified < int64(2*c.Connections*c.Depth) {
				t.Errorf("%s, %d connections, %d outstanding: %+v", c.Row, c.Connections, c.Depth, f)
			}
		}
	}
	if len(rows) != operations {
		t.Errorf("%d operations, want %d: %v", len(rows), operations, rows)
	}
	for row, n := range rows {
		if n != 4 {
			t.Errorf("%s has %d cells, want 4", row, n)
		}
	}
	plotWhole(t, svg, operations, stacks)
}

// plotWhole demands well-formed XML with a bar for everything.
func plotWhole(t *testing.T, name string, operations int, stacks []string) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	bars := 0
	for d := xml.NewDecoder(f); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("the plot: %v", err)
		}
		if start, ok := token.(xml.StartElement); ok && start.Name.Local == "title" {
			bars++
		}
	}
	if want := operations * 4 * len(stacks); bars != want {
		t.Errorf("the plot has %d bars, want %d", bars, want)
	}
}

// TestBenchBase measures two builds in the same rounds; here both are the same.
func TestBenchBase(t *testing.T) {
	for _, protocol := range []string{"nfs3", "9p"} {
		r := harness.Bench(t, t.TempDir(), "--protocol", protocol, "--base", harness.Binary(t), "--rows", "getattr", "--depths", "1",
			"--conns", "1", "--rounds", "1", "--cell", "5ms", "--json")
		var report struct {
			Cells []struct {
				Servers []struct{ Server, Failed string }
				Lead    float64 `json:"native_to_best_other"`
			}
		}
		if err := json.Unmarshal([]byte(r.Stdout), &report); err != nil {
			t.Fatalf("%v\n%s", err, r.Stdout)
		}
		if len(report.Cells) != 1 || len(report.Cells[0].Servers) != 2 || report.Cells[0].Lead <= 0 {
			t.Errorf("%s: %+v", protocol, report)
		}
	}
}

// TestBenchIdle looks at the memory of a server with idle connections.
func TestBenchIdle(t *testing.T) {
	r := harness.Bench(t, t.TempDir(), "--idle", "200", "--targets", "native", "--json")
	var report struct {
		Idle []struct {
			Failed      string
			Connections int
			Before      int64 `json:"rss_before_bytes"`
			After       int64 `json:"rss_after_bytes"`
		}
	}
	if err := json.Unmarshal([]byte(r.Stdout), &report); err != nil {
		t.Fatalf("%v\n%s", err, r.Stdout)
	}
	if len(report.Idle) != 1 || report.Idle[0].Failed != "" || report.Idle[0].Connections != 200 || report.Idle[0].Before <= 0 || report.Idle[0].After <= 0 {
		t.Errorf("%+v", report.Idle)
	}
}

// TestBenchStopped: a signal in the midst of a benchmark leaves nothing behind.
func TestBenchStopped(t *testing.T) {
	for _, c := range []struct {
		program, seen string
		args          []string
	}{
		{harness.BenchServer(t), "native.img", []string{"--pmemfs", harness.Binary(t), "--rounds", "100", "--targets", "native", "--dir"}},
		// As root this one runs in namespaces of its own.
		{harness.BenchServer(t), "native.img", []string{"--pmemfs", harness.Binary(t), "--rounds", "100", "--targets", "native,ganesha-mem", "--dir"}},
		{harness.Binary(t), "image", []string{"bench", "engine", "--rounds", "100", "--image-dir"}},
	} {
		for _, signal := range []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
			dir := t.TempDir()
			cmd := exec.Command(c.program, append(c.args, dir)...)
			ended := make(chan error, 1)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			go func() { ended <- cmd.Wait() }()
			for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
				if images, err := filepath.Glob(filepath.Join(dir, "*", c.seen)); err != nil || len(images) > 0 {
					break
				}
				if time.Now().After(deadline) {
					t.Fatalf("%s %q makes no image", c.program, c.args)
				}
			}
			if err := cmd.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			select {
			case <-ended:
			case <-time.After(patience):
				t.Fatalf("%s %q goes on after %s: %v", c.program, c.args, signal, cmd.Process.Kill())
			}
			if status := cmd.ProcessState.ExitCode(); status != 1 {
				t.Errorf("%s %q ends with %d after %s", c.program, c.args, status, signal)
			}
			if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
				t.Errorf("%s %q leaves %v after %s, %v", c.program, c.args, left, signal, err)
			}
		}
	}
}
