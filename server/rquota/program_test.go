package rquota_test

import (
	"fmt"
	"net/netip"
	"testing"

	"pmemfs/pmemfs"
	"pmemfs/server/export"
	"pmemfs/server/rpc"
	"pmemfs/server/rquota"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// ask makes a call of version 1 or 2 by a user, -1 for nobody in particular, from an address.
func ask(vers, proc uint32, user int, from string, path string, typ, id uint32, groups ...uint32) *rpc.Request {
	e := rpc.NewEncoder(nil)
	e.Opaque([]byte(path))
	if vers > 1 {
		e.Uint32(typ)
	}
	e.Uint32(id)
	r := &rpc.Request{
		Call:   rpc.Call{RPCVersion: 2, Prog: rquota.Number, Vers: vers, Proc: proc, Args: e.Bytes()},
		Remote: netip.MustParseAddrPort(from + ":40000"), MayWait: true,
	}
	if user >= 0 {
		r.CredFlavor, r.Sys = rpc.AuthSys, rpc.SysCred{UID: uint32(user), GID: uint32(user), Groups: groups}
	}
	return r
}

// answer returns the numbers of a reply.
func answer(t testing.TB, p rpc.Program, r *rpc.Request) (list []uint32) {
	t.Helper()
	e := rpc.NewEncoder(nil)
	if result := p.Serve(r, e); result != rpc.Success {
		t.Fatalf("procedure %d: result %d", r.Proc, result)
	}
	for d := rpc.NewDecoder(e.Bytes()); len(d.Rest()) > 0; {
		list = append(list, d.Uint32())
	}
	return list
}

const inside, outside = "10.0.0.1", "192.168.0.1"

// TestGetQuota asks for accounts as several users, by both versions.
func TestGetQuota(t *testing.T) {
	eng, err := pmemfs.OpenMemory(16<<20, pmemfs.DomainVolatile, pmemfs.Options{NoBackground: true})
	must(t, err)
	defer func() { must(t, eng.Close()) }()
	table := export.NewTable(eng)
	trusting, squashed := export.Default(), export.Default()
	trusting.Clients = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	trusting.Squash, trusting.Name = export.SquashNone, "/trusting"
	squashed.Clients, squashed.Name = trusting.Clients, "/squashed"
	set, err := export.NewSet([]export.Export{trusting, squashed})
	must(t, err)
	table.Store(set)
	p := rquota.New(rquota.Image{Engine: eng, Exports: table}).Program()
	if got := answer(t, p, ask(1, 1, 7, inside, "/trusting", 0, 7)); len(got) != 1 || got[0] != 2 {
		t.Errorf("without quotas: %v", got)
	}

	must(t, eng.SetQuota(pmemfs.QuotaUser, 7, pmemfs.QuotaLimits{HardBytes: 1 << 20, SoftBytes: 4096, HardFiles: 9}))
	must(t, eng.SetQuota(pmemfs.QuotaGroup, 8, pmemfs.QuotaLimits{HardBytes: 1 << 50}))
	f, err := eng.Create(&pmemfs.Cred{}, nil, eng.Root(), []byte("f"), &pmemfs.CreateOptions{
		Attr: pmemfs.SetAttr{Mask: pmemfs.SetUID | pmemfs.SetGID, UID: 7, GID: 8},
	})
	must(t, err)
	_, _, err = eng.Write(&pmemfs.Cred{}, nil, f.Handle, make([]byte, 10_000), 0)
	must(t, err)

	const week = 7 * 24 * 3600
	user := func(got []uint32) bool {
		return len(got) == 11 && fmt.Sprint(got[:9]) == "[1 4096 1 256 1 3 9 0 1]" && got[9] > week-600 && got[9] <= week && got[10] == 0
	}
	denied := func(got []uint32) bool { return len(got) == 1 && got[0] == 3 }
	none := func(got []uint32) bool { return fmt.Sprint(got) == "[1 4096 1 0 0 0 0 0 0 0 0]" }
	for name, c := range map[string]struct {
		r    *rpc.Request
		want func([]uint32) bool
	}{
		"a user's own account":           {ask(1, 1, 7, inside, "/trusting", 0, 7), user},
		"the active one":                 {ask(1, 2, 7, inside, "/trusting", 0, 7), user},
		"by version 2":                   {ask(2, 1, 7, inside, "/trusting/some/where", 0, 7), user},
		"another's":                      {ask(1, 1, 9, inside, "/trusting", 0, 7), denied},
		"another's, by root":             {ask(1, 1, 0, inside, "/trusting", 0, 7), user},
		"another's, by a squashed root":  {ask(1, 1, 0, inside, "/squashed", 0, 7), denied},
		"the own of a squashed root":     {ask(1, 1, 0, inside, "/squashed", 0, 0), none},
		"one that nothing is charged to": {ask(1, 1, 70, inside, "/trusting", 0, 70), none},
		"nobody's":                       {ask(1, 1, -1, inside, "/trusting", 0, 7), denied},
		"from elsewhere":                 {ask(1, 1, 7, outside, "/trusting", 0, 7), denied},
		"of no export":                   {ask(1, 1, 7, inside, "/none", 0, 7), denied},
		"of another's group":             {ask(2, 1, 7, inside, "/trusting", 1, 8), denied},
		"of another type":                {ask(2, 1, 0, inside, "/trusting", 2, 8), denied},
		"of a group, as a member": {ask(2, 1, 7, inside, "/trusting", 1, 8, 5, 8), func(got []uint32) bool {
			return len(got) == 11 && got[0] == 1 && uint64(got[1])*uint64(got[3]) == 1<<50 && got[5] == 1
		}},
		"setting one": {ask(1, 3, 0, inside, "/trusting", 0, 7), denied},
	} {
		if got := answer(t, p, c.r); !c.want(got) {
			t.Errorf("%s: %v", name, got)
		}
	}
	if r := ask(1, 1, 7, inside, "/trusting", 0, 7); p.Serve(&rpc.Request{Call: r.Call, Remote: r.Remote}, rpc.NewEncoder(nil)) != rpc.Wait {
		t.Error("a call that may not wait does")
	}
	if r := ask(2, 1, 7, inside, "/trusting", 0, 7); p.Serve(&rpc.Request{Call: rpc.Call{Vers: 2, Proc: 1, Args: r.Args[:8]}, Remote: r.Remote, MayWait: true}, rpc.NewEncoder(nil)) != rpc.GarbageArgs {
		t.Error("half of the arguments are enough")
	}
}

// FuzzServe gives the server any arguments.
func FuzzServe(f *testing.F) {
	eng, err := pmemfs.OpenMemory(8<<20, pmemfs.DomainVolatile, pmemfs.Options{NoBackground: true})
	must(f, err)
	must(f, eng.EnableQuotas())
	table := export.NewTable(eng)
	set, err := export.NewSet([]export.Export{export.Default()})
	must(f, err)
	table.Store(set)
	p := rquota.New(rquota.Image{Engine: eng, Exports: table}).Program()
	r := ask(2, 1, 7, inside, "/", 0, 7)
	f.Add(uint32(2), uint32(1), r.Args)
	f.Add(uint32(1), uint32(3), []byte("x"))
	f.Fuzz(func(t *testing.T, vers, proc uint32, args []byte) {
		e := rpc.NewEncoder(nil)
		r.Vers, r.Proc, r.Args = vers, proc, args
		if result := p.Serve(r, e); result == rpc.Success && len(e.Bytes()) > 48 {
			t.Errorf("a reply of %d bytes", len(e.Bytes()))
		}
	})
}
