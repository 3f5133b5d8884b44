package mount3_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pmemfs/pmemfs"
	"pmemfs/pmemfs/testpart"
	"pmemfs/server/export"
	"pmemfs/server/handle"
	"pmemfs/server/mount3"
	"pmemfs/server/rpc"
)

// Statuses of MNT that the tests expect.
const (
	ok          = 0
	noEnt       = 2
	acces       = 13
	notDir      = 20
	inval       = 22
	nameTooLong = 63
)

// site is a filesystem and the MOUNT server on it.
type site struct {
	t     testing.TB
	eng   *pmemfs.FS
	table *export.Table
	codec handle.Codec
	prog  rpc.Program
}

var superuser = &pmemfs.Cred{}

// newSite exports the whole filesystem as "/" and its directory "docs" as "/docs". In both is a small tree.
func newSite(t testing.TB, more ...export.Export) *site {
	t.Helper()
	eng, err := pmemfs.OpenMemory(16<<20, pmemfs.DomainVolatile, pmemfs.Options{})
	must(t, err)
	t.Cleanup(func() {
		report, err := eng.Check()
		if err != nil || len(report.Faults) != 0 {
			t.Errorf("check: %+v, %v", report, err)
		}
		must(t, eng.Close())
	})
	s := &site{t: t, eng: eng, table: export.NewTable(eng), codec: handle.New(eng)}
	docs := s.mkdir(eng.Root(), "docs", 0o755)
	open := s.mkdir(docs, "open", 0o755)
	s.mkdir(open, "deep", 0o755)
	s.mkdir(s.mkdir(docs, "private", 0o700), "deep", 0o755)
	_, err = eng.Create(superuser, nil, docs, []byte("file"), &pmemfs.CreateOptions{})
	must(t, err)
	for name, target := range map[string]string{
		"link": "open", "up": "./open/../../../open//deep", "above": "../../..", "absolute": "/open", "linked": "file", "dangling": "none",
		"secret": "private/deep", "loop": "loop",
	} {
		_, err = eng.Symlink(superuser, nil, docs, []byte(name), []byte(target), &pmemfs.SetAttr{})
		must(t, err)
	}
	sub := export.Default()
	sub.Name, sub.Subtree = "/docs", "/docs"
	s.store(append([]export.Export{export.Default(), sub}, more...)...)
	s.prog = mount3.New(mount3.Config{Engine: eng, Exports: s.table, Handles: s.codec}).Program()
	return s
}

func (s *site) store(exports ...export.Export) {
	s.t.Helper()
	set, err := export.NewSet(exports)
	must(s.t, err)
	s.table.Store(set)
}

func (s *site) mkdir(dir pmemfs.Handle, name string, mode uint32) pmemfs.Handle {
	s.t.Helper()
	a, err := s.eng.Mkdir(superuser, nil, dir, []byte(name), &pmemfs.SetAttr{Mask: pmemfs.SetMode, Mode: mode})
	must(s.t, err)
	return a.Handle
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// call is a call of MOUNT v3 by nobody in particular.
func call(proc uint32, args []byte) *rpc.Request {
	return &rpc.Request{
		Call:    rpc.Call{RPCVersion: 2, Prog: mount3.Number, Vers: 3, Proc: proc, Args: args},
		Remote:  netip.MustParseAddrPort("[::ffff:10.0.0.1]:40000"),
		MayWait: true,
	}
}

// as makes r a call of a user.
func as(r *rpc.Request, uid uint32, groups ...uint32) *rpc.Request {
	e := rpc.NewEncoder(nil)
	e.Uint32(1)
	e.Opaque([]byte("host"))
	e.Uint32(uid)
	e.Uint32(uid)
	e.Uint32(uint32(len(groups)))
	for _, g := range groups {
		e.Uint32(g)
	}
	r.CredFlavor, r.CredBody = rpc.AuthSys, e.Bytes()
	return r
}

func dirpath(dir string) []byte {
	e := rpc.NewEncoder(nil)
	e.Opaque([]byte(dir))
	return e.Bytes()
}

// serve demands a successful answer and returns its results.
func (s *site) serve(r *rpc.Request) *rpc.Decoder {
	s.t.Helper()
	e := rpc.NewEncoder(nil)
	if result := s.prog.Serve(r, e); result != rpc.Success {
		s.t.Fatalf("procedure %d: result %d", r.Proc, result)
	}
	return rpc.NewDecoder(e.Bytes())
}

// mnt returns the status of a MNT and what was mounted.
func (s *site) mnt(r *rpc.Request) (uint32, uint32, pmemfs.Handle) {
	s.t.Helper()
	d := s.serve(r)
	status := d.Uint32()
	if status != ok {
		if !d.Done() {
			s.t.Errorf("something follows status %d", status)
		}
		return status, 0, pmemfs.Handle{}
	}
	id, h, err := s.codec.Decode(d.Opaque(64))
	must(s.t, err)
	if flavors := []uint32{d.Uint32(), d.Uint32(), d.Uint32()}; !slices.Equal(flavors, []uint32{2, rpc.AuthSys, rpc.AuthNone}) || !d.Done() {
		s.t.Errorf("flavors %v", flavors)
	}
	return ok, id, h
}

// mounts is the answer to DUMP.
func (s *site) mounts() (list []string) { return s.mountsOf(call(2, nil)) }

func (s *site) mountsOf(r *rpc.Request) (list []string) {
	s.t.Helper()
	d := s.serve(r)
	for d.Bool() {
		list = append(list, fmt.Sprintf("%s:%s", d.Opaque(255), d.Opaque(1024)))
	}
	if !d.Done() {
		s.t.Error("DUMP is malformed")
	}
	return list
}

func TestNull(t *testing.T) {
	s := newSite(t)
	r := call(0, nil)
	r.CredFlavor = 6 // nobody has to be known for this
	if d := s.serve(r); !d.Done() {
		t.Error("NULL has results")
	}
}

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
	s := newSite(t, far, only)
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

// TestRefusals: malformed calls get the protocol's answer and nothing happens.
func TestRefusals(t *testing.T) {
	s := newSite(t)
	if s.prog.Number != 100005 || s.prog.Low != 1 || s.prog.High != 3 {
		t.Errorf("program %d, versions %d to %d", s.prog.Number, s.prog.Low, s.prog.High)
	}
	old := call(1, dirpath("/"))
	old.Vers = 1
	weak := call(1, dirpath("/"))
	weak.CredFlavor = 6
	bad := as(call(1, dirpath("/")), 0)
	bad.CredBody = bad.CredBody[:7]
	hasty := call(1, dirpath("/"))
	hasty.MayWait = false
	for name, c := range map[string]struct {
		r    *rpc.Request
		want rpc.Result
	}{
		"no such procedure":     {call(6, nil), rpc.ProcUnavail},
		"far procedure":         {call(1<<32-1, nil), rpc.ProcUnavail},
		"MNT of version 1":      {old, rpc.ProcUnavail},
		"NULL with arguments":   {call(0, []byte{0, 0, 0, 0}), rpc.GarbageArgs},
		"DUMP with arguments":   {call(2, []byte{1}), rpc.GarbageArgs},
		"MNT of nothing":        {call(1, nil), rpc.GarbageArgs},
		"MNT of too little":     {call(1, []byte{0, 0, 0, 9, '/', 0, 0, 0}), rpc.GarbageArgs},
		"MNT of 4 GiB":          {call(1, []byte{255, 255, 255, 255, '/', 0, 0, 0}), rpc.GarbageArgs},
		"MNT beyond MNTPATHLEN": {call(1, dirpath("/"+strings.Repeat("x/", 512))), rpc.GarbageArgs},
		"MNT and more":          {call(1, append(dirpath("/"), 0, 0, 0, 0)), rpc.GarbageArgs},
		"UMNT of nothing":       {call(3, nil), rpc.GarbageArgs},
		"unknown flavor":        {weak, rpc.Reject(rpc.AuthTooWeak)},
		"broken credential":     {bad, rpc.Reject(rpc.AuthBadCred)},
		"may not wait":          {hasty, rpc.Wait},
	} {
		if got := s.prog.Serve(c.r, rpc.NewEncoder(nil)); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
	if list := s.mounts(); len(list) != 0 {
		t.Errorf("mounted %q", list)
	}
}

// FuzzServe answers whatever it is asked, and twice the same.
func FuzzServe(f *testing.F) {
	testpart.NotRace(f)
	s := newSite(f)
	for proc := range uint32(7) {
		f.Add(proc, uint32(3), uint32(0), []byte{}, dirpath("/docs/open"))
		f.Add(proc, uint32(1), uint32(1), as(call(proc, nil), 5, 6).CredBody, []byte{})
	}
	f.Fuzz(func(t *testing.T, proc, version, flavor uint32, cred, args []byte) {
		r := call(proc, bytes.Clone(args))
		r.Vers, r.CredFlavor, r.CredBody = 1+version%3, flavor, bytes.Clone(cred)
		e, again := rpc.NewEncoder(nil), rpc.NewEncoder(nil)
		result := s.prog.Serve(r, e)
		if next := s.prog.Serve(r, again); next != result || proc != 2 && !bytes.Equal(e.Bytes(), again.Bytes()) {
			t.Errorf("procedure %d: %d %x, then %d %x", proc, result, e.Bytes(), next, again.Bytes())
		}
		if !bytes.Equal(r.Args, args) {
			t.Errorf("procedure %d changed its arguments", proc)
		}
	})
}
