package crashtest

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"

	"pmemfs/pmemfs/internal/pmem"
)

// A Job is a workload whose crash states are tried, and all there is to say about it: it is the same at each run, but for
// the time of day in inodes.
type Job struct {
	Kind string
	Seed uint64
}

// String returns the job as ParseJob reads it.
func (j Job) String() string { return fmt.Sprintf("%s:%d", j.Kind, j.Seed) }

// ParseJob is the inverse of String.
func ParseJob(s string) (Job, error) {
	kind, seed, ok := strings.Cut(s, ":")
	n, err := strconv.ParseUint(seed, 10, 64)
	if !ok || err != nil || kinds[kind] == nil {
		return Job{}, fmt.Errorf("%q is no job, such as mix:7", s)
	}
	return Job{kind, n}, nil
}

// smallest is the size of the images of most jobs: the smaller, the faster.
const smallest = 4 << 20

// kinds are the workloads.
var kinds = map[string]func(seed uint64) (*Trace, error){
	"short":    shortTrace,
	"longer":   longerTrace,
	"mix":      func(seed uint64) (*Trace, error) { return mixTrace(seed, pmem.CacheFlush) },
	"eadr":     func(seed uint64) (*Trace, error) { return mixTrace(seed, pmem.EADR) },
	"pages":    func(seed uint64) (*Trace, error) { return mixTrace(seed, pmem.PageCache) },
	"full":     fullTrace,
	"extents":  extentsTrace,
	"names":    namesTrace,
	"ring":     ringTrace,
	"restarts": restartsTrace,
	"phases":   phasesTrace,
	"wait":     waitTrace,
	"format":   formatTrace,
	"writers":  writersTrace,
	"order":    orderTrace,
	"refused":  refusedTrace,
	"unsure":   unsureTrace,
	"growth":   growthTrace,
	"reuse":    reuseTrace,
	"stale":    staleTrace,
	"wrap":     wrapTrace,
	"tails":    tailsTrace,
	"renames":  renamesTrace,
	"edges":    edgesTrace,
	"replace":  replaceTrace,
	"values":   valuesTrace,
	"heal":     healTrace,
	"window":   damagedWindow,
	"rest":     damagedAtRest,
	"entry":    badEntry,
	"content":  damagedContent,
	"lost":     damagedLost,
	"repair":   repairTrace,
	"past":     pastTrace,
	"scrub":    scrubTrace,
	"notes":    notesTrace,
	"torn":     tornTrace,
	"cut":      cutTrace,
	"single":   singleTrace,
	"exchange": exchangeTrace,
	"trim":     trimTrace,
	"kill":     killTrace,
	"mend":     mendTrace,
	"heads":    headsTrace,
	"snaps":    snapsTrace,
	"reap":     reapTrace,
	"back":     backTrace,
	"quota":    quotaTrace,
	"convert":  convertTrace,
	"accounts": accountsTrace,
	"slots":    damagedAccounts,
	"charged":  accountsBackTrace,
	"grow":     growTrace,
	"growing":  growingTrace,
	"broken":   brokenTrace,
}

// Run tries the crash states of the job's workload. An error that is no Violation says that the workload itself failed.
func (j Job) Run(l Limits) (Stats, error) {
	t, err := kinds[j.Kind](j.Seed)
	if err != nil || t == nil {
		return Stats{}, err
	}
	t.Name = j.String()
	s, _, err := t.Explore(l, j.Seed, forget{})
	return s, err
}

// starts are images that many jobs begin with, made once.
var starts struct {
	sync.Mutex
	made map[string]start
}

// cached returns the start of a name, made by f at first use.
func cached(name string, f func() (start, error)) (start, error) {
	starts.Lock()
	defer starts.Unlock()
	if s, ok := starts.made[name]; ok {
		return s, nil
	}
	s, err := f()
	if err == nil {
		if starts.made == nil {
			starts.made = map[string]start{}
		}
		starts.made[name] = s
	}
	return s, err
}

// emptyStart is an empty filesystem.
func emptyStart(d pmem.Domain, sums bool) (start, error) {
	return cached(fmt.Sprint("empty ", d, sums), func() (start, error) { return newStart(smallest, d, 1, sums) })
}

// withSums says whether a job's filesystem has checksums of data: that of every second pair of seeds.
func withSums(seed uint64) bool { return seed%4 >= 2 }

// preparedStart is a filesystem on which some operations have been done.
func preparedStart(name string, sums bool, ops func() []Op) (start, error) {
	empty, err := emptyStart(pmem.CacheFlush, sums)
	if err != nil {
		return empty, err
	}
	return cached(fmt.Sprint(name, sums), func() (start, error) { return empty.prepare(ops()) })
}

// shortCount is the number of short jobs: all sequences of one and two operations, on an empty and on a prepared filesystem.
func shortCount() uint64 {
	n := uint64(len(shortOps))
	return 2 * (n + n*n)
}

// shortTrace runs one of all short sequences. One in which an operation is refused is like a shorter one: there is no trace.
func shortTrace(seed uint64) (*Trace, error) {
	i, n := seed/2%(shortCount()/2), uint64(len(shortOps))
	ops := []Op{shortOps[i%n]}
	if i >= n {
		ops = []Op{shortOps[(i-n)%n], shortOps[(i-n)/n]}
	}
	return valid(seed%2 == 1, (i+seed/shortCount())%2 == 1, ops) // each with and without checksums, in two rounds
}

// longerTrace runs a random sequence of three to six operations of the same universe.
func longerTrace(seed uint64) (*Trace, error) {
	rng := rand.New(rand.NewPCG(seed, 11))
	ops := make([]Op, 3+rng.IntN(4))
	for try := 0; try < 2000; try++ {
		for i := range ops {
			ops[i] = shortOps[rng.IntN(len(shortOps))]
		}
		if m := shortModel(seed%2 == 1); m.succeeds(ops) {
			break
		}
	}
	return valid(seed%2 == 1, withSums(seed), ops)
}

// shortModel returns a model of what short sequences start from.
func shortModel(prepared bool) *model {
	m := emptyModel()
	if prepared {
		m.succeeds(preparedOps)
	}
	return m
}

// succeeds applies operations and says whether all of them succeed.
func (m *model) succeeds(ops []Op) bool {
	for _, o := range ops {
		if !m.apply(o) {
			return false
		}
	}
	return true
}

func valid(prepared, sums bool, ops []Op) (*Trace, error) {
	if !shortModel(prepared).succeeds(ops) {
		return nil, nil
	}
	s, err := emptyStart(pmem.CacheFlush, sums)
	if prepared && err == nil {
		s, err = preparedStart("short", sums, func() []Op { return preparedOps })
	}
	if err != nil {
		return nil, err
	}
	return s.trace(ops, plainly)
}
