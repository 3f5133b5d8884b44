//go:build locktimes

package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"pmemfs/pmemfs"
)

// processorsMax bounds for how many processors something is computed.
const processorsMax = 1 << 16

// LocksOptions say what Locks measures.
type LocksOptions struct {
	Rounds     int
	Count      int // operations of each kind in a round
	Image      Image
	Sums       bool  // print no single locks
	Processors []int // for which the ceiling is computed
}

// LocksReport is what Locks found.
type LocksReport struct {
	Machine    Machine    `json:"machine"`
	Domain     string     `json:"domain"`
	Count      int        `json:"count"`
	Rounds     int        `json:"rounds"`
	Processors []int      `json:"processors"`
	Rows       []LocksRow `json:"operations"`

	sums bool
}

// LocksRow is one operation.
type LocksRow struct {
	Name    string    `json:"name"`
	NsPerOp float64   `json:"ns_per_op"` // while no lock is timed
	Serial  float64   `json:"serial_ns_per_op"`
	Ceiling []float64 `json:"ceiling_ops_per_s"` // computed, by number of processors
	Locks   []LockRow `json:"locks"`
}

// LockRow are the locks of one name.
type LockRow struct {
	Name   string  `json:"name"`
	Of     int     `json:"of"` // how many share the operations among them
	Takes  float64 `json:"takes_per_op"`
	Reads  float64 `json:"reads_per_op"`
	HeldNs float64 `json:"held_ns_per_op"`
}

// share is how long an operation keeps any other out, where the operations are spread over the locks.
func (l *LockRow) share() float64 { return l.HeldNs / float64(l.Of) }

func (o *LocksOptions) valid() error {
	for _, n := range o.Processors {
		if n < 1 || n > processorsMax {
			return fmt.Errorf("--processors takes numbers from 1 to %d, not %d", processorsMax, n)
		}
	}
	return errors.Join((&Common{Rounds: o.Rounds}).valid(), validCount(o.Count))
}

// Locks counts the locks of the engine by operation, in one goroutine, and computes what they allow many processors. Rounds in which
// locks are timed alternate with rounds in which they are not, which have the time of an operation.
func Locks(ctx context.Context, o LocksOptions) (report *LocksReport, err error) {
	if err := o.valid(); err != nil {
		return nil, err
	}
	t, err := openEngine(o.Image)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, t.close()) }()
	report = &LocksReport{Domain: t.eng.Info().Domain, Count: o.Count, Rounds: o.Rounds, Processors: o.Processors, sums: o.Sums}
	if report.Machine, err = thisMachine(); err != nil {
		return nil, err
	}
	ops, err := newOps(t, newOpNames(o.Count))
	if err != nil {
		return nil, err
	}
	for i := range ops {
		row, err := o.measure(ctx, &ops[i])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", ops[i].name, err)
		}
		report.Rows = append(report.Rows, row)
	}
	return report, nil
}

func (o *LocksOptions) measure(ctx context.Context, op *op) (LocksRow, error) {
	var plain []float64
	locks := map[string]*LockRow{}
	held := map[string][]float64{} // by lock and round
	for range o.Rounds {
		if err := stopped(ctx); err != nil {
			return LocksRow{}, err
		}
		took, err := op.round(o.Count, false, func(run func() error) error { return run() })
		if err != nil {
			return LocksRow{}, err
		}
		plain = append(plain, float64(took.Nanoseconds())/float64(o.Count))
		var times []pmemfs.LockTime
		_, err = op.round(o.Count, false, func(run func() error) (err error) {
			times = pmemfs.LockTimes(func() { err = run() })
			return err
		})
		if err != nil {
			return LocksRow{}, err
		}
		for _, t := range times {
			if locks[t.Name] == nil {
				locks[t.Name] = &LockRow{Name: t.Name, Of: t.Of}
			}
			all := float64(o.Count * o.Rounds)
			locks[t.Name].Takes += float64(t.Takes) / all
			locks[t.Name].Reads += float64(t.Reads) / all
			held[t.Name] = append(held[t.Name], float64(t.Held)/float64(o.Count))
		}
	}
	row := LocksRow{Name: op.name, NsPerOp: median(plain)}
	for name, l := range locks {
		// In a round without a take it was held for no time.
		l.HeldNs = median(append(held[name], make([]float64, o.Rounds-len(held[name]))...))
		row.Serial += l.share()
		row.Locks = append(row.Locks, *l)
	}
	slices.SortFunc(row.Locks, func(a, b LockRow) int {
		return cmp.Or(cmp.Compare(b.share(), a.share()), strings.Compare(a.Name, b.Name))
	})
	for _, n := range o.Processors {
		row.Ceiling = append(row.Ceiling, ceiling(row.NsPerOp, row.Serial, n))
	}
	return row, nil
}

// most names the lock that keeps others out for the longest.
func (r *LocksRow) most() string {
	if len(r.Locks) == 0 || r.Locks[0].share() == 0 {
		return ""
	}
	return r.Locks[0].Name
}

// ceiling is Amdahl's law: the operations per second of n processors where an operation takes so many nanoseconds, serial ones of which
// are one operation's at a time.
func ceiling(ns, serial float64, n int) float64 { return 1e9 * float64(n) / (ns + float64(n-1)*serial) }

// Tables has one table of locks, unless only sums are asked for, and one of what follows from it.
func (r *LocksReport) Tables() []*Table {
	notes := []string{
		"on " + r.Machine.String(),
		fmt.Sprintf("the engine in domain %s, %s in each of %s, one goroutine", r.Domain, number(r.Count, "operation"), number(r.Rounds, "round")),
	}
	locks := &Table{Notes: notes, Head: []string{"operation", "lock", "one of", "takes", "to read", "ns held"}}
	sums := &Table{
		Notes: []string{"computed: what the locks allow, by Amdahl's law; a commit that waits for another's record, and cache lines that travel, are left out"},
		Head:  []string{"operation", "ns", "ns under shared locks", "most of it", "op/s of 1"},
	}
	for _, n := range r.Processors {
		sums.Head = append(sums.Head, fmt.Sprintf("of %d", n), "gain")
	}
	for _, row := range r.Rows {
		for _, l := range row.Locks {
			locks.Rows = append(locks.Rows, []string{row.Name, l.Name, fmt.Sprint(l.Of), fmt.Sprintf("%.3f", l.Takes),
				fmt.Sprintf("%.3f", l.Reads), fmt.Sprintf("%.1f", l.HeldNs)})
		}
		one := ceiling(row.NsPerOp, row.Serial, 1)
		cells := []string{row.Name, fmt.Sprintf("%.0f", row.NsPerOp), fmt.Sprintf("%.1f", row.Serial), row.most(), fmt.Sprintf("%.0f", one)}
		for _, c := range row.Ceiling {
			cells = append(cells, fmt.Sprintf("%.0f", c), fmt.Sprintf("%.1f", c/one))
		}
		sums.Rows = append(sums.Rows, cells)
	}
	if r.sums {
		sums.Notes = append(notes, sums.Notes...)
		return []*Table{sums}
	}
	return []*Table{locks, sums}
}
