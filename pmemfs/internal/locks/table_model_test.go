package locks

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"pmemfs/pmemfs/testpart"
)

var (
	modelSeed  = flag.Uint64("locks.seed", 0, "seed of one run of TestModel")
	modelSteps = flag.Int("locks.steps", 3000, "calls of a run of TestModel")
)

// The model has a few files of cells, each of cellBytes bytes, so that locks reach to the end of 64 bits.
const (
	cells     = 16
	cellShift = 60
	fileCount = 3
)

// ask is a request of the model.
type ask struct {
	owner, file int
	exclusive   bool
	from, to    int // cells, both included
}

// model is who has what, cell by cell, and who waits, and does everything in the simplest way.
type model struct {
	held  [fileCount][cells]map[int]bool // owner to exclusive
	queue []*ask                         // of all files, oldest first
}

func (m *model) blockers(a *ask) (list []int) {
	for c := a.from; c <= a.to; c++ {
		for owner, exclusive := range m.held[a.file][c] {
			if owner != a.owner && (exclusive || a.exclusive) {
				list = append(list, owner)
			}
		}
	}
	return list
}

// before returns the owners of earlier requests that a has to let go first, as far as no circle makes an exception.
func (m *model) before(a *ask) (list []int) {
	for _, e := range m.queue {
		if e == a {
			break
		}
		if e.file == a.file && e.owner != a.owner && (e.exclusive || a.exclusive) && e.from <= a.to && a.from <= e.to {
			list = append(list, e.owner)
		}
	}
	return list
}

func (m *model) reaches(from, to int, soft bool, seen map[int]bool) bool {
	if from == to {
		return true
	}
	if seen[from] {
		return false
	}
	seen[from] = true
	for _, a := range m.queue {
		if a.owner != from {
			continue
		}
		next := m.blockers(a)
		if soft {
			next = append(next, m.before(a)...)
		}
		for _, o := range next {
			if m.reaches(o, to, soft, seen) {
				return true
			}
		}
	}
	return false
}

func (m *model) circular(a *ask) bool {
	return slices.ContainsFunc(m.blockers(a), func(o int) bool { return m.reaches(o, a.owner, false, map[int]bool{}) })
}

func (m *model) ready(a *ask) bool {
	return len(m.blockers(a)) == 0 && !slices.ContainsFunc(m.before(a), func(o int) bool {
		return !m.hasMore(a) || !m.reaches(o, a.owner, true, map[int]bool{})
	})
}

// hasMore reports whether the owner of a has anything beside it.
func (m *model) hasMore(a *ask) bool {
	for f := range m.held {
		for c := range m.held[f] {
			if _, has := m.held[f][c][a.owner]; has {
				return true
			}
		}
	}
	return slices.ContainsFunc(m.queue, func(q *ask) bool { return q != a && q.owner == a.owner })
}

func (m *model) set(a *ask) {
	for c := a.from; c <= a.to; c++ {
		if m.held[a.file][c] == nil {
			m.held[a.file][c] = map[int]bool{}
		}
		m.held[a.file][c][a.owner] = a.exclusive
	}
}

func (m *model) clear(file, owner, from, to int) {
	for c := from; c <= to; c++ {
		delete(m.held[file][c], owner)
	}
}

// trial is a model beside a table.
type trial struct {
	t      testing.TB
	m      model
	table  *Table
	events []event
	line   string // replays the trial
}

type event struct {
	a   *ask
	err error
}

func name(owner int) Owner { return Owner{fmt.Sprintf("client%d", owner%2), fmt.Sprint(owner)} }

func (a *ask) lock() Lock {
	return Lock{Owner: name(a.owner), Exclusive: a.exclusive, Start: uint64(a.from) << cellShift, End: uint64(a.to+1)<<cellShift - 1}
}

func (x *trial) fatalf(format string, args ...any) {
	x.t.Helper()
	x.t.Fatalf("%s: %s", x.line, fmt.Sprintf(format, args...))
}

// TestModel makes random calls and holds the table to the model: what is held after each call, whether each grant was right when
// it was made, and that nobody waits who need not.
func TestModel(t *testing.T) {
	testpart.NotRace(t)
	seeds := []uint64{1, 2, 3, 4, 5, 6, 7, 8}
	if *modelSeed != 0 {
		seeds = []uint64{*modelSeed}
	}
	for _, seed := range seeds {
		x := &trial{t: t, table: New(Limits{}), line: fmt.Sprintf("-run TestModel -locks.seed=%d -locks.steps=%d", seed, *modelSteps)}
		rng := rand.New(rand.NewPCG(seed, 0))
		for range *modelSteps {
			x.step(rng)
		}
		for owner := range 6 {
			x.table.Drop(name(owner).Client, func(string) bool { return true })
		}
		if u := x.table.Usage(); u != (Usage{}) {
			x.fatalf("an empty table holds %+v", u)
		}
	}
}

func (x *trial) step(rng *rand.Rand) {
	a := &ask{owner: rng.IntN(6), file: rng.IntN(fileCount), exclusive: rng.IntN(2) == 0, from: rng.IntN(cells)}
	a.to = a.from + rng.IntN(cells-a.from)
	if rng.IntN(3) > 0 {
		a.to = min(a.to, a.from+3)
	}
	switch rng.IntN(12) {
	case 0, 1, 2:
		x.tryLock(a)
	case 3, 4, 5, 6:
		x.wait(a)
	case 7, 8, 9:
		if err := x.table.Unlock(uint64(a.file), name(a.owner), a.lock().Start, a.lock().End); err != nil {
			x.fatalf("unlock: %v", err)
		}
		x.m.clear(a.file, a.owner, a.from, a.to)
	case 10:
		if len(x.m.queue) > 0 {
			c := x.m.queue[rng.IntN(len(x.m.queue))]
			if !x.table.Cancel(uint64(c.file), c.lock()) {
				x.fatalf("%+v cannot be cancelled", c)
			}
			x.remove(c)
		}
	case 11:
		x.drop(rng, a)
	}
	x.catchUp()
}

func (x *trial) tryLock(a *ask) {
	l, found := x.table.Test(uint64(a.file), a.lock())
	blockers := x.m.blockers(a)
	if found != (len(blockers) > 0) || found && !slices.ContainsFunc(blockers, func(o int) bool { return name(o) == l.Owner }) {
		x.fatalf("test of %+v: %v %+v, in the way are %v", a, found, l, blockers)
	}
	err := x.table.Lock(uint64(a.file), a.lock())
	switch {
	case found && !errors.Is(err, ErrConflict), !found && err != nil:
		x.fatalf("lock %+v: %v, in the way are %v", a, err, blockers)
	case !found:
		x.m.set(a)
	}
}

func (x *trial) wait(a *ask) {
	for _, q := range x.m.queue {
		if *q == *a {
			return
		}
	}
	ready, circular := x.m.ready(a), x.m.circular(a)
	granted, err := x.table.Wait(uint64(a.file), a.lock(), func(err error) { x.events = append(x.events, event{a, err}) })
	switch {
	case granted != ready, (err != nil) != (!ready && circular):
		x.fatalf("wait %+v: %v %v, but ready %v circular %v", a, granted, err, ready, circular)
	case granted:
		x.m.set(a)
	case err == nil:
		x.m.queue = append(x.m.queue, a)
	}
}

// drop drops an owner's locks everywhere, or a file's.
func (x *trial) drop(rng *rand.Rand, a *ask) {
	gone := func(q *ask) bool { return q.owner == a.owner }
	if rng.IntN(2) == 0 {
		x.table.Drop(name(a.owner).Client, func(id string) bool { return id == name(a.owner).ID })
		for f := range x.m.held {
			x.m.clear(f, a.owner, 0, cells-1)
		}
	} else {
		x.table.Forget(uint64(a.file))
		gone = func(q *ask) bool { return q.file == a.file }
		x.m.held[a.file] = [cells]map[int]bool{}
	}
	for _, q := range slices.Clone(x.m.queue) {
		if gone(q) {
			x.remove(q)
			i := slices.IndexFunc(x.events, func(e event) bool { return e.a == q })
			if i < 0 || !errors.Is(x.events[i].err, ErrGone) {
				x.fatalf("%+v was not told that it is gone", q)
			}
			x.events = slices.Delete(x.events, i, i+1)
		}
	}
}

func (x *trial) remove(a *ask) {
	x.m.queue = slices.DeleteFunc(x.m.queue, func(q *ask) bool { return q == a })
}

// catchUp takes over what the table did by itself, and compares.
func (x *trial) catchUp() {
	for _, e := range x.events {
		switch {
		case !slices.Contains(x.m.queue, e.a):
			x.fatalf("%+v: told %v, but it does not wait", e.a, e.err)
		case e.err == nil && !x.m.ready(e.a):
			x.fatalf("%+v was granted before its turn", e.a)
		case e.err != nil && (!errors.Is(e.err, ErrDeadlock) || !x.m.circular(e.a)):
			x.fatalf("%+v ended with %v", e.a, e.err)
		case e.err == nil:
			x.m.set(e.a)
		}
		x.remove(e.a)
	}
	x.events = nil
	for _, a := range x.m.queue {
		if x.m.ready(a) || x.m.circular(a) {
			x.fatalf("%+v waits, but ready %v circular %v", a, x.m.ready(a), x.m.circular(a))
		}
	}
	x.compare()
}

// compare holds what is held in the table to the model.
func (x *trial) compare() {
	x.table.mu.Lock()
	defer x.table.mu.Unlock()
	for f := range x.m.held {
		var got [cells]map[int]bool
		if file := x.table.files[uint64(f)]; file != nil {
			for _, h := range file.held {
				var owner int
				if _, err := fmt.Sscan(h.own.name.ID, &owner); err != nil {
					x.fatalf("%v", err)
				}
				a := ask{owner: owner, file: 0, exclusive: h.exclusive, from: int(h.start >> cellShift), to: int(h.end >> cellShift)}
				if l := a.lock(); l.Start != h.start || l.End != h.end {
					x.fatalf("a lock of bytes %d to %d", h.start, h.end)
				}
				for c := a.from; c <= a.to; c++ {
					if got[c] == nil {
						got[c] = map[int]bool{}
					}
					if _, twice := got[c][owner]; twice {
						x.fatalf("owner %d has cell %d twice", owner, c)
					}
					got[c][owner] = h.exclusive
				}
			}
		}
		for c := range got {
			if fmt.Sprint(got[c]) != fmt.Sprint(x.m.held[f][c]) {
				x.fatalf("file %d cell %d: held %v, want %v", f, c, got[c], x.m.held[f][c])
			}
		}
	}
}
