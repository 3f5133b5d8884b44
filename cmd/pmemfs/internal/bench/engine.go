package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"pmemfs/pmemfs"
)

// CountMax and RoundsMax bound what one run does.
const (
	CountMax  = 20000
	RoundsMax = 100
)

// Image is the temporary image that the engine works in.
type Image struct {
	Dir    string // where it is made, which decides the domain; empty for memory
	Domain string // of an image in memory, by its name; empty for volatile
	Bytes  int64
}

// Common are the options that all benchmarks have.
type Common struct {
	Rounds  int
	Image   Image
	Folders []string // to compare with
	// ProcessorTime measures what this process uses of processors, in place of the time that passes. What a filesystem has done by others is
	// not in it.
	ProcessorTime bool
}

func (c *Common) valid() error {
	if c.Rounds < 1 || c.Rounds > RoundsMax {
		return fmt.Errorf("--rounds is 1 to %d, not %d", RoundsMax, c.Rounds)
	}
	return nil
}

func validCount(count int) error {
	if count < 1 || count > CountMax {
		return fmt.Errorf("--count is 1 to %d, not %d", CountMax, count)
	}
	return nil
}

// EngineOptions say what Engine measures.
type EngineOptions struct {
	Common
	Count int // operations of each kind in a round
}

// EngineReport is what Engine found.
type EngineReport struct {
	Machine Machine     `json:"machine"`
	Domain  string      `json:"domain"`
	Count   int         `json:"count"`
	Rounds  int         `json:"rounds"`
	Unit    string      `json:"unit"` // of times
	Folders []Folder    `json:"folders,omitempty"`
	Rows    []EngineRow `json:"operations"`
}

// EngineRow is one operation. Fences and lines are the engine's per operation.
type EngineRow struct {
	Name     string     `json:"name"`
	NsPerOp  float64    `json:"ns_per_op"`
	Fences   float64    `json:"fences_per_op"`
	Lines    float64    `json:"lines_per_op"`
	NTLines  float64    `json:"nt_lines_per_op"` // stored past the cache, which needs no flush
	Calls    string     `json:"system_calls"`
	Compared []Compared `json:"compared,omitempty"` // by folder
}

// Engine measures each operation of the engine in one goroutine, and the same in the folders.
func Engine(ctx context.Context, o EngineOptions) (report *EngineReport, err error) {
	if err := errors.Join(o.valid(), validCount(o.Count)); err != nil {
		return nil, err
	}
	ts, err := openTargets(o.Image, o.Folders)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, ts.close()) }()
	report = &EngineReport{Domain: ts.engine.eng.Info().Domain, Count: o.Count, Rounds: o.Rounds, Unit: clock(o.ProcessorTime).unit(), Folders: ts.folders}
	if report.Machine, err = thisMachine(); err != nil {
		return nil, err
	}
	names := newOpNames(o.Count)
	lists := make([][]op, len(ts.all)) // by target
	for i, t := range ts.all {
		if lists[i], err = newOps(t, names); err != nil {
			return nil, ts.explain(i, err)
		}
	}
	for i := range lists[0] {
		row, err := o.measure(ctx, ts, i, lists)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", lists[0][i].name, err)
		}
		report.Rows = append(report.Rows, row)
	}
	return report, nil
}

// measure runs the rounds of operation number i on all targets.
func (o *EngineOptions) measure(ctx context.Context, ts *targets, i int, lists [][]op) (EngineRow, error) {
	eng := ts.engine.eng
	var used pmemfs.Counters
	times := newRounds(len(lists))
	for range o.Rounds {
		for target := range lists {
			if err := stopped(ctx); err != nil {
				return EngineRow{}, err
			}
			// What a checkpoint of the engine flushes while the others work is counted as well.
			took, err := lists[target][i].round(o.Count, clock(o.ProcessorTime), func(run func() error) error {
				before := eng.Counters()
				err := run()
				after := eng.Counters()
				used.Fences += after.Fences - before.Fences
				used.Lines += after.Lines - before.Lines
				used.NTLines += after.NTLines - before.NTLines
				return err
			})
			if err != nil {
				return EngineRow{}, ts.explain(target, err)
			}
			times.add(target, float64(took.Nanoseconds())/float64(o.Count))
		}
	}
	per := func(n uint64) float64 { return float64(n) / float64(o.Count*o.Rounds) }
	return EngineRow{
		Name: lists[0][i].name, NsPerOp: times.engine(), Calls: lists[0][i].calls, Compared: times.compared(),
		Fences: per(used.Fences), Lines: per(used.Lines), NTLines: per(used.NTLines),
	}, nil
}

// round runs an operation n times and returns how long that took by a clock. around is called with the timed part.
func (c *op) round(n int, clk clock, around func(func() error) error) (took time.Duration, err error) {
	if c.prepare != nil {
		if err := c.prepare(n); err != nil {
			return 0, err
		}
	}
	err = around(func() error {
		took, err = clk.time(func() error { return all(c.run)(n) })
		return err
	})
	if err == nil && c.tidy != nil {
		err = c.tidy(n)
	}
	return took, err
}

// Tables has one table, with a row for each operation.
func (r *EngineReport) Tables() []*Table {
	t := &Table{
		Notes: append([]string{
			"on " + r.Machine.String(),
			fmt.Sprintf("the engine in domain %s, %s in each of %s", r.Domain, number(r.Count, "operation"), number(r.Rounds, "round")),
		}, folderNotes(r.Folders)...),
		Head: []string{"operation", r.Unit, "fences", "lines", "past cache"},
	}
	for _, name := range columnNames(r.Folders) {
		t.Head = append(t.Head, name+" "+r.Unit, "engine to it")
	}
	if len(r.Folders) > 0 {
		t.Notes = append(t.Notes, ratioNote)
		t.Head = append(t.Head, "by")
	}
	for _, row := range r.Rows {
		cells := []string{row.Name, fmt.Sprintf("%.0f", row.NsPerOp), fmt.Sprintf("%.3f", row.Fences),
			fmt.Sprintf("%.2f", row.Lines), fmt.Sprintf("%.2f", row.NTLines)}
		for _, c := range row.Compared {
			cells = append(cells, fmt.Sprintf("%.0f", c.NsPerOp), fmt.Sprintf("%.2f", c.Ratio))
		}
		if len(r.Folders) > 0 {
			cells = append(cells, row.Calls)
		}
		t.Rows = append(t.Rows, cells)
	}
	return []*Table{t}
}
