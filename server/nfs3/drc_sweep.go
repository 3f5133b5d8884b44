package nfs3

import (
	"net/netip"
	"slices"
	"sort"
	"time"
)

// sweepTo is how many entries a sweep leaves, so that the next one is not due soon.
const sweepTo = drcMax - drcMax/16

// sweep makes room in all histories together. First go the entries for which nobody waits: the client has acknowledged them and ended the
// connection, or they have lapsed. If that is not enough, all clients keep the same number, those that have fewer all they have: so many addresses
// that ask for little cannot make the replies of one go that still may be waited for.
func (r *drc) sweep() {
	if !r.sweeping.TryLock() {
		return // somebody is at it
	}
	defer r.sweeping.Unlock()
	r.eachEntry(func(m *drcEntry, _ int) bool { return r.expendable(m) })
	if r.total.Load() <= sweepTo {
		return
	}
	if keep := r.quota(); keep > 0 {
		r.eachEntry(func(_ *drcEntry, newer int) bool { return newer >= keep })
		return
	}
	// More clients than entries: those go that have been answered longest.
	limit := r.longest(int(r.total.Load()) - sweepTo)
	r.eachEntry(func(m *drcEntry, _ int) bool { return m.done <= limit })
}

// longest is when the n-th of the entries was answered, in the order in which they were.
func (r *drc) longest(n int) time.Duration {
	var all []time.Duration
	r.eachEntry(func(m *drcEntry, _ int) bool {
		all = append(all, m.done)
		return false
	})
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[min(n, len(all)-1)]
}

// expendable reports whether nobody can be waiting for an entry.
func (r *drc) expendable(m *drcEntry) bool {
	ended, delivered := m.receipt.Known()
	return ended && delivered || r.now()-m.done > drcLifetime
}

// eachEntry forgets each entry that is over and of which gone says so; it is told how many of the same client are newer.
func (r *drc) eachEntry(gone func(m *drcEntry, newer int) bool) {
	for i := range r.shards {
		s := &r.shards[i]
		s.mu.Lock()
		for _, h := range s.clients {
			newer := 0
			for m := h.ring.prev; m != &h.ring; {
				older := m.prev
				if !m.busy && gone(m, newer) {
					r.drop(m)
				} else {
					newer++
				}
				m = older
			}
		}
		s.mu.Unlock()
	}
}

// quota is the largest number of entries of which every client may keep that many.
func (r *drc) quota() int {
	var counts []int
	r.eachClient(func(_ netip.Addr, h *drcClient) { counts = append(counts, h.n) })
	return sort.Search(drcPerClient, func(q int) bool {
		sum := 0
		for _, n := range counts {
			sum += min(n, q+1)
		}
		return sum > sweepTo
	})
}

func (r *drc) eachClient(f func(netip.Addr, *drcClient)) {
	for i := range r.shards {
		s := &r.shards[i]
		s.mu.Lock()
		for client, h := range s.clients {
			f(client, h)
		}
		s.mu.Unlock()
	}
}
