package crashtest

import (
	"fmt"
	"math/bits"
	"math/rand/v2"
	"slices"

	"pmemfs/pmemfs"
	"pmemfs/pmemfs/internal/pmem"
)

// pageSize is what the kernel writes back at once in the page-cache domain.
const pageSize = 4096

// Limits say how much is tried at one point.
type Limits struct {
	Exhaustive int // so many lines are tried in all combinations
	Units      int // so many units in flight are combined, where there are more lines
	Subsets    int // at most so many combinations of units
	Random     int // random subsets
	Nested     int // one recovery in so many is interrupted as well; 0 for none
	Depth      int // how often recovery is interrupted in turn
	// At is the only failpoint at which the power is cut; nil for before every fence and at the end.
	At *pmem.Failpoint
}

var (
	// DefaultLimits are those of an ordinary test run.
	DefaultLimits = Limits{Exhaustive: 5, Units: 2, Subsets: 10, Random: 3, Nested: 150, Depth: 3}
	// LongLimits are those of a long one.
	LongLimits = Limits{Exhaustive: 7, Units: 2, Subsets: 40, Random: 8, Nested: 60, Depth: 3}
)

// Stats count what was tried.
type Stats struct {
	Points    int // moments at which the power was cut
	States    int // images built
	Images    int // distinct ones among them, of one run
	Recovered int // distinct states after recovery
	Nested    int // of States, those that cut a recovery short
}

func (s *Stats) add(t Stats) {
	s.Points += t.Points
	s.States += t.States
	s.Images += t.Images
	s.Recovered += t.Recovered
	s.Nested += t.Nested
}

// An explorer tries the states that a power cut may leave now.
type explorer struct {
	medium *Medium
	stand  *stand
	stands *stands
	oracle *oracle
	limits Limits
	rng    *rand.Rand
	stats  Stats
	depth  int // recoveries that were cut short on the way here
	where  func() string
	// bounds are the operations of which the last acknowledged and the last begun one must, or may, be there.
	bounds func() (acked, begun int)
	accept func(v verdict) error          // replaces bounds, if set
	part   func(op int, v verdict) bool   // whether that is what is left of an operation of several records
	notes  func(v verdict, ops int) error // compares the notes with those that are to be there after so many operations; nil for no look
	same   []pmemfs.RequestKey            // in a recovery that is cut short: the notes of the state that it began with
	unmade func() bool                    // whether there need not be a filesystem yet
	few    bool                           // there are so many lines that only random subsets can be paid for
	every  bool                           // every line matters: what recovers reads what it stores
	found  *Violation
}

// point tries the states that are possible now.
func (x *explorer) point() {
	if x.found != nil {
		return
	}
	x.stats.Points++
	if x.medium.domain == pmem.PageCache {
		x.pages()
		return
	}
	all := x.medium.lines()
	relevant := x.filter(all)
	x.try(all, whole(all))
	if x.few {
		x.try(nil, nil)
		for range 2 * x.limits.Random {
			x.random(all)
		}
		return
	}
	if len(relevant) <= x.limits.Exhaustive {
		for mask := range uint64(1) << len(relevant) {
			x.try(relevant, func(i int) int { return whole(relevant)(i) * int(mask>>i&1) })
		}
	} else {
		x.combine(relevant)
	}
	for range x.limits.Random {
		x.random(all)
	}
}

// whole chooses the latest version of each line.
func whole(ls []*pendingLine) func(i int) int { return func(i int) int { return len(ls[i].stores) } }

// try judges the image in which line i holds the version that pick says.
func (x *explorer) try(ls []*pendingLine, pick func(i int) int) {
	cs := make([]choice, 0, len(ls))
	for i, l := range ls {
		if v := pick(i); v == len(l.stores) {
			cs = append(cs, choice{l.n, l.now})
		} else if v > 0 {
			cs = append(cs, choice{l.n, l.version(v)})
		}
	}
	x.image(cs)
}

// image judges one image.
func (x *explorer) image(cs []choice) {
	if x.found != nil {
		return
	}
	x.stats.States++
	if x.depth > 0 {
		x.stats.Nested++
	}
	hash := x.stand.hashOf(cs)
	images, recovered := len(x.oracle.images), len(x.oracle.verdicts)
	x.stand.load(cs)
	v := x.oracle.judge(hash)
	fresh := len(x.oracle.images) > images
	x.stats.Images += len(x.oracle.images) - images
	x.stats.Recovered += len(x.oracle.verdicts) - recovered
	err := v.err
	switch {
	case err == nil:
		err = x.allowed(v)
	case !v.opens && x.unmade != nil && x.unmade():
		err = nil
	}
	x.stand.reset()
	if err != nil {
		x.fail(err, cs)
		return
	}
	if fresh && x.limits.Nested > 0 && x.depth < x.limits.Depth && x.rng.IntN(x.limits.Nested) == 0 {
		x.nest(cs, v.notes)
	}
}

// allowed says whether a recovered state is one that the power cut may leave.
func (x *explorer) allowed(v verdict) error {
	if x.depth > 0 && x.notes != nil && !slices.Equal(v.notes, x.same) {
		return fmt.Errorf("a recovery that was cut short leaves %d notes, expected %d: %.300x and %.300x", len(v.notes), len(x.same), v.notes, x.same)
	}
	if x.accept != nil {
		return x.accept(v)
	}
	acked, begun := x.bounds()
	var err error
	for _, k := range v.states {
		if k >= acked && k <= begun {
			if err = x.noted(v, k); err == nil {
				return nil
			}
		}
	}
	if begun > acked && x.part != nil && x.part(acked, v) {
		return x.noted(v, acked)
	}
	if err != nil {
		return err
	}
	return fmt.Errorf("the state is that after operations %v, not %d to %d; against the latter:\n%s",
		v.states, acked, begun, x.oracle.states.dumps[acked].diff(v.got))
}

// noted compares the notes of a state with those that have to be there after so many operations.
func (x *explorer) noted(v verdict, ops int) error {
	if x.notes == nil {
		return nil
	}
	return x.notes(v, ops)
}

func (x *explorer) fail(err error, cs []choice) {
	lines := make([]int64, len(cs))
	for i, c := range cs {
		lines[i] = c.n
	}
	x.found = &Violation{What: fmt.Sprintf("%v\nat %s, cut %d deep, new lines %v of %d", err, x.where(), x.depth+1, lines, len(x.medium.pending))}
}

// filter returns the lines that matter: all but those of which recovery stores every byte that differs. That these
// do not matter is tried out.
func (x *explorer) filter(all []*pendingLine) []*pendingLine {
	if len(all) == 0 || x.every {
		return all
	}
	opens := x.recovers()
	base, stored := x.stand.state(), x.stand.stored()
	x.stand.reset()
	if !opens {
		return all // what is wrong will be found by trying
	}
	var covered []choice
	var relevant []*pendingLine
	for _, l := range all {
		// What recovery stores in the journal does not take the place of what it has read there.
		if !x.stand.inJournal(l.n) && l.differs(x.medium.sureLine(l.n))&^stored[l.n] == 0 {
			covered = append(covered, choice{l.n, l.now})
		} else {
			relevant = append(relevant, l)
		}
	}
	if len(covered) == 0 {
		return relevant
	}
	x.stand.load(covered)
	same := x.recovers() && x.stand.state() == base
	x.stand.reset()
	if !same {
		return all
	}
	return relevant
}

// recovers opens what the stand holds and says whether that succeeds.
func (x *explorer) recovers() bool {
	_, err := x.oracle.open(x.stand.region)
	return err == nil
}

// differs returns the bytes of the line in which any version differs from what is certain.
func (l *pendingLine) differs(sure []byte) (mask uint64) {
	for i := range sure {
		if l.now[i] != sure[i] {
			mask |= 1 << i
		}
	}
	for _, s := range l.stores {
		for i, c := range s.data {
			if s.at+i < len(sure) && c != sure[s.at+i] {
				mask |= 1 << (s.at + i)
			}
		}
	}
	return mask
}

// combine tries units of lines: alone, in pairs and so on; all but one; and a large copy with a line missing.
func (x *explorer) combine(ls []*pendingLine) {
	units := groupUnits(ls)
	x.try(nil, nil)
	for k := 1; k <= x.limits.Units; k++ {
		x.subsets(units, k)
	}
	for _, u := range units {
		x.without(ls, u...)
		if len(u) > 2 {
			for _, i := range []int{0, len(u) / 2, len(u) - 1} {
				x.without(ls, u[i])
			}
		}
	}
	for i := 0; i < len(ls) && i < x.limits.Subsets; i++ {
		l := ls[i]
		if len(ls) > x.limits.Subsets {
			l = ls[x.rng.IntN(len(ls))]
		}
		x.without(ls, l)
		x.try([]*pendingLine{l}, whole([]*pendingLine{l}))
	}
}

// without tries all lines but some.
func (x *explorer) without(ls []*pendingLine, gone ...*pendingLine) {
	rest := slices.DeleteFunc(slices.Clone(ls), func(l *pendingLine) bool { return slices.Contains(gone, l) })
	x.try(rest, whole(rest))
}

// subsets tries every choice of k units, or a random share of them.
func (x *explorer) subsets(units [][]*pendingLine, k int) {
	if k > len(units) {
		return
	}
	total := 1
	for i := range k {
		total = total * (len(units) - i) / (i + 1)
	}
	if total > x.limits.Subsets {
		for range x.limits.Subsets {
			var ls []*pendingLine
			for _, i := range x.rng.Perm(len(units))[:k] {
				ls = append(ls, units[i]...)
			}
			x.try(ls, whole(ls))
		}
		return
	}
	for mask := range uint64(1) << len(units) {
		if bits.OnesCount64(mask) != k {
			continue
		}
		var ls []*pendingLine
		for i := range units {
			if mask>>i&1 == 1 {
				ls = append(ls, units[i]...)
			}
		}
		x.try(ls, whole(ls))
	}
}

// groupUnits joins the lines that one store or copy put into neighbouring lines.
func groupUnits(ls []*pendingLine) (units [][]*pendingLine) {
	for i, l := range ls {
		if i > 0 && l.unit() == ls[i-1].unit() && l.n == ls[i-1].n+1 {
			units[len(units)-1] = append(units[len(units)-1], l)
		} else {
			units = append(units, []*pendingLine{l})
		}
	}
	return units
}

// random tries a random subset, in which lines may hold older versions and torn ones.
func (x *explorer) random(ls []*pendingLine) {
	share, tear := 1+x.rng.IntN(7), x.rng.IntN(2) == 0
	var cs []choice
	for _, l := range ls {
		switch {
		case x.rng.IntN(8) >= share:
		case tear:
			cs = append(cs, choice{l.n, l.torn(x.rng.IntN(len(l.stores)+1), uint8(x.rng.Uint32()))})
		default:
			cs = append(cs, choice{l.n, l.now})
		}
	}
	x.image(cs)
}

// String gives the counts.
func (s Stats) String() string {
	return fmt.Sprintf("%d points, %d states (%d of them in recoveries), %d distinct images, %d distinct recovered states",
		s.Points, s.States, s.Nested, s.Images, s.Recovered)
}
