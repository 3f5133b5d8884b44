package mount3_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"pmemfs/pmemfs"
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
	s.prog = mount3.New(mount3.Config{Images: []mount3.Image{{Engine: eng, Exports: s.table, Handles: s.codec}}}).Program()
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
