package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"pmemfs/pmemfs"
)

const (
	benchImageBytes = 1 << 30
	compareTmpfs    = "tmpfs"
)

func newBench() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure",
		Example: `  pmemfs bench engine
  pmemfs bench engine --compare tmpfs --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newBenchEngine())
	return cmd
}

// benchFlags are the options of bench engine.
type benchFlags struct {
	json     bool
	count    int
	rounds   int
	imageDir string
	compare  string
	tmpfsDir string
}

func newBenchEngine() *cobra.Command {
	var f benchFlags
	cmd := &cobra.Command{
		Use:   "engine",
		Short: "Nanoseconds, fences and flushed lines of each operation",
		Long: `Measure the engine without a network: for each operation the nanoseconds, the fences and the cache lines flushed,
over a temporary image in memory (domain volatile: no flush takes time), or in a folder that decides the domain. One
goroutine; the median of several rounds. Lines include the operation's share of checkpoints.`,
		Example: `  pmemfs bench engine
  pmemfs bench engine --json
  pmemfs bench engine --compare tmpfs            the same through system calls in a tmpfs
  pmemfs bench engine --image-dir /mnt/pmem      in the domain of that filesystem`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			report, err := f.measure()
			if err != nil {
				return err
			}
			if f.json {
				return printJSON(cmd.OutOrStdout(), report)
			}
			return printBench(cmd.OutOrStdout(), report)
		},
	}
	cmd.Flags().BoolVar(&f.json, "json", false, "print JSON")
	cmd.Flags().IntVar(&f.count, "count", 5000, "operations per round, 1 to 20000")
	cmd.Flags().IntVar(&f.rounds, "rounds", 5, "rounds, of which the median counts, 1 to 100")
	cmd.Flags().StringVar(&f.imageDir, "image-dir", "", "make the temporary image in this folder instead of in memory")
	cmd.Flags().StringVar(&f.compare, "compare", "", "also measure the same through system calls on: tmpfs")
	cmd.Flags().StringVar(&f.tmpfsDir, "tmpfs-dir", "/dev/shm", "folder on a tmpfs for --compare tmpfs")
	return cmd
}

// benchReport is what bench engine prints.
type benchReport struct {
	Domain string     `json:"domain"`
	Count  int        `json:"count"`
	Rounds int        `json:"rounds"`
	Rows   []benchRow `json:"operations"`
}

// benchRow is one operation. Fences and lines are per operation.
type benchRow struct {
	Name     string  `json:"name"`
	NsPerOp  float64 `json:"ns_per_op"`
	Fences   float64 `json:"fences_per_op"`
	Lines    float64 `json:"lines_per_op"`
	NTLines  float64 `json:"nt_lines_per_op"` // stored past the cache, which needs no flush
	TmpfsNs  float64 `json:"tmpfs_ns_per_op,omitempty"`
	Syscalls string  `json:"tmpfs_calls,omitempty"`
}

// benchCase is one operation on one target. prepare and tidy are not timed and run around every round.
type benchCase struct {
	name    string
	calls   string // for people: what it is made of
	prepare func(n int) error
	run     func(i int) error
	tidy    func(n int) error
}

// measure runs all operations on the engine and, if asked, on a tmpfs.
func (f *benchFlags) measure() (*benchReport, error) {
	switch {
	case f.count < 1 || f.count > 20000:
		return nil, fmt.Errorf("--count is 1 to 20000, not %d", f.count)
	case f.rounds < 1 || f.rounds > 100:
		return nil, fmt.Errorf("--rounds is 1 to 100, not %d", f.rounds)
	case f.compare != "" && f.compare != compareTmpfs:
		return nil, fmt.Errorf("--compare is %s, not %q", compareTmpfs, f.compare)
	}
	eng, closeEngine, err := f.openEngine()
	if err != nil {
		return nil, err
	}
	report, err := f.measureEngine(eng)
	if err = errors.Join(err, closeEngine()); err != nil {
		return nil, err
	}
	if f.compare == compareTmpfs {
		err = f.measureTmpfs(report)
	}
	return report, err
}

// openEngine makes the temporary filesystem and says how to get rid of it.
func (f *benchFlags) openEngine() (*pmemfs.FS, func() error, error) {
	if f.imageDir == "" {
		eng, err := pmemfs.OpenMemory(benchImageBytes, pmemfs.DomainVolatile, pmemfs.Options{})
		if err != nil {
			return nil, nil, err
		}
		return eng, eng.Close, nil
	}
	dir, err := os.MkdirTemp(f.imageDir, "pmemfs-bench-")
	if err != nil {
		return nil, nil, err
	}
	remove := func() error { return os.RemoveAll(dir) }
	image := filepath.Join(dir, "image")
	if err := pmemfs.Format(image, pmemfs.FormatOptions{Size: benchImageBytes, RootMode: 0o755}); err != nil {
		return nil, nil, errors.Join(err, remove())
	}
	eng, err := pmemfs.Open(image, pmemfs.Options{})
	if err != nil {
		return nil, nil, errors.Join(err, remove())
	}
	return eng, func() error { return errors.Join(eng.Close(), remove()) }, nil
}

func (f *benchFlags) measureEngine(eng *pmemfs.FS) (*benchReport, error) {
	report := &benchReport{Domain: eng.Info().Domain, Count: f.count, Rounds: f.rounds}
	target, err := newEngineTarget(eng)
	if err != nil {
		return nil, err
	}
	for _, c := range target.cases() {
		var used pmemfs.Counters
		ns, err := f.time(c, func(run func() error) error {
			before := eng.Counters()
			err := run()
			after := eng.Counters()
			used.Fences += after.Fences - before.Fences
			used.Lines += after.Lines - before.Lines
			used.NTLines += after.NTLines - before.NTLines
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.name, err)
		}
		per := func(n uint64) float64 { return float64(n) / float64(f.count*f.rounds) }
		report.Rows = append(report.Rows, benchRow{Name: c.name, NsPerOp: ns, Fences: per(used.Fences), Lines: per(used.Lines), NTLines: per(used.NTLines)})
	}
	return report, target.close()
}

// measureTmpfs adds the tmpfs column to rows of the same name.
func (f *benchFlags) measureTmpfs(report *benchReport) (err error) {
	target, err := newTmpfsTarget(f.tmpfsDir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, target.close()) }()
	for _, c := range target.cases() {
		i := slices.IndexFunc(report.Rows, func(r benchRow) bool { return r.Name == c.name })
		ns, err := f.time(c, func(run func() error) error { return run() })
		if err != nil {
			return fmt.Errorf("tmpfs %s: %w", c.name, err)
		}
		report.Rows[i].TmpfsNs, report.Rows[i].Syscalls = ns, c.calls
	}
	return nil
}

// time runs the rounds of one case and returns the median of nanoseconds per operation. around is called with each
// round's timed part.
func (f *benchFlags) time(c benchCase, around func(func() error) error) (float64, error) {
	rounds := make([]float64, 0, f.rounds)
	for range f.rounds {
		if c.prepare != nil {
			if err := c.prepare(f.count); err != nil {
				return 0, err
			}
		}
		var took time.Duration
		err := around(func() error {
			start := time.Now()
			for i := range f.count {
				if err := c.run(i); err != nil {
					return err
				}
			}
			took = time.Since(start)
			return nil
		})
		if err != nil {
			return 0, err
		}
		if c.tidy != nil {
			if err := c.tidy(f.count); err != nil {
				return 0, err
			}
		}
		rounds = append(rounds, float64(took.Nanoseconds())/float64(f.count))
	}
	slices.Sort(rounds)
	return rounds[len(rounds)/2], nil
}

func printBench(w io.Writer, r *benchReport) error {
	fmt.Fprintf(w, "domain %s, %d operations in each of %d rounds\n", r.Domain, r.Count, r.Rounds)
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', tabwriter.AlignRight)
	tmpfs := slices.ContainsFunc(r.Rows, func(row benchRow) bool { return row.TmpfsNs > 0 })
	head := "operation\tns\tfences\tlines\tpast cache\t"
	if tmpfs {
		head += "tmpfs ns\tby\t"
	}
	fmt.Fprintln(t, head)
	for _, row := range r.Rows {
		fmt.Fprintf(t, "%s\t%.0f\t%.3f\t%.2f\t%.2f\t", row.Name, row.NsPerOp, row.Fences, row.Lines, row.NTLines)
		if tmpfs {
			fmt.Fprintf(t, "%.0f\t%s\t", row.TmpfsNs, row.Syscalls)
		}
		fmt.Fprintln(t)
	}
	return t.Flush()
}
