package nsm

import (
	"net/netip"
	"strings"
	"testing"

	"pmemfs/pmemfs/testpart"
)

// TestNonsense: records that make no sense keep nobody from starting.
func TestNonsense(t *testing.T) {
	eng := engine(t)
	must(t, eng.PutValue("nsm", []byte("long state")))
	must(t, eng.PutValue("nsm.x", []byte{1, 2, 3}))
	must(t, eng.PutValue("nsm.y", encode(hostAt(1, "a"), netip.Addr{}, 1))) // under a wrong name
	must(t, eng.PutValue("other", []byte{1}))
	m := monitor(t, eng, nil)
	names, err := eng.Keys()
	if err != nil || len(names) != 2 || len(m.hosts) != 0 || m.State()%2 != 1 || m.InGrace() {
		t.Errorf("%v, %v, %d hosts, state %d", names, err, len(m.hosts), m.State())
	}
}

// FuzzRecord holds decode to encode.
func FuzzRecord(f *testing.F) {
	testpart.NotRace(f)
	f.Add(encode(hostAt(1, "a"), netip.Addr{}, 7))
	f.Add(encode(Host{netip.MustParseAddr("fd00::1"), strings.Repeat("n", NameMax)}, netip.MustParseAddr("fd00::2"), 1<<31))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, x, ok := decode(b)
		if !ok {
			return
		}
		h2, x2, ok := decode(encode(h, x.local, x.state))
		if !ok || h2 != h || x2 != x {
			t.Errorf("%v %+v became %v %+v", h, x, h2, x2)
		}
	})
}
