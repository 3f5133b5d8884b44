package nfs3

import (
	"encoding/binary"
	"net/netip"
	"time"

	"pmemfs/pmemfs"
	"pmemfs/server/rpc"
)

// drcClient is what one client was answered. The lock of its shard guards it.
type drcClient struct {
	shard *drcShard
	key   netip.Addr // there
	gone  bool       // from there, with the last entry
	n     int
	// The entries by digest, as chains. The newest of a chain is its first. A Go map takes twice as long.
	chains []*drcEntry
	// The entries in the order in which they came, as a ring of which this is the beginning and the end.
	ring drcEntry
}

// chainsMin is the number of chains of a client with few entries. The number is a power of two: see chain.
const chainsMin = 8

func newClient(s *drcShard, key netip.Addr) *drcClient {
	h := &drcClient{shard: s, key: key, chains: make([]*drcEntry, chainsMin)}
	h.ring.prev, h.ring.next = &h.ring, &h.ring
	return h
}

// chain is where entries with a digest begin. Nobody can choose digests, which the image's secret keys.
func (h *drcClient) chain(digest *pmemfs.RequestKey) **drcEntry {
	return &h.chains[binary.LittleEndian.Uint64(digest[:])&uint64(len(h.chains)-1)]
}

// findsAtMost is how many connections are looked at by which the same call has come, the newest first: each takes a system call.
const findsAtMost = 16

// find returns the entry of which a call is a retransmission, or nil.
func (h *drcClient) find(call *rpc.Request, digest pmemfs.RequestKey, now func() time.Duration) *drcEntry {
	looks := 0
	for m := *h.chain(&digest); m != nil; m = m.older {
		if m.digest != digest {
			continue
		}
		if m.port != call.Remote.Port() {
			if looks++; looks > findsAtMost {
				continue
			}
		}
		if m.awaited(call, now()) {
			return m
		}
	}
	return nil
}

// awaited reports whether the sender of a call, which is the same as m's in everything but the connection, can still be waiting for
// m's reply: from the same port, to which Linux binds again when it connects anew; or from another one, when the connection has ended and
// the client's TCP has not acknowledged the reply. Another program behind the same address, or the same one later, is somebody else.
func (m *drcEntry) awaited(call *rpc.Request, now time.Duration) bool {
	switch {
	case !m.busy && now-m.done > drcLifetime:
		return false
	case m.port == call.Remote.Port():
		return true
	}
	ended, delivered := m.receipt.State()
	return ended && !delivered
}

// add takes an entry as the newest.
func (h *drcClient) add(m *drcEntry) {
	if h.n == len(h.chains) {
		h.rechain(2 * h.n)
	}
	m.client = h
	h.link(m)
	m.prev, m.next = h.ring.prev, &h.ring
	m.prev.next, m.next.prev = m, m
	h.n++
}

// link makes an entry the first of its chain.
func (h *drcClient) link(m *drcEntry) {
	first := h.chain(&m.digest)
	m.older, *first = *first, m
}

// rechain spreads the entries over another number of chains, the oldest first.
func (h *drcClient) rechain(chains int) {
	h.chains = make([]*drcEntry, chains)
	for m := h.ring.next; m != &h.ring; m = m.next {
		h.link(m)
	}
}

func (h *drcClient) remove(m *drcEntry) {
	m.prev.next, m.next.prev = m.next, m.prev
	h.n--
	at := h.chain(&m.digest)
	for *at != m {
		at = &(*at).older
	}
	*at = m.older
	if len(h.chains) > chainsMin && h.n < len(h.chains)/8 {
		h.rechain(len(h.chains) / 4)
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
