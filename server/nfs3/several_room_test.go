package nfs3_test

import (
	"testing"

	"pmemfs/server/nfs3"
	"pmemfs/server/nfswire"
	"pmemfs/server/rpc"
)

// TestSeveralCrowded: a call for which there is no place is refused for now where the connection has calls of another image too, and carried out where
// it has none. What is refused can be sent again.
func TestSeveralCrowded(t *testing.T) {
	f, other := newFixture(t), newFixture(t)
	program := nfs3.Programs(f.srv, other.srv)[0]
	all := samples(t, f)
	serve := func(r *rpc.Request) nfswire.Status {
		t.Helper()
		e := rpc.NewEncoder(nil)
		if result := program.Serve(r, e); result != rpc.Success {
			t.Fatalf("result %d", result)
		}
		if err := wellFormed(r.Proc, e.Bytes()); err != nil {
			t.Errorf("procedure %d: %v", r.Proc, err)
		}
		return nfswire.Status(rpc.NewDecoder(e.Bytes()).Uint32())
	}
	first := other.request(nfswire.ProcGetattr, args(other.root()))
	first.MayWait = false // so that the connection keeps a call
	serve(first)
	for _, name := range order {
		s := all[name]
		if s.proc == nfswire.ProcNull {
			continue
		}
		r := f.request(s.proc, s.args)
		r.Crowded, r.Own = true, first.Own
		if st := serve(r); st != nfswire.ErrJukebox {
			t.Errorf("%s: %v", name, st)
		}
		r.Own = nil // the same call, on a connection of its own
		if st := serve(r); st == nfswire.ErrJukebox {
			t.Errorf("%s is refused on a connection of its own", name)
		}
	}
}
