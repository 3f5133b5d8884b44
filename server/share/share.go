// Package share divides what there is a bounded number of among clients: connections, memory, fids, lines of the log.
//
// A client may hold as much as is still free. So one client alone gets half of everything, two get a third each, and n get
// one part in n+1; nobody has to be told a number, and a newcomer always finds as much as the others have left him, which is as
// much as each of them has. What a client had before others came it keeps, until it is given back or taken (see Greediest).
//
// # Concurrency
//
// A Pool is for any number of goroutines. Its mutex is held for a few map operations and never while anything waits.
package share

import (
	"net/netip"
	"sync"
)

// Key is the address that a client is counted by: the whole one in IPv4; in IPv6 the network of 64 bits, of which one host can have
// every address, unless that is a link or the machine itself. The zero value, of a client without an address, is a key like another.
func Key(client netip.Addr) netip.Addr {
	client = client.Unmap().WithZone("")
	if !client.Is6() || client.IsLinkLocalUnicast() || client.IsLoopback() {
		return client
	}
	network, err := client.Prefix(64)
	if err != nil {
		return client
	}
	return network.Addr()
}

// Pool is a bounded number of things.
type Pool struct {
	mu    sync.Mutex
	limit int64
	held  map[netip.Addr]int64 // by Key; no zeros
	sum   int64
}

// New returns a pool of limit things, all free.
func New(limit int64) *Pool {
	return &Pool{limit: limit, held: make(map[netip.Addr]int64)}
}

// Take takes n things for a client. It reports false, and takes none, if the client would hold more than is left free then. The first
// of a client who has none may be the last: a share of less than one is no share.
func (p *Pool) Take(client netip.Addr, n int64) bool {
	client = Key(client)
	p.mu.Lock()
	defer p.mu.Unlock()
	holds, free := p.held[client]+n, p.limit-p.sum-n
	if free < 0 || holds > free && holds > 1 {
		return false
	}
	p.held[client] = holds
	p.sum += n
	return true
}

// Force takes n things for a client although that may be more than its share, or than there is.
func (p *Pool) Force(client netip.Addr, n int64) {
	client = Key(client)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held[client] += n
	p.sum += n
}

// Give gives n things back that Take or Force took for the client.
func (p *Pool) Give(client netip.Addr, n int64) {
	client = Key(client)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sum -= n
	if p.held[client] -= n; p.held[client] <= 0 {
		delete(p.held, client)
	}
}

// Held is how much a client holds.
func (p *Pool) Held(client netip.Addr) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.held[Key(client)]
}

// Free is how much is left; it is negative after too much Force.
func (p *Pool) Free() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.limit - p.sum
}

// Clients is how many clients hold something.
func (p *Pool) Clients() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.held)
}

// Greediest is the key of the client that holds most, and how much; from it one takes back first. Nobody holds 0. It takes time in
// proportion to the number of clients.
func (p *Pool) Greediest() (client netip.Addr, n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for k, held := range p.held {
		if held > n || held == n && k.Less(client) {
			client, n = k, held
		}
	}
	return client, n
}
