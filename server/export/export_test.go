package export_test

import (
	"net/netip"
	"strings"
	"testing"

	"pmemfs/server/export"
)

func TestParseSquash(t *testing.T) {
	for _, s := range []string{"none", "root", "all"} {
		if q, err := export.ParseSquash(s); err != nil || q.String() != s {
			t.Errorf("%q: %v, %v", s, q, err)
		}
	}
	if _, err := export.ParseSquash("everyone"); err == nil {
		t.Error("accepted nonsense")
	}
}

func TestSet(t *testing.T) {
	all, docs := export.Default(), export.Default()
	docs.Name, docs.Subtree = "/docs", "/d"
	set, err := export.NewSet([]export.Export{all, docs})
	if err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string][2]string{
		"/": {"/", ""}, "": {"/", ""}, "/docs": {"/docs", ""}, "/docs/": {"/docs", ""},
		"/docs/a/b": {"/docs", "a/b"}, "/docsx": {"/", "docsx"}, "/x/../docs": {"/docs", ""}, "/..": {"/", ""},
	} {
		e, rest := set.ByPath(dir)
		if e.Name != want[0] || rest != want[1] {
			t.Errorf("%q leads to %q and %q, want %v", dir, e.Name, rest, want)
		}
	}
	if e := set.ByID(docs.ID()); e == nil || e.Name != "/docs" {
		t.Errorf("by id: %+v", e)
	}
	if set.ByID(12345) != nil {
		t.Error("found an export that is not there")
	}
	only, err := export.NewSet([]export.Export{docs})
	if err != nil {
		t.Fatal(err)
	}
	if e, _ := only.ByPath("/other"); e != nil {
		t.Errorf("found %+v", e)
	}
}

func TestRefusals(t *testing.T) {
	for name, e := range map[string]export.Export{
		"relative":   {Name: "docs", Subtree: "/"},
		"not clean":  {Name: "/a/../b", Subtree: "/"},
		"no subtree": {Name: "/"},
		"squash":     {Name: "/", Subtree: "/", Squash: 9},
		"network":    {Name: "/", Subtree: "/", Clients: []netip.Prefix{{}}},
		"mapped":     {Name: "/", Subtree: "/", Clients: []netip.Prefix{netip.MustParsePrefix("::ffff:10.0.0.0/104")}},
		"long":       {Name: "/" + strings.Repeat("x", 1024), Subtree: "/"},
		"NUL":        {Name: "/a\x00", Subtree: "/"},
	} {
		if _, err := export.NewSet([]export.Export{e}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := export.NewSet(nil); err == nil {
		t.Error("accepted no exports")
	}
	if _, err := export.NewSet([]export.Export{export.Default(), export.Default()}); err == nil {
		t.Error("accepted two exports of one name")
	}
	other := export.Default()
	other.Subtree = "/sub"
	if _, err := export.NewSet([]export.Export{export.Default(), other}); err == nil {
		t.Error("accepted two exports of one name and different directories")
	}
	if whole := export.Default(); whole.ID() == other.ID() {
		t.Error("an export that shows another directory has the same number: handles of what it showed would go on to count")
	}
}

func TestAllows(t *testing.T) {
	e := export.Default()
	if !e.Allows(netip.MustParseAddrPort("203.0.113.1:40000")) || !e.Allows(netip.AddrPort{}) {
		t.Error("an open export refused a client")
	}
	for _, s := range []string{"10.0.0.0/8", "fd00::/8", "fe80::/10", "192.0.2.7", "::ffff:198.51.100.0/120"} {
		p, err := export.ParseNetwork(s)
		if err != nil {
			t.Fatal(err)
		}
		e.Clients = append(e.Clients, p)
	}
	if err := e.Validate(); err != nil {
		t.Fatal(err)
	}
	for addr, want := range map[string]bool{
		"10.1.2.3": true, "::ffff:10.1.2.3": true, "fd00::1": true, "fe80::1%eth0": true, "192.0.2.7": true, "198.51.100.9": true,
		"11.0.0.1": false, "::1": false, "192.0.2.8": false, "198.51.101.9": false,
	} {
		client := netip.AddrPortFrom(netip.MustParseAddr(addr), 40000)
		if e.Allows(client) != want {
			t.Errorf("%s: %v", addr, !want)
		}
		if n := testing.AllocsPerRun(10, func() { e.Allows(client) }); n != 0 {
			t.Errorf("%s: %v allocations", addr, n)
		}
	}
	if e.Allows(netip.AddrPort{}) {
		t.Error("a client without an address is in a network")
	}
}

// TestSecure: a secure export is for clients whose port only their root can have.
func TestSecure(t *testing.T) {
	e := export.Default()
	e.SecurePort = true
	for port, want := range map[uint16]bool{0: true, 1: true, 1023: true, 1024: false, 65535: false} {
		if e.Allows(netip.AddrPortFrom(netip.MustParseAddr("10.1.2.3"), port)) != want {
			t.Errorf("port %d: %v", port, !want)
		}
	}
	if e.Allows(netip.AddrPort{}) {
		t.Error("a client without a port has a safe one")
	}
}

func TestParseNetwork(t *testing.T) {
	for _, s := range []string{"", "10.0.0.0/33", "host", "10.0.0.0/", "::ffff:0:0/90", "fe80::1%eth0", "10.1.2.3/8", "fd00::1/8"} {
		if p, err := export.ParseNetwork(s); err == nil {
			t.Errorf("%q is %v", s, p)
		}
	}
	if p, err := export.ParseNetwork("10.0.0.0/8"); err != nil || p.String() != "10.0.0.0/8" {
		t.Errorf("%v, %v", p, err)
	}
}
