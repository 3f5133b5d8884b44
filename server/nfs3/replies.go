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
	// repliesPerClient is how many replies a client may have outstanding and still find each again: over TCP it has seen
	// whatever is older than those it waits for.
	repliesPerClient = 2048
	// repliesMax bounds those of all clients, some 300 bytes each. What is given up then, see replies.sweep.
	repliesMax = 65536
	// replyLife is how long a reply is kept for a client that may still wait for it, and how long after a start the notes of the life
	// before count. Linux waits for up to five minutes between two attempts to connect.
	replyLife = 10 * time.Minute
)

// replies is the duplicate request cache.
type replies struct {
	old  map[pmemfs.NoteKey]pmemfs.Handle // what earlier lives of the server did; never changes
	born time.Time                        // of this life
	now  func() time.Time

	shards   [64]replyShard
	seed     maphash.Seed
	total    atomic.Int64 // entries
	sweeping sync.Mutex   // taken before any shard's
}

// replyShard has the histories of some clients.
type replyShard struct {
	mu      sync.Mutex
	clients map[netip.Addr]*history // by share.Key
}

// history is what one client was answered. The lock of its shard guards it.
type history struct {
	at map[pmemfs.NoteKey]*remembered // by digest; the newest of those that are the same
	n  int
	// The entries in the order in which they came, as a ring of which this is the beginning and the end.
	ring remembered
}

// remembered is one call: under way while busy, then answered.
type remembered struct {
	digest     pmemfs.NoteKey
	same       *remembered  // an older one with the same digest
	port       uint16       // of the client that has last asked for it
	receipt    *rpc.Receipt // of the reply that it was last sent
	prev, next *remembered
	busy       bool
	wait       chan struct{} // closed when it is no longer busy; nil unless somebody waits
	reply      []byte
	done       time.Time
}

func newReplies(notes []pmemfs.Note) *replies {
	r := &replies{old: make(map[pmemfs.NoteKey]pmemfs.Handle, len(notes)), now: time.Now, seed: maphash.MakeSeed()}
	r.born = r.now()
	for i := range r.shards {
		r.shards[i].clients = make(map[netip.Addr]*history)
	}
	for _, n := range notes {
		r.old[n.Key] = n.Made
	}
	return r
}

// earlier reports whether an earlier life of the server carried out the call of a note's key, for a client that may still wait for the
// answer, and what it made.
func (r *replies) earlier(key pmemfs.NoteKey) (made pmemfs.Handle, ok bool) {
	if made, ok = r.old[key]; ok && r.now().Sub(r.born) > replyLife {
		return pmemfs.Handle{}, false
	}
	return made, ok
}

// of returns the shard of a client.
func (r *replies) of(client netip.Addr) *replyShard {
	return &r.shards[maphash.Comparable(r.seed, client)%uint64(len(r.shards))]
}

// begin looks a call up. Either it is one that was answered: reply is a copy of the answer; or that is under way: busy is closed when it no
// longer is; or it is new: m is its entry, and the caller, who carries it out, ends it with finish or abandon.
func (r *replies) begin(call *rpc.Request, digest pmemfs.NoteKey) (m *remembered, reply []byte, busy <-chan struct{}) {
	client, port := share.Key(call.Remote.Addr()), call.Remote.Port()
	s := r.of(client)
	s.mu.Lock()
	h := s.clients[client]
	if h == nil {
		h = newHistory()
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
		m = new(remembered)
		r.total.Add(1)
	}
	*m = remembered{digest: digest, port: port, receipt: call.Receipt(), busy: true, reply: m.reply[:0]}
	h.add(m)
	s.mu.Unlock()
	if r.total.Load() > repliesMax {
		r.sweep()
	}
	return m, nil, nil
}

// finish remembers the reply of a call.
func (r *replies) finish(client netip.Addr, m *remembered, reply []byte) {
	s := r.of(share.Key(client))
	s.mu.Lock()
	defer s.mu.Unlock()
	m.reply = append(m.reply, reply...)
	m.done = r.now()
	m.release()
}

// abandon forgets a call that came to nothing.
func (r *replies) abandon(client netip.Addr, m *remembered) {
	client = share.Key(client)
	s := r.of(client)
	s.mu.Lock()
	defer s.mu.Unlock()
	m.release()
	r.drop(s, client, s.clients[client], m)
}

// drop forgets an entry. The lock of its shard is held.
func (r *replies) drop(s *replyShard, client netip.Addr, h *history, m *remembered) {
	h.remove(m)
	r.total.Add(-1)
	if h.n == 0 {
		delete(s.clients, client)
	}
}

// release lets those go on who wait for the call.
func (m *remembered) release() {
	m.busy = false
	if m.wait != nil {
		close(m.wait)
		m.wait = nil
	}
}

func newHistory() *history {
	h := &history{at: make(map[pmemfs.NoteKey]*remembered)}
	h.ring.prev, h.ring.next = &h.ring, &h.ring
	return h
}

// findsAtMost is how many connections are looked at by which the same call has come, the newest first: each takes a system call.
const findsAtMost = 16

// find returns the entry of which a call is a retransmission, or nil.
func (h *history) find(call *rpc.Request, digest pmemfs.NoteKey, now time.Time) *remembered {
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
func (m *remembered) awaited(call *rpc.Request, now time.Time) bool {
	switch {
	case !m.busy && now.Sub(m.done) > replyLife:
		return false
	case m.port == call.Remote.Port():
		return true
	}
	ended, delivered := m.receipt.State()
	return ended && !delivered
}

// add takes an entry as the newest.
func (h *history) add(m *remembered) {
	m.same = h.at[m.digest]
	h.at[m.digest] = m
	m.prev, m.next = h.ring.prev, &h.ring
	m.prev.next, m.next.prev = m, m
	h.n++
}

func (h *history) remove(m *remembered) {
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

// room takes the oldest call that is over out of a history that is full, for its place to be used again; nil while there is room, or
// when as many calls are under way at once.
func (h *history) room() *remembered {
	if h.n < repliesPerClient {
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
