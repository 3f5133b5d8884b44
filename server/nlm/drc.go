package nlm

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"

	"pmemfs/server/rpc"
	"pmemfs/server/share"
)

const (
	drcMax      = 4096        // entries of all clients, who share them
	drcLifetime = time.Minute // how long
)

// drc is the duplicate request cache: it remembers the answers to calls that have changed something. Of hosts that no export admits nothing is remembered.
type drc struct {
	seed  maphash.Seed
	share *share.Pool

	mu sync.Mutex                // taken before that of share
	at map[netip.Addr][]drcEntry // by the client's key, the oldest first
}

type drcEntry struct {
	key  uint64
	st   status
	when time.Time
}

func (p *drc) init() {
	p.seed, p.share, p.at = maphash.MakeSeed(), share.New(drcMax), map[netip.Addr][]drcEntry{}
}

// keyOf is what a call has in common with its repetitions only: who sent it, from which port, and all its bytes. Clients repeat a call over UDP from
// the same socket, and Linux connects anew from the same port.
func (p *drc) keyOf(r *rpc.Request) uint64 {
	var h maphash.Hash
	h.SetSeed(p.seed)
	addr := r.Remote.Addr().As16()
	h.Write(addr[:])
	h.WriteByte(byte(r.Remote.Port()))
	h.WriteByte(byte(r.Remote.Port() >> 8))
	h.Write(r.Record)
	return h.Sum64()
}

// changes reports whether a procedure that ends so has changed something.
func changes(proc uint32, st status) bool {
	return st == granted && proc != procTest && proc != procGranted
}

// find returns the answer to a call that was answered before.
func (p *drc) find(r *rpc.Request, proc uint32) (status, bool) {
	if !changes(proc, granted) {
		return 0, false
	}
	key := p.keyOf(r)
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, old := range p.at[share.Key(r.Remote.Addr())] {
		if old.key == key && time.Since(old.when) <= drcLifetime {
			return old.st, true
		}
	}
	return 0, false
}

// add remembers an answer, in place of the client's oldest if it has no room.
func (p *drc) add(r *rpc.Request, proc uint32, st status) {
	if !changes(proc, st) {
		return
	}
	key, client := p.keyOf(r), share.Key(r.Remote.Addr())
	p.mu.Lock()
	defer p.mu.Unlock()
	p.expire(client)
	for !p.share.Take(client, 1) {
		from := client
		if len(p.at[from]) == 0 {
			from, _ = p.share.Greediest()
		}
		p.forget(from, 1)
	}
	p.at[client] = append(p.at[client], drcEntry{key, st, time.Now()})
}

// expire forgets what is too old of a client. mu is held.
func (p *drc) expire(client netip.Addr) {
	n := 0
	for n < len(p.at[client]) && time.Since(p.at[client][n].when) > drcLifetime {
		n++
	}
	p.forget(client, n)
}

// forget forgets a client's oldest n answers. mu is held.
func (p *drc) forget(client netip.Addr, n int) {
	if n == 0 {
		return
	}
	p.share.Give(client, int64(n))
	if p.at[client] = p.at[client][n:]; len(p.at[client]) == 0 {
		delete(p.at, client)
	}
}

// clear forgets what a client was answered: one that was restarted may begin with the same calls.
func (p *drc) clear(client netip.Addr) {
	p.mu.Lock()
	defer p.mu.Unlock()
	client = share.Key(client)
	p.forget(client, len(p.at[client]))
}
