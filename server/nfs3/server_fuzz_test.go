package nfs3_test

import (
	"slices"
	"testing"

	"pmemfs/pmemfs/pmemfstest"
	"pmemfs/pmemfs/testpart"
	"pmemfs/server/nfswire"
	"pmemfs/server/rpc"
)

// fuzzTarget is a fixture for many calls with any arguments.
type fuzzTarget struct {
	*fixture
	calls int
}

// send has a procedure decode arguments and act on them: it answers, and in the form that the procedure's results have.
func (f *fuzzTarget) send(t *testing.T, proc uint32, uid uint32, b []byte) {
	e := rpc.NewEncoder(nil)
	e.Raw(b)
	r := f.request(proc, e)
	r.Sys.UID, r.Sys.GID = uid, uid
	reply := rpc.NewEncoder(nil)
	switch result := f.srv.Program().Serve(r, reply); result {
	case rpc.GarbageArgs:
	case rpc.Success:
		if err := wellFormed(proc, reply.Bytes()); err != nil {
			t.Fatalf("procedure %d, arguments % x: %v\nreply % x", proc, b, err, reply.Bytes())
		}
	default:
		t.Fatalf("procedure %d, arguments % x: result %d", proc, b, result)
	}
	if f.calls++; f.calls%10_000 == 0 {
		pmemfstest.CheckFS(t, f.eng)
	}
}

// FuzzArguments gives every procedure arguments of all kinds. The handles in the seeds are good ones, so that what follows
// them counts.
func FuzzArguments(f *testing.F) {
	testpart.NotRace(f)
	target := &fuzzTarget{fixture: newFixture(f)}
	all := samples(f, target.fixture)
	names := slices.Sorted(func(yield func(string) bool) {
		for name := range all {
			if !yield(name) {
				return
			}
		}
	})
	for _, name := range names {
		f.Add(byte(all[name].proc), uint32(0), all[name].args.Bytes())
		f.Add(byte(all[name].proc), uint32(1000), all[name].args.Bytes())
	}
	// A handle is 44 bytes on the wire; two files and the root are enough to begin with.
	good := [][]byte{args(target.root()).Bytes(), all["GETATTR"].args.Bytes()[:44], all["READLINK"].args.Bytes()[:44]}
	f.Fuzz(func(t *testing.T, proc byte, uid uint32, b []byte) {
		p := uint32(proc) % nfswire.ProcCount
		target.send(t, p, uid, b)
		// The same with a handle that gets past the first check, which no mutation finds.
		if len(b) >= 44 {
			target.send(t, p, uid, append(slices.Clone(good[int(proc)/nfswire.ProcCount%len(good)]), b[44:]...))
		}
	})
}
