//go:build locktimes

package critical

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// counts are those of all locks of one name.
type counts struct {
	name         string
	of           int
	takes, reads atomic.Uint64
	held         atomic.Int64
}

var (
	measuring atomic.Bool
	measure   sync.Mutex // one at a time

	namesMu sync.Mutex
	names   = map[string]*counts{}
	unnamed = named("a lock without a name", 1)
)

func named(name string, of int) *counts {
	namesMu.Lock()
	defer namesMu.Unlock()
	c := names[name]
	if c == nil {
		c = &counts{name: name}
		names[name] = c
	}
	c.of = of
	return c
}

var start = time.Now()

// now is never 0. Since reads the monotonic clock only, Now would read two.
func now() int64 { return int64(time.Since(start)) + 1 }

// begin returns when a hold begins, or 0 if it is not to be counted.
func begin() int64 {
	if !measuring.Load() {
		return 0
	}
	return now()
}

func (c *counts) add(since, until int64) {
	if c == nil {
		c = unnamed
	}
	c.takes.Add(1)
	c.held.Add(until - since)
}

func (c *counts) read() {
	if !measuring.Load() {
		return
	}
	if c == nil {
		c = unnamed
	}
	c.reads.Add(1)
}

// Mutex is a sync.Mutex that is counted.
type Mutex struct {
	mu    sync.Mutex
	c     *counts
	since int64 // 0 while nobody measures
}

// Name says what the lock is, and of how many that share the same calls it is one.
func (m *Mutex) Name(name string, of int) { m.c = named(name, of) }

// Lock locks m.
func (m *Mutex) Lock() {
	m.mu.Lock()
	m.since = begin()
}

// LockShort is Lock for a lock that everybody holds for some tens of nanoseconds only.
func (m *Mutex) LockShort() {
	lockShort(&m.mu)
	m.since = begin()
}

// TryLock locks m if nobody has it.
func (m *Mutex) TryLock() bool {
	if !m.mu.TryLock() {
		return false
	}
	m.since = begin()
	return true
}

// Unlock unlocks m.
func (m *Mutex) Unlock() {
	since := m.since
	if since == 0 {
		m.mu.Unlock()
		return
	}
	until := now()
	m.mu.Unlock()
	m.c.add(since, until)
}

// Measure returns what is counted, by all goroutines, while f runs, of the locks that were taken then, sorted by name. A second caller
// waits for the first.
func Measure(f func()) []Time {
	measure.Lock()
	defer measure.Unlock()
	clock := clockTime()
	before := read()
	measuring.Store(true)
	f()
	measuring.Store(false)
	var list []Time
	for name, t := range read() {
		was := before[name]
		t.Takes, t.Reads = t.Takes-was.Takes, t.Reads-was.Reads
		t.Held = max(t.Held-was.Held-int64(float64(t.Takes)*clock), 0)
		if t.Takes+t.Reads > 0 {
			list = append(list, t)
		}
	}
	slices.SortFunc(list, func(a, b Time) int { return strings.Compare(a.Name, b.Name) })
	return list
}

func read() map[string]Time {
	namesMu.Lock()
	defer namesMu.Unlock()
	times := map[string]Time{}
	for name, c := range names {
		times[name] = Time{name, c.of, c.takes.Load(), c.reads.Load(), c.held.Load()}
	}
	return times
}

// clockTime is what a hold of no time seems to take, in nanoseconds: the median of many.
func clockTime() float64 {
	const batches, each = 101, 200
	var list []float64
	for range batches {
		sum := int64(0)
		for range each {
			since := now()
			sum += now() - since
		}
		list = append(list, float64(sum)/each)
	}
	slices.Sort(list)
	return list[batches/2]
}
