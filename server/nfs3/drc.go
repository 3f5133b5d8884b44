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
	born  time.Time                           // of this incarnation
	now   func() time.Time

	shards   [64]drcShard
	seed     maphash.Seed
	total    atomic.Int64 // entries
	sweeping sync.Mutex   // taken before any shard's
}

// drcShard has the entries of some clients.
type drcShard struct {
	mu      sync.Mutex
	clients map[netip.Addr]*drcClient // by share.Key
}

// drcClient is what one client was answered. The lock of its shard guards it.
type drcClient struct {
	at map[pmemfs.RequestKey]*drcEntry // by digest; the newest of those that are the same
	n  int
	// The entries in the order in which they came, as a ring of which this is the beginning and the end.
	ring drcEntry
}

// drcEntry is one call: under way while busy, then answered.
type drcEntry struct {
	digest     pmemfs.RequestKey
	same       *drcEntry    // an older one with the same digest
	port       uint16       // of the client that has last asked for it
	receipt    *rpc.Receipt // of the reply that it was last sent
	prev, next *drcEntry
	busy       bool
	wait       chan struct{} // closed when it is no longer busy; nil unless somebody waits
	reply      []byte
	done       time.Time
}

func newDRC(notes []pmemfs.RequestNote) *drc {
	r := &drc{notes: make(map[pmemfs.RequestKey]pmemfs.Handle, len(notes)), now: time.Now, seed: maphash.MakeSeed()}
	r.born = r.now()
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
	if made, ok = r.notes[key]; ok && r.now().Sub(r.born) > drcLifetime {
		return pmemfs.Handle{}, false
	}
	return made, ok
}

// of returns the shard of a client.
func (r *drc) of(client netip.Addr) *drcShard {
	return &r.shards[maphash.Comparable(r.seed, client)%uint64(len(r.shards))]
}

// begin looks a call up. Either it is one that was answered: reply is a copy of the answer; or that is under way: busy is closed when it no
// longer is; or it is new: m is its entry, and the caller, who carries it out, ends it with finish or abandon.
func (r *drc) begin(call *rpc.Request, digest pmemfs.RequestKey) (m *drcEntry, reply []byte, busy <-chan struct{}) {
	client, port := share.Key(call.Remote.Addr()), call.Remote.Port()
	s := r.of(client)
	s.mu.Lock()
	h := s.clients[client]
	if h == nil {
		h = newClient()
		s.clients[client] = h
	}
	if m = h.find(call, digest, r.now()); m != nil {
		defer s.mu.Unlock()
		if !m.busy {
			m.port, m.receipt = port, call.Receipt()
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
	*m = drcEntry{digest: digest, port: port, receipt: call.Receipt(), busy: true, reply: m.reply[:0]}
	h.add(m)
	s.mu.Unlock()
	if r.total.Load() > drcMax {
		r.sweep()
	}
	return m, nil, nil
}

// finish remembers the reply of a call.
func (r *drc) finish(client netip.Addr, m *drcEntry, reply []byte) {
	s := r.of(share.Key(client))
	s.mu.Lock()
	defer s.mu.Unlock()
	m.reply = append(m.reply, reply...)
	m.done = r.now()
	m.release()
}

// abandon forgets a call that came to nothing.
func (r *drc) abandon(client netip.Addr, m *drcEntry) {
	client = share.Key(client)
	s := r.of(client)
	s.mu.Lock()
	defer s.mu.Unlock()
	m.release()
	r.drop(s, client, s.clients[client], m)
}

// drop forgets an entry. The lock of its shard is held.
func (r *drc) drop(s *drcShard, client netip.Addr, h *drcClient, m *drcEntry) {
	h.remove(m)
	r.total.Add(-1)
	if h.n == 0 {
		delete(s.clients, client)
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

func newClient() *drcClient {
	h := &drcClient{at: make(map[pmemfs.RequestKey]*drcEntry)}
	h.ring.prev, h.ring.next = &h.ring, &h.ring
	return h
}

// findsAtMost is how many connections are looked at by which the same call has come, the newest first: each takes a system call.
const findsAtMost = 16

// find returns the entry of which a call is a retransmission, or nil.
func (h *drcClient) find(call *rpc.Request, digest pmemfs.RequestKey, now time.Time) *drcEntry {
	looks := 0
	for m := h.at[digest]; m != nil; m = m.same {
		if m.port != call.Remote.Port() {
			if looks++; looks > findsAtMost {
				continue
			}
		}
		if m.awaited(call, now) {
			return m
		}
	}
	return nil
}

// awaited reports whether the sender of a call, which is the same as m's in everything but the connection, can still be waiting for
// m's reply: from the same port, to which Linux binds again when it connects anew; or from another one, when the connection has ended and
// the client's TCP has not acknowledged the reply. Another program behind the same address, or the same one later, is somebody else.
func (m *drcEntry) awaited(call *rpc.Request, now time.Time) bool {
	switch {
	case !m.busy && now.Sub(m.done) > drcLifetime:
		return false
	case m.port == call.Remote.Port():
		return true
	}
	ended, delivered := m.receipt.State()
	return ended && !delivered
}

// add takes an entry as the newest.
func (h *drcClient) add(m *drcEntry) {
	m.same = h.at[m.digest]
	h.at[m.digest] = m
	m.prev, m.next = h.ring.prev, &h.ring
	m.prev.next, m.next.prev = m, m
	h.n++
}

func (h *drcClient) remove(m *drcEntry) {
	m.prev.next, m.next.prev = m.next, m.prev
	h.n--
	first := h.at[m.digest]
	if first == m {
		if m.same == nil {
			delete(h.at, m.digest)
		} else {
			h.at[m.digest] = m.same
		}
		return
	}
	for ; first != nil; first = first.same {
		if first.same == m {
			first.same = m.same
			return
		}
	}
}

// room takes the oldest call that is over out of a client's entries that are full, for its memory to be used again; nil while there is room, or
// when as many calls are under way at once.
func (h *drcClient) room() *drcEntry {
	if h.n < drcPerClient {
		return nil
	}
	for m := h.ring.next; m != &h.ring; m = m.next {
		if !m.busy {
			h.remove(m)
			return m
		}
	}
	return nil
}
