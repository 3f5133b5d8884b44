package server

import (
	"net"
	"testing"
)

// TestFamily listens on all addresses of IPv4, and is not found at one of IPv6.
func TestFamily(t *testing.T) {
	for address, v6 := range map[string]bool{"0.0.0.0:0": false, "[::]:0": true} {
		p, err := listenAt(address, true)
		if err != nil {
			t.Fatal(err)
		}
		defer p.close()
		_, port, err := net.SplitHostPort(p.tcp.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		for host, there := range map[string]bool{"127.0.0.1": true, "::1": v6} {
			c, err := net.Dial("tcp", net.JoinHostPort(host, port))
			if (err == nil) != there {
				t.Errorf("%s at %s: %v", address, host, err)
			}
			if err == nil {
				c.Close()
			}
		}
	}
}

// TestVetAddress: what names no address is refused, instead of being all of them.
func TestVetAddress(t *testing.T) {
	for address, good := range map[string]bool{"": false, "127.0.0.1": false, "127.0.0.1:99999": false, "127.0.0.1:0": true, "[::1]:1": true, "x:y:z": false} {
		if err := vetAddress(address); (err == nil) != good {
			t.Errorf("%q: %v", address, err)
		}
	}
}
