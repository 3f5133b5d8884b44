package bench

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// ParallelMax bounds the goroutines of one run.
const ParallelMax = 256

// spinsAlone is how often who waits for the others looks before it lets somebody else have its processor: about a millisecond.
const spinsAlone = 1 << 20

// together has each of n goroutines do run(g, i) for every i below count(g), and returns how long that took from a common start. They
// start when each runs on a processor of its own, as far as there are so many: to be given one takes longer than many operations.
func together(n int, count func(g int) int, run func(g, i int) error) (time.Duration, error) {
	var done sync.WaitGroup
	var ready atomic.Int64
	var began atomic.Pointer[time.Time]
	errs := make([]error, n)
	for g := range n {
		done.Go(func() {
			if ready.Add(1) == int64(n) {
				now := time.Now()
				began.Store(&now)
			}
			for spins := 0; began.Load() == nil; spins++ {
				if spins > spinsAlone {
					runtime.Gosched()
				}
			}
			errs[g] = all(func(i int) error { return run(g, i) })(count(g))
		})
	}
	done.Wait()
	return time.Since(*began.Load()), errors.Join(errs...)
}

// validParallel returns numbers of goroutines in order, each once, with one goroutine as the first.
func validParallel(list []int) ([]int, error) {
	for _, n := range list {
		if n < 1 || n > ParallelMax {
			return nil, fmt.Errorf("--parallel takes numbers from 1 to %d, not %d", ParallelMax, n)
		}
	}
	sorted := slices.Sorted(slices.Values(append([]int{1}, list...)))
	return slices.Compact(sorted), nil
}

// errGainTime refuses to compare numbers of goroutines by processor time.
var errGainTime = errors.New("what several goroutines gain shows in the time that passes, not in that of processors")

// ParallelOptions say what Parallel measures.
type ParallelOptions struct {
	Common
	Count      int   // operations of each goroutine in a round
	Goroutines []int // to be compared with one
}

// ParallelReport is what Parallel found.
type ParallelReport struct {
	Machine Machine       `json:"machine"`
	Domain  string        `json:"domain"`
	Count   int           `json:"count"`
	Rounds  int           `json:"rounds"`
	Folders []Folder      `json:"folders,omitempty"`
	Rows    []ParallelRow `json:"operations"`
}

// ParallelRow is one operation by so many goroutines.
type ParallelRow struct {
	Place      string           `json:"place"` // what the goroutines share
	Name       string           `json:"name"`
	Goroutines int              `json:"goroutines"`
	Targets    []ParallelFigure `json:"targets"` // the engine, then the folders
}

// ParallelFigure is the speed of all goroutines together.
type ParallelFigure struct {
	OpsPerSec float64 `json:"ops_per_s"`
	Gain      float64 `json:"gain"` // to one goroutine, of the same rounds
}

// Parallel measures several goroutines: in directories of their own, in one directory, and in one file.
func Parallel(ctx context.Context, o ParallelOptions) (report *ParallelReport, err error) {
	goroutines, err := validParallel(o.Goroutines)
	if err == nil && o.ProcessorTime {
		err = errGainTime
	}
	if err := errors.Join(err, o.valid(), validCount(o.Count)); err != nil {
		return nil, err
	}
	ts, err := openTargets(o.Image, o.Folders)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, ts.close()) }()
	report = &ParallelReport{Domain: ts.engine.eng.Info().Domain, Count: o.Count, Rounds: o.Rounds, Folders: ts.folders}
	if report.Machine, err = thisMachine(); err != nil {
		return nil, err
	}
	lists := make([][]sharedOp, len(ts.all)) // by target
	for i, t := range ts.all {
		if lists[i], err = newSharedOps(t, goroutines[len(goroutines)-1]); err != nil {
			return nil, ts.explain(i, err)
		}
	}
	for i := range lists[0] {
		rows, err := o.measure(ctx, ts, goroutines, i, lists)
		if err != nil {
			return nil, fmt.Errorf("%s, %s: %w", lists[0][i].place, lists[0][i].name, err)
		}
		report.Rows = append(report.Rows, rows...)
	}
	return report, nil
}

// measure runs the rounds of operation number i on all targets by each number of goroutines, which makes a row each.
func (o *ParallelOptions) measure(ctx context.Context, ts *targets, goroutines []int, i int, lists [][]sharedOp) ([]ParallelRow, error) {
	speeds := make([][][]float64, len(goroutines)) // by goroutines, target and round
	for at := range speeds {
		speeds[at] = make([][]float64, len(lists))
	}
	for range o.Rounds {
		for at, n := range goroutines {
			for target := range lists {
				if err := stopped(ctx); err != nil {
					return nil, err
				}
				took, err := together(n, func(int) int { return o.Count }, lists[target][i].run)
				if err != nil {
					return nil, ts.explain(target, err)
				}
				speeds[at][target] = append(speeds[at][target], float64(n*o.Count)/took.Seconds())
			}
		}
	}
	var rows []ParallelRow
	for at, n := range goroutines {
		row := ParallelRow{Place: lists[0][i].place, Name: lists[0][i].name, Goroutines: n}
		for target := range lists {
			row.Targets = append(row.Targets, ParallelFigure{
				OpsPerSec: median(speeds[at][target]), Gain: median(quotients(speeds[at][target], speeds[0][target])),
			})
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// Tables has one table, with a row for each operation and number of goroutines.
func (r *ParallelReport) Tables() []*Table {
	t := &Table{
		Notes: append([]string{
			"on " + r.Machine.String(),
			fmt.Sprintf("the engine in domain %s, %s of each goroutine in each of %s",
				r.Domain, number(r.Count, "operation"), number(r.Rounds, "round")),
		}, append(folderNotes(r.Folders), gainNote)...),
		Head: []string{"in", "operation", "goroutines", "engine op/s", "gain"},
	}
	for _, name := range columnNames(r.Folders) {
		t.Head = append(t.Head, name+" op/s", "gain")
	}
	for _, row := range r.Rows {
		cells := []string{row.Place, row.Name, fmt.Sprint(row.Goroutines)}
		for _, figure := range row.Targets {
			cells = append(cells, fmt.Sprintf("%.0f", figure.OpsPerSec), fmt.Sprintf("%.2f", figure.Gain))
		}
		t.Rows = append(t.Rows, cells)
	}
	return []*Table{t}
}
