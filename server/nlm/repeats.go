package nlm

import (
	"hash/maphash"
	"sync"
	"time"

	"pmemfs/server/rpc"
)

const (
	repeatsMax = 4096        // answers that are remembered
	repeatsFor = time.Minute // how long
)

// repeats remembers the answers to calls that have changed something.
type repeats struct {
	seed maphash.Seed
	mu   sync.Mutex // a leaf
	list [repeatsMax]repeat
	next int
	at   map[uint64]int // in list
}

type repeat struct {
	key  uint64
	st   status
	when time.Time
}

func (p *repeats) init() { p.seed, p.at = maphash.MakeSeed(), map[uint64]int{} }

// keyOf is what a call has in common with its repetitions only: who sent it, and all its bytes.
func (p *repeats) keyOf(r *rpc.Request) uint64 {
	var h maphash.Hash
	h.SetSeed(p.seed)
	addr := r.Remote.Addr().As16()
	h.Write(addr[:])
	h.Write(r.Record)
	return h.Sum64()
}

// changes reports whether a procedure that ends so has changed something.
func changes(proc uint32, st status) bool {
	return st == granted && proc != procTest && proc != procGranted
}

// find returns the answer to a call that was answered before.
func (p *repeats) find(r *rpc.Request, proc uint32) (status, bool) {
	if !changes(proc, granted) {
		return 0, false
	}
	key := p.keyOf(r)
	p.mu.Lock()
	defer p.mu.Unlock()
	i, ok := p.at[key]
	if !ok || time.Since(p.list[i].when) > repeatsFor {
		return 0, false
	}
	return p.list[i].st, true
}

// keep remembers an answer.
func (p *repeats) keep(r *rpc.Request, proc uint32, st status) {
	if !changes(proc, st) {
		return
	}
	key := p.keyOf(r)
	p.mu.Lock()
	defer p.mu.Unlock()
	old := &p.list[p.next]
	if i, ok := p.at[old.key]; ok && i == p.next {
		delete(p.at, old.key)
	}
	*old = repeat{key, st, time.Now()}
	p.at[key] = p.next
	p.next = (p.next + 1) % repeatsMax
}

// clear forgets everything: a client that was restarted may begin with the same calls.
func (p *repeats) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.at)
}
