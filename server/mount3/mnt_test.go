package mount3_test

import (
	"net/netip"
	"strings"
	"testing"

	"pmemfs/server/export"
	"pmemfs/server/rpc"
)

// TestMnt mounts everything that there is, and what there is not.
func TestMnt(t *testing.T) {
	far, gone := export.Default(), export.Default()
	far.Name, far.Clients = "/far", []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	gone.Name, gone.Subtree = "/gone", "/none"
	s := newSite(t, far, gone)
	for _, c := range []struct {
		path, shows string
		status      uint32
	}{
		{"/", "/", ok}, {"/docs", "/docs", ok}, {"/docs/", "/docs", ok}, {"docs", "/docs", ok}, {"//docs//open", "/docs/open", ok},
		{"/docs/open/deep", "/docs/open/deep", ok}, {"/docs/./open/../open", "/docs/open", ok}, {"/docs/private", "/docs/private", ok},
		{"/docs/../../..", "/", ok},
		{"/docs/private/deep", "", acces}, {"/far", "", acces}, {"/far/docs", "", acces},
		{"", "", noEnt}, {"/none", "", noEnt}, {"/docs/none/deep", "", noEnt}, {"/docsx", "", noEnt}, {"/gone", "", noEnt},
		{"/docs/file", "", notDir}, {"/docs/file/x", "", notDir},
		{"/docs/link", "/docs/open", ok}, {"/docs/link/deep", "/docs/open/deep", ok}, {"/docs/up", "/docs/open/deep", ok},
		{"/docs/above", "/docs", ok}, {"/docs/absolute", "/docs/open", ok}, {"/docs/linked", "", notDir}, {"/docs/dangling", "", noEnt},
		{"/docs/secret", "", acces}, {"/docs/loop", "", inval}, {"/docs/loop/x", "", inval},
		{"/docs/open\x00\x00\x00", "/docs/open", ok}, {"/docs\x00/none", "/docs", ok}, {"\x00", "", noEnt}, {"/" + strings.Repeat("x", 256), "", nameTooLong},
	} {
		status, id, h := s.mnt(as(call(1, dirpath(c.path)), 1000))
		if status != c.status {
			t.Errorf("MNT %.30q: status %d, want %d", c.path, status, c.status)
			continue
		}
		if status != ok {
			continue
		}
		want, err := export.Walk(s.eng, c.shows)
		must(t, err)
		if x, _ := s.table.Load().ByPath(c.shows); h != want.Handle || id != x.ID() {
			t.Errorf("MNT %q: handle %v of export %d, want %v of %d", c.path, h, id, want.Handle, x.ID())
		}
	}
}

// TestMntAs: below an export, who asks is who goes.
func TestMntAs(t *testing.T) {
	none := export.Default()
	none.Name, none.Squash = "/believed", export.SquashNone
	s := newSite(t, none)
	for name, c := range map[string]struct {
		r    *rpc.Request
		want uint32
	}{
		"root, squashed": {as(call(1, dirpath("/docs/private/deep")), 0), acces},
		"root, believed": {as(call(1, dirpath("/believed/docs/private/deep")), 0), ok},
		"nobody":         {call(1, dirpath("/believed/docs/private/deep")), acces},
		"a user":         {as(call(1, dirpath("/believed/docs/private/deep")), 7, 0), acces},
	} {
		if status, _, _ := s.mnt(c.r); status != c.want {
			t.Errorf("%s: status %d, want %d", name, status, c.want)
		}
	}
}

// TestSubtreeComes: an export's directory may go and come while it is served.
func TestSubtreeComes(t *testing.T) {
	late := export.Default()
	late.Name, late.Subtree = "/late", "/late"
	s := newSite(t, late)
	if status, _, _ := s.mnt(call(1, dirpath("/late"))); status != noEnt {
		t.Errorf("before: %d", status)
	}
	h := s.mkdir(s.eng.Root(), "late", 0o755)
	if status, _, got := s.mnt(call(1, dirpath("/late"))); status != ok || got != h {
		t.Errorf("made: %d, %v", status, got)
	}
	must(t, s.eng.Rmdir(superuser, nil, s.eng.Root(), []byte("late")))
	if status, _, _ := s.mnt(call(1, dirpath("/late"))); status != noEnt {
		t.Errorf("removed: %d", status)
	}
}

// TestReload: what the table has is what is served, from the next call on.
func TestReload(t *testing.T) {
	s := newSite(t)
	only := export.Default()
	only.Name = "/only"
	s.store(only)
	if status, _, _ := s.mnt(call(1, dirpath("/docs"))); status != noEnt {
		t.Errorf("the old export: %d", status)
	}
	if status, _, _ := s.mnt(call(1, dirpath("/only"))); status != ok {
		t.Errorf("the new export: %d", status)
	}
}

// TestMntSnapshot mounts what exports showed in a snapshot, unless they offer none, and a client has the permissions of then.
func TestMntSnapshot(t *testing.T) {
	none := export.Default()
	none.Name, none.Snapshots = "/none", export.SnapshotsDisabled
	s := newSite(t, none)
	one, err := s.eng.CreateSnapshot("one", "")
	must(t, err)
	for _, c := range []struct {
		path, shows string
		status      uint32
	}{
		{"/.snapshots/one", "/", ok}, {"/docs/.snapshots/one", "/docs", ok}, {"/docs/.snapshots/one/open", "/docs/open", ok},
		{"/.snapshots/one/docs/private/deep", "", acces}, {"/.snapshots/two", "", noEnt}, {"/docs/open/.snapshots/one", "", noEnt},
		{"/none/.snapshots/one", "", noEnt},
	} {
		status, _, h := s.mnt(as(call(1, dirpath(c.path)), 1000))
		if status != c.status {
			t.Errorf("MNT %s: status %d, want %d", c.path, status, c.status)
			continue
		}
		if status != ok {
			continue
		}
		want, err := export.Walk(s.eng, c.shows)
		must(t, err)
		if h != want.Handle.In(one.Epoch) {
			t.Errorf("MNT %s: handle %v, want %v", c.path, h, want.Handle.In(one.Epoch))
		}
	}
}
