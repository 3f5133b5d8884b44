package mount3_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"pmemfs/server/export"
	"pmemfs/server/rpc"
)

// TestList follows DUMP through MNT, UMNT and UMNTALL of two clients.
func TestList(t *testing.T) {
	s := newSite(t)
	other := func(r *rpc.Request) *rpc.Request {
		r.Remote = netip.MustParseAddrPort("[fd00::1]:700")
		return r
	}
	want := func(list ...string) {
		t.Helper()
		// Each is told of its own.
		if got := slices.Concat(s.mounts(), s.mountsOf(other(call(2, nil)))); !slices.Equal(got, list) {
			t.Errorf("DUMP has %q, want %q", got, list)
		}
	}
	want()
	s.mnt(call(1, dirpath("/docs")))
	s.mnt(call(1, dirpath("/docs//")))
	s.mnt(call(1, dirpath("/none")))
	s.mnt(other(call(1, dirpath("/docs"))))
	s.mnt(other(call(1, dirpath("/"))))
	want("10.0.0.1:/docs", "fd00::1:/docs", "fd00::1:/")
	s.serve(call(3, dirpath("/none")))
	s.serve(call(3, dirpath("/docs/")))
	want("fd00::1:/docs", "fd00::1:/")
	s.serve(call(4, nil))
	want("fd00::1:/docs", "fd00::1:/")
	if d := s.serve(other(call(4, nil))); !d.Done() {
		t.Error("UMNTALL has results")
	}
	want()
	nowhere := call(1, dirpath("/"))
	nowhere.Remote = netip.AddrPort{}
	s.mnt(nowhere)
	want()
	dump := call(2, nil)
	dump.Remote = netip.AddrPort{}
	if got := s.mountsOf(dump); !slices.Equal(got, []string{"unknown:/"}) {
		t.Errorf("a client without an address: %q", got)
	}
}

// TestListBounded: mounting for ever takes no memory for ever.
func TestListBounded(t *testing.T) {
	s := newSite(t)
	from := func(r *rpc.Request, host netip.Addr) *rpc.Request {
		r.Remote = netip.AddrPortFrom(host, 1)
		return r
	}
	for i := range 1500 {
		s.mnt(from(call(1, dirpath("/")), netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)})))
	}
	if list := s.mountsOf(from(call(2, nil), netip.MustParseAddr("10.1.5.219"))); !slices.Equal(list, []string{"10.1.5.219:/"}) {
		t.Errorf("the last one finds %q", list)
	}
	greedy := netip.MustParseAddr("10.3.0.1")
	var names []string
	for i := range 1100 {
		name := fmt.Sprint("d", i)
		s.mkdir(s.eng.Root(), name, 0o755)
		names = append(names, "/"+name)
		s.mnt(from(call(1, dirpath("/"+name)), greedy))
	}
	// Everybody else has one, so this one has hardly more.
	if list := s.mountsOf(from(call(2, nil), greedy)); len(list) > 2 || !slices.Contains(list, "10.3.0.1:"+names[len(names)-1]) {
		t.Errorf("one that mounts for ever finds %q", list)
	}
	if list := s.mountsOf(from(call(2, nil), netip.MustParseAddr("10.1.5.218"))); len(list) != 1 {
		t.Errorf("it has pushed another one out: %q", list)
	}
}

func TestExportList(t *testing.T) {
	far := export.Default()
	far.Name, far.Clients = "/far", []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("fd00::/8")}
	only := export.Default()
	only.Name, only.Clients = "/only", []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.0/24")}
	missing := export.Default()
	missing.Name, missing.Subtree = "/missing", "/missing"
	s := newSite(t, far, only, missing)
	for _, version := range []uint32{1, 2, 3} {
		r := call(5, nil)
		r.Vers = version
		d := s.serve(r)
		var got []string
		for d.Bool() {
			got = append(got, string(d.Opaque(1024)))
			for d.Bool() {
				got = append(got, string(d.Opaque(255)))
			}
		}
		if fmt.Sprint(got) != "[/ /docs /only 10.0.0.0/8]" || !d.Done() {
			t.Errorf("version %d: %q", version, got)
		}
	}
}
