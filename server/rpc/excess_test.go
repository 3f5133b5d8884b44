package rpc

import (
	"net/netip"
	"testing"
	"time"
)

// TestExcess sends replies that are longer than their calls until a client, and until all clients together have had enough.
func TestExcess(t *testing.T) {
	const more = 1 << 10
	now := time.Unix(1, 0)
	host := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}) }
	var x excess
	sent := func(client netip.Addr) (n int) {
		for n < 2*allBurst/more && x.take(client, more, now) {
			n++
		}
		return n
	}
	if n := sent(host(0)); n != excessBurst/more {
		t.Errorf("%d KiB to one client", n)
	}
	all := excessBurst / more
	for i := range 10 {
		all += sent(host(1 + i))
	}
	if all != allBurst/more {
		t.Errorf("%d KiB to all clients", all)
	}
	now = now.Add(time.Second)
	if n := sent(host(0)); n != excessRate/more {
		t.Errorf("%d KiB after a second", n)
	}
	for i := range 2 * excessClients {
		x.take(host(i), 1, now)
	}
	if len(x.clients) != excessClients {
		t.Errorf("%d clients are remembered", len(x.clients))
	}
	if now = now.Add(time.Minute); !x.take(host(3*excessClients), 1, now) {
		t.Error("the old are not forgotten")
	}
}
