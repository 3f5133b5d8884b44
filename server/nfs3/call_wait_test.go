package nfs3_test

import (
	"testing"

	"pmemfs/pmemfs"
	"pmemfs/server/nfswire"
	"pmemfs/server/rpc"
)

// whileLocked runs f while a change waits for the lock of a file, which a reader holds: so nobody else gets it without waiting.
// locked reports whether that is so yet.
func whileLocked(t *testing.T, eng *pmemfs.FS, h pmemfs.Handle, locked func() bool, f func()) {
	t.Helper()
	changed := make(chan error, 1)
	send := func([][]byte, int, bool) {
		go func() {
			_, _, err := eng.Write(superuser, nil, h, []byte("x"), 0)
			changed <- err
		}()
		for !locked() {
		}
		f()
	}
	if _, err := eng.ReadTo(superuser, nil, h, 1, 0, &pmemfs.Direct{Send: send}); err != nil {
		t.Error(err)
	}
	if err := <-changed; err != nil {
		t.Error(err)
	}
}

// TestWait makes calls that may not wait for a file that is locked. They say so, have appended nothing, and are answered when they
// come once more.
func TestWait(t *testing.T) {
	f := newFixture(t)
	h := benchFile(t, f, 100_000)
	calls := []*rpc.Request{
		f.request(nfswire.ProcGetattr, args(f.fh(h))),
		f.request(nfswire.ProcAccess, args(f.fh(h), 0x3f)),
		f.request(nfswire.ProcRead, args(f.fh(h), uint64(0), 512)),
		f.request(nfswire.ProcRead, args(f.fh(h), uint64(0), 40_000)),
		f.request(nfswire.ProcLookup, args(f.root(), "file")),
		f.request(nfswire.ProcReaddirPlus, args(f.root(), uint64(0), uint64(0), 8192, 8192)),
		f.request(nfswire.ProcReadlink, args(f.fh(h))),
		f.request(nfswire.ProcFsstat, args(f.fh(h))),
		f.request(nfswire.ProcFsinfo, args(f.fh(h))),
		f.request(nfswire.ProcPathconf, args(f.fh(h))),
	}
	acl := f.request(nfswire.ProcGetACL, args(f.fh(h), nfswire.ACLMaskAll))
	acl.Prog = nfswire.ProgACL
	calls = append(calls, acl)
	serve := func(r *rpc.Request, mayWait bool) (rpc.Result, *rpc.Encoder) {
		e := rpc.NewEncoder(nil)
		r.MayWait = mayWait
		if r.Prog == nfswire.ProgACL {
			return f.srv.ACLProgram().Serve(r, e), e
		}
		return f.srv.Program().Serve(r, e), e
	}
	locked := func() bool {
		result, _ := serve(calls[0], false)
		return result == rpc.Wait
	}
	whileLocked(t, f.eng, h, locked, func() {
		for _, r := range calls {
			if result, e := serve(r, false); result != rpc.Wait || e.Len() != 0 {
				t.Errorf("program %d, procedure %d: result %d, and %d bytes", r.Prog, r.Proc, result, e.Len())
			}
		}
	})
	for _, r := range calls {
		result, e := serve(r, true)
		if result != rpc.Success {
			t.Errorf("program %d, procedure %d, come once more: result %d", r.Prog, r.Proc, result)
		}
		if r.Prog != nfswire.ProgNFS {
			continue
		}
		if err := wellFormed(r.Proc, e.Bytes()); err != nil {
			t.Errorf("procedure %d: %v", r.Proc, err)
		}
	}
}
