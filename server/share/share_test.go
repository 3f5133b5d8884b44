package share

import (
	"net/netip"
	"testing"
)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// TestShares lets clients take all they can get, one after the other.
func TestShares(t *testing.T) {
	p := New(1000)
	a, b, c := addr("10.0.0.1"), addr("10.0.0.2"), addr("10.0.0.3")
	greedy := func(client netip.Addr) (n int64) {
		for p.Take(client, 1) {
			n++
		}
		return n
	}
	if n := greedy(a); n != 500 {
		t.Errorf("one client alone gets %d of 1000", n)
	}
	if n := greedy(b); n != 250 {
		t.Errorf("the second gets %d of 500", n)
	}
	if n := greedy(c); n != 125 {
		t.Errorf("the third gets %d of 250", n)
	}
	if who, n := p.Greediest(); who != a || n != 500 {
		t.Errorf("the greediest is %v with %d", who, n)
	}
	p.Give(a, 500)
	if p.Held(a) != 0 || p.Clients() != 2 || p.Free() != 625 {
		t.Errorf("after a gave all back it holds %d, there are %d clients, %d free", p.Held(a), p.Clients(), p.Free())
	}
	if n := greedy(b); n != 187 { // 250+187 = 437 <= 625-187 = 438
		t.Errorf("b gets %d more", n)
	}
}

// TestLast gives the last thing to a newcomer, and nothing to whoever has one.
func TestLast(t *testing.T) {
	p := New(2)
	a, b, c := addr("10.0.0.1"), addr("10.0.0.2"), addr("10.0.0.3")
	if !p.Take(a, 1) || p.Take(a, 1) {
		t.Error("a does not get one of two")
	}
	if !p.Take(b, 1) {
		t.Error("b does not get the last")
	}
	if p.Take(c, 1) {
		t.Error("c gets what is not there")
	}
	p.Force(c, 3)
	if p.Free() != -3 || p.Held(c) != 3 {
		t.Errorf("forced: %d free, c holds %d", p.Free(), p.Held(c))
	}
}

// TestKey says which addresses are one client.
func TestKey(t *testing.T) {
	for _, test := range []struct {
		a, b string
		same bool
	}{
		{"10.0.0.1", "::ffff:10.0.0.1", true},
		{"10.0.0.1", "10.0.0.2", false},
		{"127.0.0.1", "127.0.0.2", false},
		{"2001:db8::1", "2001:db8::ffff:0:0:2", true},
		{"2001:db8::1", "2001:db8:0:1::1", false},
		{"fe80::1%eth0", "fe80::1", true},
		{"fe80::1", "fe80::2", false},
		{"::1", "::2", false},
	} {
		if got := Key(addr(test.a)) == Key(addr(test.b)); got != test.same {
			t.Errorf("%s and %s are one client: %v", test.a, test.b, got)
		}
	}
	p := New(10)
	if !p.Take(netip.Addr{}, 1) || p.Held(netip.Addr{}) != 1 {
		t.Error("a client without an address gets nothing")
	}
}
