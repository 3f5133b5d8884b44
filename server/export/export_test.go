package export_test

import (
	"net/netip"
	"reflect"
	"testing"

	"pmemfs/pmemfs"
	"pmemfs/server/export"
)

func TestApply(t *testing.T) {
	cases := []struct {
		squash export.Squash
		in     pmemfs.Cred
		want   pmemfs.Cred
	}{
		{export.SquashNone, pmemfs.Cred{Groups: []uint32{0, 5}}, pmemfs.Cred{Groups: []uint32{0, 5}}},
		{export.SquashRoot, pmemfs.Cred{UID: 7, GID: 8, Groups: []uint32{9}}, pmemfs.Cred{UID: 7, GID: 8, Groups: []uint32{9}}},
		{export.SquashRoot, pmemfs.Cred{Groups: []uint32{0, 5}}, pmemfs.Cred{UID: 65534, GID: 65534, Groups: []uint32{65534, 5}}},
		{export.SquashRoot, pmemfs.Cred{UID: 7, Groups: []uint32{}}, pmemfs.Cred{UID: 7, GID: 65534, Groups: []uint32{}}},
		{export.SquashAll, pmemfs.Cred{UID: 7, GID: 8, Groups: []uint32{0}}, pmemfs.Cred{UID: 65534, GID: 65534}},
	}
	for _, c := range cases {
		e := export.Default()
		e.Squash = c.squash
		if got := e.Apply(c.in.UID, c.in.GID, c.in.Groups); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%v of %+v is %+v, want %+v", c.squash, c.in, got, c.want)
		}
	}
}

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
}

func TestAllows(t *testing.T) {
	e := export.Default()
	if !e.Allows(netip.MustParseAddr("203.0.113.1")) {
		t.Error("an open export refused a client")
	}
	e.Clients = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	for addr, want := range map[string]bool{"10.1.2.3": true, "::ffff:10.1.2.3": true, "fd00::1": true, "11.0.0.1": false, "::1": false} {
		if e.Allows(netip.MustParseAddr(addr)) != want {
			t.Errorf("%s: %v", addr, !want)
		}
	}
}
