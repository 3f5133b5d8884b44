package mount3_test

import (
	"bytes"
	"strings"
	"testing"

	"pmemfs/pmemfs/testpart"
	"pmemfs/server/rpc"
)

func TestNull(t *testing.T) {
	s := newSite(t)
	r := call(0, nil)
	r.CredFlavor = 6 // nobody has to be known for this
	if d := s.serve(r); !d.Done() {
		t.Error("NULL has results")
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
