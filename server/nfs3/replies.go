package nfs3

import (
	"net/netip"
	"sync"

	"pmemfs/pmemfs"
)

const (
	// repliesPerClient is how many replies a client may have outstanding and still find each again: over TCP it has seen
	// whatever is older than those it waits for.
	repliesPerClient = 2048
	// repliesMax bounds those of all clients, some 300 bytes each. The clients that have been quiet longest are forgotten.
	repliesMax = 65536
)

// replies is the duplicate request cache.
type replies struct {
	old map[pmemfs.NoteKey]pmemfs.Handle // what earlier lives of the server did; never changes

	mu      sync.Mutex
	clients map[netip.Addr]*history
	uses    uint64 // counts calls; what "longest" is counted in
}

// history is what one client was answered.
type history struct {
	used uint64 // guarded by replies.mu

	mu   sync.Mutex // a leaf
	at   map[pmemfs.NoteKey]int
	ring []remembered
	next int
}

// remembered is one call: under way while busy, then answered.
type remembered struct {
	key   pmemfs.NoteKey
	busy  bool
	wait  chan struct{} // closed when it is no longer busy; nil unless somebody waits
	reply []byte
}

func newReplies(notes []pmemfs.Note) *replies {
	r := &replies{old: make(map[pmemfs.NoteKey]pmemfs.Handle, len(notes)), clients: make(map[netip.Addr]*history)}
	for _, n := range notes {
		r.old[n.Key] = n.Made
	}
	return r
}

// earlier reports whether an earlier life of the server carried out the call of a key, and what it made.
func (r *replies) earlier(key pmemfs.NoteKey) (pmemfs.Handle, bool) {
	made, ok := r.old[key]
	return made, ok
}

// of returns the history of a client.
func (r *replies) of(client netip.Addr) *history {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.clients[client]
	if h == nil {
		h = &history{at: make(map[pmemfs.NoteKey]int)}
		r.clients[client] = h
		r.trim(h)
	}
	r.uses++
	h.used = r.uses
	return h
}

// trim forgets clients that have been quiet longest until there is room for the history of a new one. mu is held.
func (r *replies) trim(keep *history) {
	for {
		total := repliesPerClient // of the new one
		var quiet netip.Addr
		var oldest *history
		for client, h := range r.clients {
			total += h.slots()
			if h != keep && (oldest == nil || h.used < oldest.used) {
				quiet, oldest = client, h
			}
		}
		if total <= repliesMax || oldest == nil {
			return
		}
		delete(r.clients, quiet)
	}
}

func (h *history) slots() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return max(len(h.ring), 64) // a client that has asked for little is not for nothing
}

// begin looks a call up. Either it was answered: reply is the answer, which stays as it is; or it is under way: busy is closed when
// it is no longer; or it is new, and the caller, who carries it out, ends it with finish or abandon.
func (h *history) begin(key pmemfs.NoteKey) (slot int, reply []byte, busy <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if slot, ok := h.at[key]; ok {
		m := &h.ring[slot]
		if !m.busy {
			return slot, m.reply, nil
		}
		if m.wait == nil {
			m.wait = make(chan struct{})
		}
		return slot, nil, m.wait
	}
	slot = h.room()
	m := &h.ring[slot]
	if m.reply != nil {
		delete(h.at, m.key)
	}
	m.key, m.busy = key, true
	h.at[key] = slot
	return slot, nil, nil
}

// room returns the slot to use next: one more while there may be more, else that of the oldest call that is over.
func (h *history) room() int {
	if len(h.ring) < repliesPerClient {
		h.ring = append(h.ring, remembered{})
		return len(h.ring) - 1
	}
	for range h.ring {
		slot := h.next
		h.next = (h.next + 1) % len(h.ring)
		if !h.ring[slot].busy {
			return slot
		}
	}
	h.ring = append(h.ring, remembered{}) // as many calls as that are under way at once
	return len(h.ring) - 1
}

// finish remembers the reply of a call.
func (h *history) finish(slot int, key pmemfs.NoteKey, reply []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ring[slot].reply = append(h.ring[slot].reply[:0], reply...)
	h.release(slot)
}

// abandon forgets a call that came to nothing.
func (h *history) abandon(slot int, key pmemfs.NoteKey) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ring[slot].reply = nil
	delete(h.at, key)
	h.release(slot)
}

func (h *history) release(slot int) {
	m := &h.ring[slot]
	m.busy = false
	if m.wait != nil {
		close(m.wait)
		m.wait = nil
	}
}
