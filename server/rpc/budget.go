package rpc

import (
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"

	"pmemfs/server/share"
)

// BudgetMin is the least memory that a Budget can be made of, in bytes.
const BudgetMin = 16 << 20

// Budget is the memory that requests of all clients may take, in all servers that have the Budget, and how they share it. Its parts are
// sixteenths; each is a ration of its own, so that who holds one part never waits for another that waits for him:
//
//	3  connections        connBytes each: a goroutine, and what the system needs
//	1  beginnings         of records whose rest is missing, up to 32 KiB each
//	4  work sets          workBytes each: what a connection reads and answers with; it gives that back when it has nothing to do
//	3  calls that wait    the record and 16 KiB each
//	5  large slots        for records and replies that are larger than a work set has room for
//
// What connections and calls hold is taken before it is allocated, so the sum is the worst case. Beyond it a connection waits and is not
// read, and TCP makes its client wait.
type Budget struct {
	bytes, connections int64

	open  *share.Pool // connections
	begun ration      // bytes
	work  ration      // bytes
	calls ration      // bytes
	large ration      // bytes
	seats ration      // of calls that wait, by number
	turns ration      // of connections that may work: see turn

	alone   atomic.Bool // there is at most one client
	mu      sync.Mutex  // a leaf
	clients map[netip.Addr]*client
}

const (
	// connBytes is what a connection takes beside its buffers.
	connBytes = 12 << 10
	// connectionsMax bounds connections however much memory there is.
	connectionsMax = 16384
	// seatsAll is how many calls may be in the engine at once beside connections, and seatsOne how many of one client: they are enough to share each
	// fence among many, and all want a processor when it is done.
	seatsAll = 4096
	seatsOne = 128
	// callBytes is what a call that waits takes beside its record: a goroutine and a buffer for a short reply.
	callBytes = shortBytes + 8<<10
)

// NewBudget divides an amount of memory in bytes; it is at least BudgetMin.
func NewBudget(bytes int64) *Budget {
	bytes = max(bytes, BudgetMin)
	b := &Budget{bytes: bytes, clients: make(map[netip.Addr]*client)}
	part := bytes / 16
	b.connections = min(3*part/connBytes, connectionsMax)
	b.open = share.New(b.connections)
	b.begun.init(part)
	b.work.init(4 * part)
	b.calls.init(3 * part)
	b.large.init(max(5*part, 2*2*largeBytes))
	b.alone.Store(true)
	b.seats.init(seatsAll)
	b.seats.most = seatsOne
	b.turns.init(int64(max(runtime.GOMAXPROCS(0)-1, 1)))
	b.turns.open = true
	return b
}

// Bytes is the worst case of what requests take.
func (b *Budget) Bytes() int64 { return b.bytes }

// Connections is how many there may be.
func (b *Budget) Connections() int64 { return b.connections }

// Held is how much memory requests have taken at the moment, in bytes, without that of connections as such.
func (b *Budget) Held() (bytes int64) {
	for _, r := range []*ration{&b.begun, &b.work, &b.calls, &b.large} {
		r.mu.Lock()
		bytes += r.limit - r.free
		r.mu.Unlock()
	}
	return bytes
}

// client is all connections and datagrams from one address: those who share, and between whom the server is fair.
type client struct {
	addr                                   netip.Addr // share.Key
	begun, work, calls, large, seats, turn account
	rooms                                  map[*Room]*roomShare // guarded by Budget.mu
	users                                  int                  // of this; likewise
	conns                                  map[*conn]struct{}   // likewise
}

// client finds an address's, for one user more.
func (b *Budget) client(addr netip.Addr) *client {
	addr = share.Key(addr)
	b.mu.Lock()
	defer b.mu.Unlock()
	cl := b.clients[addr]
	if cl == nil {
		cl = &client{addr: addr, conns: make(map[*conn]struct{})}
		b.clients[addr] = cl
	}
	cl.users++
	b.alone.Store(len(b.clients) < 2)
	return cl
}

// done ends a use of a client, who has given everything back.
func (b *Budget) done(cl *client) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if cl.users--; cl.users == 0 {
		delete(b.clients, cl.addr)
		b.alone.Store(len(b.clients) < 2)
	}
}

// join makes a connection one of its client's that can be asked to give back.
func (b *Budget) join(c *conn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c.client.conns[c] = struct{}{}
}

// leave ends that, and the connection's use of the client.
func (b *Budget) leave(c *conn) {
	b.mu.Lock()
	delete(c.client.conns, c)
	b.mu.Unlock()
	b.done(c.client)
}

// takeWork takes a work set; nil if the client may not have one now.
func (b *Budget) takeWork(cl *client) *workSet {
	r := &b.work
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.takeLocked(&cl.work, workBytes) {
		return nil
	}
	return r.set()
}

// set takes a free work set, or makes one, for which workBytes have been taken. mu is held.
func (r *ration) set() *workSet {
	last := len(r.sets) - 1
	if last < 0 {
		r.low = 0
		return newWorkSet()
	}
	w := r.sets[last]
	r.sets[last] = nil
	r.sets = r.sets[:last]
	r.low = min(r.low, last)
	return w
}

// giveWork gives a work set back.
func (b *Budget) giveWork(cl *client, w *workSet) {
	r := &b.work
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sets = append(r.sets, w)
	r.giveLocked(&cl.work, workBytes)
}

// givenWork is the work set of one who has waited for workBytes.
func (b *Budget) givenWork() *workSet {
	b.work.mu.Lock()
	defer b.work.mu.Unlock()
	return b.work.set()
}

// trim gives memory up that has been of no use for a while.
func (b *Budget) trim() {
	for _, s := range shelves {
		s.trim()
	}
	b.work.mu.Lock()
	defer b.work.mu.Unlock()
	b.work.sets, b.work.low = trimmed(b.work.sets, b.work.low)
}
