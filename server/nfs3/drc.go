package nfs3

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"pmemfs/pmemfs"
	"pmemfs/server/rpc"
	"pmemfs/server/share"
)

const (
	// drcPerClient is how many replies a client may have outstanding and still find each again: over TCP it has seen
	// whatever is older than those it waits for.
	drcPerClient = 2048
	// drcMax bounds the entries of all clients, some 300 bytes each. Which go then, see drc.sweep.
	drcMax = 65536
	// drcLifetime is how long an entry is there for a client that may still wait for the reply, and how long after a start the request
	// notes of the incarnation before count. Linux waits for up to five minutes between two attempts to connect.
	drcLifetime = 10 * time.Minute
)

// drc is the duplicate request cache: what calls were answered, so that a retransmission is answered and not carried out twice.
type drc struct {
	notes map[pmemfs.RequestKey]pmemfs.Handle // request notes of earlier incarnations, with what was made; never changes
	now   func() time.Duration                // since this incarnation began

	shards   [64]drcShard
	seed     maphash.Seed
	total    atomic.Int64 // entries
	hits     atomic.Uint64
	misses   atomic.Uint64
	sweeping sync.Mutex // taken before any shard's
}

// drcShard has the entries of some clients.
type drcShard struct {
	mu      sync.Mutex
	clients map[netip.Addr]*drcClient // by share.Key
}

// drcEntry is one call: under way while busy, then answered. While it is busy its reply belongs to whoever carries it out.
type drcEntry struct {
	digest     pmemfs.RequestKey
	client     *drcClient
	older      *drcEntry // the next of its chain
	prev, next *drcEntry
	done       time.Duration
	receipt    *rpc.Receipt // of the reply that it was last sent
	reply      []byte
	wait       chan struct{} // closed when it is no longer busy; nil unless somebody waits
	port       uint16        // of the client that has last asked for it
	busy       bool
}

func newDRC(notes []pmemfs.RequestNote) *drc {
	born := time.Now()
	r := &drc{
		notes: make(map[pmemfs.RequestKey]pmemfs.Handle, len(notes)), seed: maphash.MakeSeed(),
		now: func() time.Duration { return time.Since(born) },
	}
	for i := range r.shards {
		r.shards[i].clients = make(map[netip.Addr]*drcClient)
	}
	for _, n := range notes {
		r.notes[n.Key] = n.Made
	}
	return r
}

// earlier reports whether an earlier incarnation of the server carried out the request with a key, for a client that may still wait for the
// reply, and what the request made.
func (r *drc) earlier(key pmemfs.RequestKey) (made pmemfs.Handle, ok bool) {
	if made, ok = r.notes[key]; ok && r.now() > drcLifetime {
		return pmemfs.Handle{}, false
	}
	return made, ok
}

// drcPlace is where a caller's calls were last looked up. The next one is mostly of the same client.
type drcPlace struct {
	addr   netip.Addr
	client *drcClient
}

// lock returns the entries of the client with an address, with the lock of their shard.
func (r *drc) lock(addr netip.Addr, p *drcPlace) *drcClient {
	if h := p.client; h != nil && p.addr == addr {
		h.shard.mu.Lock()
		if !h.gone {
			return h
		}
		h.shard.mu.Unlock()
	}
	key := share.Key(addr)
	s := &r.shards[maphash.Comparable(r.seed, key)%uint64(len(r.shards))]
	s.mu.Lock()
	h := s.clients[key]
	if h == nil {
		h = newClient(s, key)
		s.clients[key] = h
	}
	p.addr, p.client = addr, h
	return h
}

// begin looks a call up. Either it is one that was answered: reply is a copy of the answer; or that is under way: busy is closed when it no
// longer is; or it is new: m is its entry, and the caller, who carries it out, ends it with finish or abandon.
func (r *drc) begin(call *rpc.Request, digest pmemfs.RequestKey, p *drcPlace) (m *drcEntry, reply []byte, busy <-chan struct{}) {
	h := r.lock(call.Remote.Addr(), p)
	if m = h.find(call, digest, r.now); m != nil {
		defer h.shard.mu.Unlock()
		if !m.busy {
			m.port, m.receipt = call.Remote.Port(), call.Receipt()
			return nil, append([]byte(nil), m.reply...), nil
		}
		if m.wait == nil {
			m.wait = make(chan struct{})
		}
		return nil, nil, m.wait
	}
	m = h.room()
	if m == nil {
		m = new(drcEntry)
		r.total.Add(1)
	}
	m.digest, m.port, m.receipt, m.busy, m.reply = digest, call.Remote.Port(), call.Receipt(), true, m.reply[:0]
	h.add(m)
	h.shard.mu.Unlock()
	if r.total.Load() > drcMax {
		r.sweep()
	}
	return m, nil, nil
}

// finish remembers the reply of a call.
func (r *drc) finish(m *drcEntry, reply []byte) {
	m.reply = append(m.reply, reply...)
	m.done = r.now()
	mu := &m.client.shard.mu
	mu.Lock()
	m.release()
	mu.Unlock()
}

// abandon forgets a call that came to nothing.
func (r *drc) abandon(m *drcEntry) {
	mu := &m.client.shard.mu
	mu.Lock()
	defer mu.Unlock()
	m.release()
	r.drop(m)
}

// drop forgets an entry. The lock of its shard is held.
func (r *drc) drop(m *drcEntry) {
	h := m.client
	h.remove(m)
	r.total.Add(-1)
	if h.n == 0 {
		h.gone, h.chains = true, nil
		delete(h.shard.clients, h.key)
	}
}

// release lets those go on who wait for the call.
func (m *drcEntry) release() {
	m.busy = false
	if m.wait != nil {
		close(m.wait)
		m.wait = nil
	}
}

// Duplicates is what the duplicate request cache has met: retransmissions that it has answered, other calls, and replies that it remembers. A call that
// is served again, as it has to wait, is looked up again.
func (s *Server) Duplicates() (hits, misses uint64, remembered int64) {
	return s.drc.hits.Load(), s.drc.misses.Load(), s.drc.total.Load()
}
