package nfs3_test

import (
	"bytes"
	"encoding/binary"
	"path/filepath"
	"testing"

	"pmemfs/pmemfs"
	"pmemfs/pmemfs/pmemfstest"
	"pmemfs/server/nfs3"
	"pmemfs/server/nfswire"
	"pmemfs/server/rpc"
)

// TestSeveralDRC repeats calls to two images behind one address, before and after a crash of their server: each is answered as the first time, in its image,
// and a call to one never as that of the same number to the other.
func TestSeveralDRC(t *testing.T) {
	dir := t.TempDir()
	var paths []string
	for _, name := range []string{"a", "b"} {
		paths = append(paths, filepath.Join(dir, name))
		if err := pmemfs.Format(paths[len(paths)-1], pmemfs.FormatOptions{Size: imageBytes, RootMode: 0o777}); err != nil {
			t.Fatal(err)
		}
	}
	open := func() (all []*fixture, serve func(r *rpc.Request) (nfswire.Status, []byte)) {
		for _, path := range paths {
			all = append(all, reopen(t, path))
		}
		program := nfs3.Programs(all[0].srv, all[1].srv)[0]
		return all, func(r *rpc.Request) (nfswire.Status, []byte) {
			t.Helper()
			e := rpc.NewEncoder(nil)
			if result := program.Serve(r, e); result != rpc.Success {
				t.Fatalf("result %d", result)
			}
			return nfswire.Status(binary.BigEndian.Uint32(e.Bytes())), bytes.Clone(e.Bytes())
		}
	}
	all, serve := open()
	var calls []*rpc.Request
	for _, f := range all {
		f.xid = 0 // the same numbers in both
		make := f.request(nfswire.ProcCreate, args(f.root(), "file", nfswire.CreateGuarded, noAttr))
		remove := f.request(nfswire.ProcRemove, args(f.root(), "file"))
		calls = append(calls, make, remove)
	}
	for _, r := range calls {
		st, reply := serve(r)
		again, same := serve(r)
		if st != nfswire.OK || again != st || !bytes.Equal(same, reply) {
			t.Errorf("procedure %d: %v, repeated %v", r.Proc, st, again)
		}
	}
	for i, path := range paths {
		paths[i] = crash(t, path)
	}
	for _, f := range all {
		if err := f.eng.Close(); err != nil {
			t.Error(err)
		}
	}
	all, serve = open()
	for _, r := range calls {
		if st, _ := serve(r); st != nfswire.OK {
			t.Errorf("procedure %d, repeated after a crash: %v", r.Proc, st)
		}
	}
	for _, f := range all {
		f.xid = 100
		if st, _ := serve(f.request(nfswire.ProcLookup, args(f.root(), "file"))); st != nfswire.ErrNoEnt {
			t.Errorf("the file is there: %v", st)
		}
		pmemfstest.CheckFS(t, f.eng)
		if err := f.eng.Close(); err != nil {
			t.Error(err)
		}
	}
}
