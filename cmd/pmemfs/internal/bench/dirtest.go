package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// Bounds of what DirTest does.
const (
	DirTestOperationsMax = 1 << 26
	DirTestNamesMax      = 1 << 20
	DirTestDirsMax       = 1 << 12
)

// DirTestOptions say what DirTest does.
type DirTestOptions struct {
	Common
	Operations int // in a round, of all goroutines together
	Names      int
	Dirs       int
	Seed       uint64
	Goroutines []int
}

// DirTestReport is what DirTest found.
type DirTestReport struct {
	Machine    Machine      `json:"machine"`
	Domain     string       `json:"domain"`
	Operations int          `json:"operations"`
	Names      int          `json:"names"`
	Dirs       int          `json:"directories"`
	Seed       uint64       `json:"seed"`
	Rounds     int          `json:"rounds"`
	Unit       string       `json:"unit"` // of times
	Rows       []DirTestRow `json:"rows"`
}

// DirTestRow is one target under so many goroutines.
type DirTestRow struct {
	Target     string  `json:"target"`
	Goroutines int     `json:"goroutines"`
	Seconds    float64 `json:"seconds"`
	NsPerOp    float64 `json:"ns_per_op"` // elapsed, by all goroutines together
	Ratio      float64 `json:"ratio"`     // the engine's time to this one's
	Gain       float64 `json:"gain"`      // to one goroutine
}

func (o *DirTestOptions) valid() error {
	for _, f := range []struct {
		flag       string
		value, max int
	}{{"--operations", o.Operations, DirTestOperationsMax}, {"--names", o.Names, DirTestNamesMax}, {"--dirs", o.Dirs, DirTestDirsMax}} {
		if f.value < 1 || f.value > f.max {
			return fmt.Errorf("%s is 1 to %d, not %d", f.flag, f.max, f.value)
		}
	}
	return o.Common.valid()
}

// DirTest creates and removes files at random, in the manner of the program dir-test by which Mikulas Patocka compared his filesystem
// nvfs with others: a set of names in some directories, of which each operation picks one and removes the file if there is one, or
// else creates it. Half of the names exist in the long run, and every operation searches a directory that few others have just
// touched. The directories are empty at the start of each round.
//
// Name k is in directory k modulo the directories, and only goroutine k modulo the goroutines touches it. So goroutines have
// directories of their own where their number divides that of the directories, and share them otherwise.
func DirTest(ctx context.Context, o DirTestOptions) (report *DirTestReport, err error) {
	goroutines, err := validParallel(o.Goroutines)
	if err == nil && o.ProcessorTime && len(goroutines) > 1 {
		err = errGainTime
	}
	if err := errors.Join(err, o.valid()); err != nil {
		return nil, err
	}
	if most := goroutines[len(goroutines)-1]; most > o.Names {
		return nil, fmt.Errorf("%d goroutines need more than %d --names", most, o.Names)
	}
	ts, err := openTargets(o.Image, o.Folders)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, ts.close()) }()
	report = &DirTestReport{Domain: ts.engine.eng.Info().Domain, Operations: o.Operations, Names: o.Names, Dirs: o.Dirs, Seed: o.Seed, Rounds: o.Rounds, Unit: clock(o.ProcessorTime).unit()}
	if report.Machine, err = thisMachine(); err != nil {
		return nil, err
	}
	tests := make([]*dirTest, len(ts.all))
	for i, t := range ts.all {
		if tests[i], err = newDirTest(t, &o, goroutines[len(goroutines)-1]); err != nil {
			return nil, ts.explain(i, err)
		}
	}
	times := make([]rounds, len(goroutines))
	for at := range times {
		times[at] = newRounds(len(tests))
	}
	for range o.Rounds {
		for at, n := range goroutines {
			for i, test := range tests {
				took, err := test.run(ctx, n)
				if err != nil {
					return nil, ts.explain(i, err)
				}
				times[at].add(i, float64(took.Nanoseconds())/float64(o.Operations))
			}
		}
	}
	report.fill(ts.folders, goroutines, times)
	return report, nil
}

// fill makes the rows of what was measured.
func (r *DirTestReport) fill(folders []Folder, goroutines []int, times []rounds) {
	labels := []string{"engine"}
	for _, f := range folders {
		labels = append(labels, f.Filesystem+" at "+f.Path)
	}
	for at, n := range goroutines {
		for i, label := range labels {
			ns := median(times[at][i])
			r.Rows = append(r.Rows, DirTestRow{
				Target: label, Goroutines: n, NsPerOp: ns, Seconds: ns * float64(r.Operations) / 1e9,
				Ratio: median(quotients(times[at][0], times[at][i])), Gain: median(quotients(times[0][i], times[at][i])),
			})
		}
	}
}

// dirTest is the test on one target.
type dirTest struct {
	target
	names []name
	dirs  [][]int // by goroutine and directory
	o     *DirTestOptions
}

// hand is what one goroutine of n needs. It writes to no cache line that another one uses.
type hand struct {
	*dirTest
	g, n   int
	source rand.PCG
	exists []bool // of its own names
	_      [128]byte
}

func newDirTest(t target, o *DirTestOptions, goroutines int) (*dirTest, error) {
	test := &dirTest{target: t, names: newNames("name", o.Names), o: o}
	dirs := newNames("dir", o.Dirs)
	for range goroutines {
		var own []int
		for i := range dirs {
			dir, err := t.openDir(&dirs[i])
			if err != nil {
				return nil, err
			}
			own = append(own, dir)
		}
		test.dirs = append(test.dirs, own)
	}
	return test, nil
}

// run is one round by n goroutines. The directories are empty before and after.
func (d *dirTest) run(ctx context.Context, n int) (time.Duration, error) {
	hands := make([]*hand, n)
	random := make([]*rand.Rand, n)
	share := func(total, g int) int { return (total - g + n - 1) / n }
	for g := range hands {
		hands[g] = &hand{dirTest: d, g: g, n: n, exists: make([]bool, share(d.o.Names, g))}
		hands[g].source.Seed(d.o.Seed, uint64(g))
		random[g] = rand.New(&hands[g].source)
	}
	one := func(g, i int) error {
		const look = 1024 // so often, whether to stop
		if i%look == 0 {
			if err := stopped(ctx); err != nil {
				return err
			}
		}
		return hands[g].flip(random[g].IntN(len(hands[g].exists)))
	}
	var took time.Duration
	used, err := clock(d.o.ProcessorTime).time(func() (err error) {
		took, err = together(n, func(g int) int { return share(d.o.Operations, g) }, one)
		return err
	})
	if d.o.ProcessorTime {
		took = used
	}
	for _, h := range hands {
		if err != nil {
			break
		}
		err = h.tidy()
	}
	return took, err
}

// flip removes the file with the i-th name of its own if it exists, and else creates it.
func (h *hand) flip(i int) error {
	k := i*h.n + h.g
	dir, existed := h.dirs[h.g][k%h.o.Dirs], h.exists[i]
	h.exists[i] = !existed
	if existed {
		return h.unlink(dir, &h.names[k])
	}
	return h.create(dir, &h.names[k])
}

// tidy removes what is left.
func (h *hand) tidy() error {
	for i, exists := range h.exists {
		if exists {
			if err := h.flip(i); err != nil {
				return err
			}
		}
	}
	return nil
}

// Tables has one table, with a row for each target and number of goroutines.
func (r *DirTestReport) Tables() []*Table {
	t := &Table{
		Notes: []string{
			"on " + r.Machine.String(),
			fmt.Sprintf("the engine in domain %s; folders by system calls without any sync", r.Domain),
			fmt.Sprintf("%d random creates and removes; names: %d; directories: %d; seed: %d; rounds: %d",
				r.Operations, r.Names, r.Dirs, r.Seed, r.Rounds),
			gainNote, ratioNote,
		},
		Head: []string{"target", "goroutines", strings.TrimSuffix(r.Unit, "ns") + "seconds", r.Unit + " per operation", "gain", "engine to it"},
	}
	for _, row := range r.Rows {
		t.Rows = append(t.Rows, []string{row.Target, fmt.Sprint(row.Goroutines), fmt.Sprintf("%.3f", row.Seconds),
			fmt.Sprintf("%.0f", row.NsPerOp), fmt.Sprintf("%.2f", row.Gain), fmt.Sprintf("%.2f", row.Ratio)})
	}
	return []*Table{t}
}
