package export_test

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"

	"pmemfs/pmemfs"
	"pmemfs/server/export"
)

var root = &pmemfs.Cred{}

// engine returns a new filesystem with directories.
func engine(t *testing.T, dirs ...string) *pmemfs.FS {
	t.Helper()
	eng, err := pmemfs.OpenMemory(16<<20, pmemfs.DomainVolatile, pmemfs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if report, err := eng.Check(); err != nil || len(report.Faults) != 0 {
			t.Errorf("check: %+v, %v", report, err)
		}
		if err := eng.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, dir := range dirs {
		mkdir(t, eng, eng.Root(), dir)
	}
	return eng
}

func mkdir(t *testing.T, eng *pmemfs.FS, dir pmemfs.Handle, name string) pmemfs.Handle {
	t.Helper()
	attr, err := eng.Mkdir(root, nil, dir, []byte(name), &pmemfs.SetAttr{Mask: pmemfs.SetMode, Mode: 0o700})
	if err != nil {
		t.Fatal(err)
	}
	return attr.Handle
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func set(t *testing.T, exports ...export.Export) *export.Set {
	t.Helper()
	s, err := export.NewSet(exports)
	must(t, err)
	return s
}

func sub(name, subtree string) export.Export {
	e := export.Default()
	e.Name, e.Subtree = name, subtree
	return e
}

// TestOwn lets the server's own connection use an export of other networks, as long as it says, and no other one: nor one that another program has from
// the same port to another address, as the system allows, or that is none of TCP.
func TestOwn(t *testing.T) {
	e := sub("/", "/")
	e.Clients, e.SecurePort = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, true
	table := export.NewTable(engine(t))
	table.Store(set(t, e))
	at := netip.MustParseAddrPort
	from, to := at("127.0.0.1:5000"), at("127.0.0.1:2049")
	allows := func(from, to netip.AddrPort) bool { return table.Load().All()[0].AllowsOn(from, to) }
	done := table.Own(at("[::ffff:127.0.0.1]:5000"), to)
	if !allows(from, to) || !allows(at("[::ffff:127.0.0.1]:5000"), at("[::ffff:127.0.0.1]:2049")) {
		t.Error("the server's own connection is not allowed")
	}
	for _, other := range [][2]netip.AddrPort{{at("127.0.0.1:5001"), to}, {from, at("127.0.0.2:2049")}, {from, at("127.0.0.1:564")}, {to, from}, {from, {}}} {
		if allows(other[0], other[1]) {
			t.Errorf("a connection from %v to %v is allowed", other[0], other[1])
		}
	}
	if table.Load().All()[0].Allows(from) || table.Admits(from.Addr()) {
		t.Error("whatever comes from the address is allowed")
	}
	done()
	if allows(from, to) {
		t.Error("an address is allowed when the connection has ended")
	}
}

// TestVanished: an export whose directory goes, comes and is replaced stops nothing, and shows what is there.
func TestVanished(t *testing.T) {
	eng := engine(t, "a")
	table := export.NewTable(eng)
	if table.Load().ByID(1) != nil || len(table.Load().All()) != 0 {
		t.Error("a new table serves something")
	}
	s := set(t, sub("/a", "/a"), sub("/b", "/b"), export.Default())
	missing := table.Store(s)
	h0 := mkdir(t, eng, eng.Root(), "c")
	if len(missing) != 1 || missing[0].Export != "/b" || missing[0].Subtree != "/b" || !errors.Is(missing[0], pmemfs.ErrNotExist) {
		t.Errorf("missing: %v", missing)
	}
	if table.Load() != s {
		t.Error("another set is served")
	}
	a, b := &s.All()[0], &s.All()[1]
	if _, err := table.Root(b); !errors.Is(err, pmemfs.ErrNotExist) {
		t.Errorf("/b before it is there: %v", err)
	}
	if climbs(t, eng, b, h0) {
		t.Error("an export that shows nothing has a way up")
	}
	h := mkdir(t, eng, eng.Root(), "b")
	if attr, err := table.Root(b); err != nil || attr.Handle != h {
		t.Errorf("/b: %+v, %v", attr, err)
	}
	old, err := table.Root(a)
	must(t, err)
	must(t, eng.Rmdir(root, nil, eng.Root(), []byte("a")))
	if _, err := table.Root(a); !errors.Is(err, pmemfs.ErrNotExist) {
		t.Errorf("/a after it is gone: %v", err)
	}
	h = mkdir(t, eng, eng.Root(), "a")
	if attr, err := table.Root(a); err != nil || attr.Handle != h || h == old.Handle {
		t.Errorf("another /a: %+v, %v", attr, err)
	}
}

// TestClimb: "..", wherever its directory has been moved, does not lead out of an export.
func TestClimb(t *testing.T) {
	eng := engine(t, "a", "ab")
	table := export.NewTable(eng)
	s := set(t, sub("/a", "/a"), export.Default())
	if missing := table.Store(s); missing != nil {
		t.Fatal(missing)
	}
	a, all := &s.All()[0], &s.All()[1]
	top, err := table.Root(a)
	must(t, err)
	inner := mkdir(t, eng, top.Handle, "inner")
	deep := mkdir(t, eng, inner, "deep")
	next, err := eng.Lookup(root, nil, eng.Root(), []byte("ab"))
	must(t, err)
	check := func(when string, want ...bool) {
		t.Helper()
		for i, h := range []pmemfs.Handle{top.Handle, inner, deep, next.Handle, eng.Root()} {
			if got := climbs(t, eng, a, h); got != want[i] {
				t.Errorf("%s: directory %d: %v", when, i, got)
			}
			if got := climbs(t, eng, all, h); got != (h != eng.Root()) {
				t.Errorf("%s: in the whole filesystem, directory %d: %v", when, i, got)
			}
		}
	}
	check("at first", false, true, true, false, false)
	must(t, eng.Rename(root, nil, top.Handle, []byte("inner"), next.Handle, []byte("inner"), 0))
	check("moved out", false, false, false, false, false)
	must(t, eng.Rename(root, nil, next.Handle, []byte("inner"), top.Handle, []byte("again"), 0))
	check("moved back", false, true, true, false, false)
	must(t, eng.Rename(root, nil, eng.Root(), []byte("a"), next.Handle, []byte("a"), 0))
	check("the export itself moved", false, true, true, false, false)
	c, call := pmemfs.Cred{}, &pmemfs.Call{Within: [2]pmemfs.Handle{a.Within()}}
	if n := testing.AllocsPerRun(10, func() { eng.Lookup(&c, call, deep, []byte("..")) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// climbs reports whether ".." leads a client of an export up from a directory.
func climbs(t *testing.T, eng *pmemfs.FS, e *export.Export, h pmemfs.Handle) bool {
	t.Helper()
	c, call := pmemfs.Cred{}, &pmemfs.Call{Within: [2]pmemfs.Handle{e.Within()}}
	up, err := eng.Lookup(&c, call, h, []byte(".."))
	must(t, err)
	listed := uint64(0)
	must(t, eng.Readdir(&c, call, h, 1, true, func(d *pmemfs.DirEntry) bool {
		listed = d.Ino
		return false
	}))
	if listed != up.Ino {
		t.Errorf(".. is %d by its name, and %d in the list", up.Ino, listed)
	}
	return up.Handle != h
}

func TestDifference(t *testing.T) {
	ro := sub("/c", "/c")
	ro.ReadOnly = true
	before := set(t, sub("/a", "/a"), sub("/b", "/b"), sub("/c", "/c"))
	after := set(t, sub("/b", "/b"), ro, sub("/d", "/d"))
	added, removed, changed := before.Difference(after)
	if got := fmt.Sprint(added, removed, changed); got != "[/d] [/a] [/c]" {
		t.Error(got)
	}
}
