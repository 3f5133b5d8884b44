package rpc

import (
	"net/netip"
	"sync"
	"time"

	"pmemfs/server/share"
)

// By how many bytes replies over UDP may be longer than their calls: at once, and each second. So who forges addresses makes little more of
// what he sends, for one victim and for all together. Other clients can use TCP meanwhile.
const (
	excessBurst = 64 << 10 // of one client
	excessRate  = 16 << 10
	allBurst    = 256 << 10 // of all
	allRate     = 128 << 10

	// excessClients bounds the clients that are counted one by one.
	excessClients = 1024
)

// excess counts the bytes. The zero value is ready.
type excess struct {
	mu      sync.Mutex // a leaf
	all     bucket
	clients map[netip.Addr]*bucket
}

// bucket is how many bytes have been sent and not been paid by time.
type bucket struct {
	used float64
	last time.Time
}

// drain lets time pay.
func (b *bucket) drain(now time.Time, rate float64) {
	b.used = max(b.used-now.Sub(b.last).Seconds()*rate, 0)
	b.last = now
}

// take reports whether a reply to a client may be n bytes longer than its call, at time now.
func (x *excess) take(client netip.Addr, n int, now time.Time) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.all.drain(now, allRate)
	b := x.of(share.Key(client), now)
	if b == nil {
		return false
	}
	b.drain(now, excessRate)
	more := float64(n)
	if b.used+more > excessBurst || x.all.used+more > allBurst {
		return false
	}
	b.used += more
	x.all.used += more
	return true
}

// of finds a client's bucket; nil if too many others have been sent something lately.
func (x *excess) of(client netip.Addr, now time.Time) *bucket {
	if b := x.clients[client]; b != nil {
		return b
	}
	if len(x.clients) >= excessClients {
		for k, b := range x.clients {
			if b.drain(now, excessRate); b.used == 0 {
				delete(x.clients, k)
			}
		}
		if len(x.clients) >= excessClients {
			return nil
		}
	}
	if x.clients == nil {
		x.clients = make(map[netip.Addr]*bucket)
	}
	b := &bucket{last: now}
	x.clients[client] = b
	return b
}
