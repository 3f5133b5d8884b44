package nsm

import (
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"pmemfs/pmemfs"
	"pmemfs/server/peer"
)

// TestDurable: a host that was watched is in the image when Watch has returned, on an ordinary file that nobody closes.
func TestDurable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "image")
	must(t, pmemfs.Format(path, pmemfs.FormatOptions{Size: 16 << 20}))
	eng, err := pmemfs.Open(path, pmemfs.Options{})
	must(t, err)
	m := monitor(t, eng, nil)
	fences := eng.Counters().Fences
	must(t, m.Watch(hostAt(1, "a"), peer.Route{Local: netip.MustParseAddr("10.9.9.9")}, 7))
	if got := eng.Counters().Fences - fences; got != 1 {
		t.Errorf("%d fences for the first lock", got)
	}
	must(t, m.Watch(hostAt(1, "a"), peer.Route{}, 7))
	if got := eng.Counters().Fences - fences; got != 1 {
		t.Errorf("%d fences for two locks", got)
	}
	if m.State() != 3 || m.InGrace() {
		t.Errorf("state %d, grace %v", m.State(), m.InGrace())
	}
	must(t, eng.Close())
	eng, err = pmemfs.Open(path, pmemfs.Options{})
	must(t, err)
	m = monitor(t, eng, nil)
	x := m.hosts[hostAt(1, "a")]
	if m.State() != 5 || !m.InGrace() || x == nil || x.state != 7 || x.local.String() != "10.9.9.9" || !x.recovering || x.told {
		t.Errorf("state %d, grace %v, host %+v", m.State(), m.InGrace(), x)
	}
	m.saved = false // as if the image had refused the state number: it is asked again before a known host gets a lock
	fences = eng.Counters().Fences
	must(t, m.Watch(hostAt(1, "a"), peer.Route{}, 7))
	if got := eng.Counters().Fences - fences; got != 1 || !m.saved {
		t.Errorf("%d fences for the state number", got)
	}
	must(t, eng.Close())
	if err := m.Watch(hostAt(2, "b"), peer.Route{}, 0); !errors.Is(err, pmemfs.ErrClosed) {
		t.Errorf("a host that the image cannot take: %v", err)
	}
	if m.hosts[hostAt(2, "b")] != nil {
		t.Error("it is known all the same")
	}
}

// TestBounds: one address cannot have all the hosts, and names are those of hosts.
func TestBounds(t *testing.T) {
	m := monitor(t, engine(t), nil)
	n := 0
	for ; ; n++ {
		err := m.Watch(hostAt(1, fmt.Sprint(n)), peer.Route{}, 0)
		if errors.Is(err, ErrFull) {
			break
		}
		must(t, err)
	}
	if n != hostsMax/2 {
		t.Errorf("%d hosts at one address", n)
	}
	// Nor can a network, whatever number of addresses it has.
	for n := 256; ; n++ {
		if err := m.Watch(hostAt(n, "x"), peer.Route{}, 0); errors.Is(err, ErrFull) {
			break
		} else {
			must(t, err)
		}
	}
	must(t, m.Watch(hostAt(1<<15, "another"), peer.Route{}, 0))
	for _, h := range []Host{{hostAt(3, "").Addr, ""}, {netip.Addr{}, "x"}, hostAt(3, strings.Repeat("n", NameMax+1))} {
		if err := m.Watch(h, peer.Route{}, 0); !errors.Is(err, ErrName) {
			t.Errorf("%v: %v", h, err)
		}
	}
	m.Close()
	names, err := m.c.Engine.Keys()
	if err != nil || len(names) != 1 || len(m.hosts) != 0 || len(m.at) != 0 || len(m.near) != 0 {
		t.Errorf("at the end: %d states, %d hosts, %d addresses, %v", len(names), len(m.hosts), len(m.at), err)
	}
}
