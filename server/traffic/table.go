package traffic

import (
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// ExportsMax is how many exports of all images are counted apart.
	ExportsMax = 256
	// cellsMax is how many pairs of a procedure and an export are counted apart, at about 700 bytes in each shard.
	cellsMax = 4096
	// shardsMax bounds the shards.
	shardsMax = 8
)

// Export is an export of an image, or one of those below.
type Export uint16

// NoExport is of calls that are about no export, or were refused before that was known; otherExport of those that are not counted apart.
const (
	NoExport Export = iota
	otherExport
	exportsFirst
)

// OtherName is what stands for all that is not counted apart.
const OtherName = "(other)"

// exportName is how an export is called.
type exportName struct{ image, name string }

// Table counts all traffic of a server.
type Table struct {
	begun  time.Time // has a monotonic clock
	shards []shard
	next   atomic.Uint32 // shard for the next connection
	udp    *Conn

	mu      sync.Mutex
	clients map[netip.Addr]*client
	gone    Sums // of clients that are not known any more

	cells   sync.Mutex
	counted map[pair]bool

	names   sync.Mutex
	exports []exportName
	ids     map[exportName]Export
}

// pair is what is counted apart.
type pair struct {
	export    Export
	procedure Procedure
}

// shard is the counters of some of the connections.
type shard struct {
	mu        sync.Mutex
	rows      [exportsFirst + ExportsMax]*row
	conns     map[*Conn]struct{}
	offloaded uint64
	_         [64]byte // the next shard is another processor's
}

// row is the cells of one export.
type row [procsMax]*cell

// cell counts one procedure on one export.
type cell struct {
	calls, in, out uint64
	sum, longest   uint64 // of latencies, nanoseconds
	buckets        [bucketCount]uint64
	errors         []StatusSum
}

// StatusSum is how many calls had a status.
type StatusSum struct {
	Status Status
	Calls  uint64
}

// New returns a table.
func New() *Table {
	t := &Table{
		begun: time.Now(), shards: make([]shard, min(runtime.GOMAXPROCS(0), shardsMax)), clients: make(map[netip.Addr]*client),
		counted: make(map[pair]bool), ids: make(map[exportName]Export), exports: []exportName{NoExport: {}, otherExport: {name: OtherName}},
	}
	for i := range t.shards {
		t.shards[i].conns = make(map[*Conn]struct{})
	}
	t.udp = &Conn{table: t, shard: &t.shards[0], kind: "udp"}
	t.shards[0].conns[t.udp] = struct{}{}
	return t
}

// Now is the time by which latencies are counted, in nanoseconds.
func (t *Table) Now() int64 { return int64(time.Since(t.begun)) }

// At is the wall clock at a time of Now.
func (t *Table) At(now int64) time.Time { return t.begun.Add(time.Duration(now)) }

// Export is the export of a name, of the image of a name. Once named it stays, so that its counters never go back when it is removed and comes again.
func (t *Table) Export(image, name string) Export {
	key := exportName{image, name}
	t.names.Lock()
	defer t.names.Unlock()
	if id, ok := t.ids[key]; ok {
		return id
	}
	if len(t.exports) >= int(exportsFirst)+ExportsMax {
		return otherExport
	}
	id := Export(len(t.exports))
	t.exports = append(t.exports, key)
	t.ids[key] = id
	return id
}

// ExportName is how an export is called, and its image; "" for NoExport.
func (t *Table) ExportName(e Export) (image, name string) {
	t.names.Lock()
	defer t.names.Unlock()
	return t.exports[e].image, t.exports[e].name
}

// cell finds where to count a procedure on an export. mu is held.
func (s *shard) cell(t *Table, e Export, p Procedure) *cell {
	if r := s.rows[e]; r != nil && r[p] != nil {
		return r[p]
	}
	return s.newCell(t, e, p)
}

// newCell is cell for one that the shard does not have yet.
func (s *shard) newCell(t *Table, e Export, p Procedure) *cell {
	if e >= exportsFirst && !t.apart(pair{e, p}) {
		e = otherExport
	}
	if s.rows[e] == nil {
		s.rows[e] = new(row)
	}
	if s.rows[e][p] == nil {
		s.rows[e][p] = new(cell)
	}
	return s.rows[e][p]
}

// apart reports whether a pair is counted apart: the same in all shards.
func (t *Table) apart(p pair) bool {
	t.cells.Lock()
	defer t.cells.Unlock()
	if !t.counted[p] && len(t.counted) < cellsMax {
		t.counted[p] = true
	}
	return t.counted[p]
}

// failed counts n errors.
func (c *cell) failed(s Status, n uint64) {
	for i := range c.errors {
		if c.errors[i].Status == s {
			c.errors[i].Calls += n
			return
		}
	}
	c.errors = append(c.errors, StatusSum{s, n})
}

// add adds what another shard has counted. mu of that is held.
func (c *cell) add(o *cell) {
	c.calls += o.calls
	c.in += o.in
	c.out += o.out
	c.sum += o.sum
	c.longest = max(c.longest, o.longest)
	for i, n := range o.buckets {
		c.buckets[i] += n
	}
	for _, e := range o.errors {
		c.failed(e.Status, e.Calls)
	}
}
