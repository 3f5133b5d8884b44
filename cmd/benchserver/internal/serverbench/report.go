package serverbench

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// Names of the two forms of the echo.
const (
	EchoPlain   = "echo-plain"
	EchoBatched = "echo-batched"
)

// Report is all that was measured, for JSON.
type Report struct {
	Protocol string   `json:"protocol"`
	Machine  Machine  `json:"machine"`
	Rounds   int      `json:"rounds"`
	CellMs   int64    `json:"cell_ms"`
	Servers  []Server `json:"servers"`
	Cells    []Cell   `json:"cells,omitempty"`
	Idle     []Idle   `json:"idle,omitempty"`
}

// Machine says where the figures are from; they mean little elsewhere.
type Machine struct {
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	Kernel string `json:"kernel"`
	Go     string `json:"go"`
}

// Server is one target. Absent says why it was not measured.
type Server struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
	Absent  string `json:"absent,omitempty"`
}

// Cell is one operation with so many outstanding calls on each of so many connections.
type Cell struct {
	Row         string  `json:"row"`
	Connections int     `json:"connections"`
	Depth       int     `json:"depth"`
	Asked       int     `json:"depth_asked"`   // more than the depth where that much data under way would be too much
	Pinned      bool    `json:"one_processor"` // both sides ran on one
	Echo        Figure  `json:"echo"`
	Servers     []Entry `json:"servers"`
	// Lead is the median over the rounds of the native stack's operations per second divided by those of the best of the
	// others; 0 if there is nothing to compare.
	Lead float64 `json:"native_to_best_other"`
}

// Entry is one server's figure in a cell.
type Entry struct {
	Server string `json:"server"`
	// Failed says why there is no figure.
	Failed string `json:"failed,omitempty"`
	Figure
	// Ratio is the median over the rounds of operations per second divided by the echo's.
	Ratio float64 `json:"ratio_to_echo"`
}

// Figure is a median over the rounds.
type Figure struct {
	Server    string    `json:"form,omitempty"` // of the echo: which of the two
	OpsPerSec float64   `json:"ops_per_s"`
	CPUMicros float64   `json:"server_cpu_us_per_op"`
	Verified  int64     `json:"replies_verified"` // in all rounds
	Rounds    []float64 `json:"rounds_ops_per_s"`
	cpu       []float64
}

func (f *Figure) add(s sample) {
	f.Rounds = append(f.Rounds, s.ops/s.seconds)
	f.cpu = append(f.cpu, s.cpuMicros/s.ops)
	f.Verified += s.replies
}

func (f *Figure) takeMedians() { f.OpsPerSec, f.CPUMicros = median(f.Rounds), median(f.cpu) }

// sample is what one server did in one round of a cell.
type sample struct {
	ops       float64 // operations, less than replies where it takes several
	replies   int64
	seconds   float64
	cpuMicros float64
	bytes     int64      // of all replies, with record marks
	kept      [256]*kept // of the first connection
}

// kept is what is known of the replies of one kind.
type kept struct {
	head           []byte // of the first
	replies, bytes int64
}

// Idle is the memory that idle connections take.
type Idle struct {
	Server      string `json:"server"`
	Connections int    `json:"connections"`
	BeforeBytes int64  `json:"rss_before_bytes"`
	AfterBytes  int64  `json:"rss_after_bytes"`
	Failed      string `json:"failed,omitempty"`
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// Print writes the report for people.
func (r *Report) Print(w io.Writer) error {
	fmt.Fprintf(w, "%s, %d cores, Linux %s, %s\n", r.Machine.CPU, r.Machine.Cores, r.Machine.Kernel, r.Machine.Go)
	for _, s := range r.Servers {
		if s.Absent != "" {
			fmt.Fprintf(w, "%s: ABSENT: %s\n", s.Name, s.Absent)
		} else {
			fmt.Fprintf(w, "%s: %s\n", s.Name, s.Version)
		}
	}
	if len(r.Idle) > 0 {
		return r.printIdle(w)
	}
	fmt.Fprintf(w, "%s of %d ms a cell. Each server: operations per second, as a ratio to the echo's, CPU microseconds per operation.\n"+
		"Lead: the native stack's operations per second as a ratio to those of the best of the others; - where there is none.\n"+
		"Ratios are medians of the rounds' own ratios. What this program starts has a volatile image or a tmpfs: nothing durable is measured there.\n",
		rounds(r.Rounds), r.CellMs)
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "operation\tconns\tdepth\techo\tus\t")
	names := r.present()
	for _, name := range names {
		fmt.Fprintf(t, "%s\tratio\tus\t", name)
	}
	fmt.Fprintln(t, "lead\t")
	for _, c := range r.Cells {
		fmt.Fprintf(t, "%s\t%d\t%d\t%.0f\t%.1f\t", c.Row, c.Connections, c.Depth, c.Echo.OpsPerSec, c.Echo.CPUMicros)
		for _, name := range names {
			fmt.Fprint(t, c.entry(name))
		}
		fmt.Fprintf(t, "%s\t\n", c.lead())
	}
	if err := t.Flush(); err != nil {
		return err
	}
	return r.printFailures(w)
}

// rounds says how many.
func rounds(n int) string {
	if n == 1 {
		return "1 round"
	}
	return fmt.Sprintf("%d rounds", n)
}

// present are the names of the servers that were measured.
func (r *Report) present() []string {
	var names []string
	for _, s := range r.Servers {
		if s.Absent == "" && !strings.HasPrefix(s.Name, "echo") {
			names = append(names, s.Name)
		}
	}
	return names
}

// takeMedians makes medians of the rounds.
func (c *Cell) takeMedians() {
	c.Echo.takeMedians()
	var native []float64
	best := make([]float64, len(c.Echo.Rounds))
	for i := range c.Servers {
		e := &c.Servers[i]
		e.takeMedians()
		ratios := make([]float64, len(e.Rounds))
		for j, ops := range e.Rounds {
			ratios[j] = ops / c.Echo.Rounds[j]
			if e.Server != TargetNative {
				best[j] = max(best[j], ops)
			}
		}
		e.Ratio = median(ratios)
		if e.Server == TargetNative {
			native = e.Rounds
		}
	}
	leads := make([]float64, 0, len(native))
	for j, ops := range native {
		if best[j] > 0 {
			leads = append(leads, ops/best[j])
		}
	}
	c.Lead = median(leads)
}

// entry is a server's three columns.
func (c *Cell) entry(name string) string {
	for _, e := range c.Servers {
		if e.Server == name && e.Failed == "" {
			return fmt.Sprintf("%.0f\t%.3f\t%.1f\t", e.OpsPerSec, e.Ratio, e.CPUMicros)
		}
	}
	return "failed\t-\t-\t"
}

// printFailures says once for each server and row why there is no figure.
func (r *Report) printFailures(w io.Writer) error {
	said := make(map[string]bool)
	for _, c := range r.Cells {
		for _, e := range c.Servers {
			line := fmt.Sprintf("%s on %s: %s", c.Row, e.Server, e.Failed)
			if e.Failed == "" || said[line] {
				continue
			}
			said[line] = true
			if _, err := fmt.Fprintln(w, line); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *Report) printIdle(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "server\tidle connections\tMiB before\tMiB\t")
	for _, i := range r.Idle {
		if i.Failed != "" {
			fmt.Fprintf(t, "%s\t%d\tfailed: %s\t\t\n", i.Server, i.Connections, i.Failed)
			continue
		}
		fmt.Fprintf(t, "%s\t%d\t%.1f\t%.1f\t\n", i.Server, i.Connections, float64(i.BeforeBytes)/(1<<20), float64(i.AfterBytes)/(1<<20))
	}
	return t.Flush()
}
