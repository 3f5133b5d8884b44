package traffic

import "net/netip"

// Event is one call that has been answered.
type Event struct {
	Procedure Procedure
	Export    Export
	Status    Status
	In, Out   uint32 // bytes of the call and of its reply
}

// batchMax is how many calls are published at once.
const batchMax = 64

// Batch is calls whose replies have not left. The zero value is ready.
type Batch struct {
	n      int
	begun  int64 // when the server began with the calls that arrived together; 0 for not yet
	events [batchMax]Event
}

// Begin notes that the server begins with a call, unless it has begun with one whose reply has not left.
func (b *Batch) Begin(t *Table) {
	if b.begun == 0 {
		b.begun = max(t.Now(), 1)
	}
}

// Begun is when it began.
func (b *Batch) Begun() int64 { return b.begun }

// Resume goes on with a call with which the server began at a time of Begun, after others were published.
func (b *Batch) Resume(begun int64) { b.begun = begun }

// Conn is one connection, or all datagrams.
type Conn struct {
	table *Table
	shard *shard
	addr  netip.Addr
	kind  string
	sums  Sums // guarded by shard.mu
}

// Sums is what is counted of a connection, and of a client.
type Sums struct {
	calls, errors, in, out uint64
	took                   uint64 // sum of latencies, nanoseconds
	last                   int64  // when the last call was answered, by Table.Now
}

func (s *Sums) add(o *Sums) {
	s.calls += o.calls
	s.errors += o.errors
	s.in += o.in
	s.out += o.out
	s.took += o.took
	s.last = max(s.last, o.last)
}

// Full reports whether there is no room for another call: then Publish must come before Next.
func (b *Batch) Full() bool { return b.n == batchMax }

// Next returns where to note a call that has been answered: all of it. Publish must follow before its reply leaves.
func (b *Batch) Next() *Event {
	ev := &b.events[b.n]
	b.n++
	return ev
}

// Publish counts the calls of a batch, and ends it. It waits for no longer than it takes to count one, or to read counters.
func (c *Conn) Publish(b *Batch) {
	if b.n == 0 {
		b.begun = 0
		return
	}
	now := c.table.Now()
	took := now - b.begun
	bucket := bucketOf(took)
	s := c.shard
	s.mu.Lock()
	for events := b.events[:b.n]; len(events) > 0; {
		events = c.count(events, bucket, took)
	}
	c.sums.took += uint64(took) * uint64(b.n)
	c.sums.last = now
	s.mu.Unlock()
	b.n, b.begun = 0, 0
}

// count counts the first of some calls and those like it that follow, and returns the rest. shard.mu is held.
func (c *Conn) count(events []Event, bucket int, took int64) []Event {
	first := &events[0]
	to := c.shard.cell(c.table, first.Export, first.Procedure)
	var in, out, errors uint64
	n := 0
	for n < len(events) {
		ev := &events[n]
		if ev.Procedure != first.Procedure || ev.Export != first.Export {
			break
		}
		n++
		in += uint64(ev.In)
		out += uint64(ev.Out)
		if ev.Status != 0 {
			errors++
			to.failed(ev.Status, 1)
		}
	}
	to.calls += uint64(n)
	to.in += in
	to.out += out
	to.sum += uint64(took) * uint64(n)
	to.longest = max(to.longest, uint64(took))
	to.buckets[bucket] += uint64(n)
	c.sums.calls += uint64(n)
	c.sums.errors += errors
	c.sums.in += in
	c.sums.out += out
	return events[n:]
}

// One counts a call that is answered by itself, with which the server began at a time of Table.Now. offloaded says that it was answered beside its connection's
// others.
func (c *Conn) One(ev Event, begun int64, offloaded bool) {
	now := c.table.Now()
	took := max(now-begun, 0)
	bucket := bucketOf(took)
	s := c.shard
	s.mu.Lock()
	defer s.mu.Unlock()
	c.count([]Event{ev}, bucket, took)
	c.sums.took += uint64(took)
	c.sums.last = now
	if offloaded {
		s.offloaded++
	}
}
