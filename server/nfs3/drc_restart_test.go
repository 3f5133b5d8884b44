package nfs3_test

import (
	"os"
	"path/filepath"
	"testing"

	"pmemfs/pmemfs"
	"pmemfs/pmemfs/pmemfstest"
	"pmemfs/server/export"
	"pmemfs/server/handle"
	"pmemfs/server/nfs3"
	"pmemfs/server/nfswire"
	"pmemfs/server/rpc"
)

// reopen is the fixture on an image file, which is opened anew.
func reopen(t *testing.T, path string) *fixture {
	t.Helper()
	eng, err := pmemfs.Open(path, pmemfs.Options{Durability: pmemfs.DurabilityProcess, NoBackground: true})
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{t: t, eng: eng, handles: handle.New(eng), table: export.NewTable(eng), exp: export.Default()}
	f.exp.Squash = export.SquashNone
	f.serve(f.exp)
	f.srv = nfs3.New(nfs3.Config{Engine: eng, Exports: f.table})
	return f
}

// crash leaves the image as a SIGKILL at this moment would, under another name.
func crash(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	left := filepath.Join(t.TempDir(), "left")
	if err := os.WriteFile(left, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return left
}

// TestDRCAcrossCrashes carries calls out, kills the server, and repeats them to the next one, and after another crash to the
// one after that: each is answered OK, and nothing is done twice.
func TestDRCAcrossCrashes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "image")
	if err := pmemfs.Format(path, pmemfs.FormatOptions{Size: imageBytes, RootMode: 0o777}); err != nil {
		t.Fatal(err)
	}
	f := reopen(t, path)
	all := samples(t, f)
	requests := map[string]*rpc.Request{}
	made := map[string][]byte{}
	for _, name := range order {
		r := f.request(all[name].proc, all[name].args)
		_, d := f.send(r)
		if all[name].proc == nfswire.ProcNull || d.Uint32() != 0 {
			continue
		}
		for _, proc := range once {
			if r.Proc == proc {
				requests[name], made[name] = r, d.Rest()
			}
		}
	}
	delete(requests, "CREATE EXCLUSIVE 2") // changes nothing, and needs no memory
	want, err := f.eng.Getattr(nil, f.eng.Root())
	if err != nil {
		t.Fatal(err)
	}
	for i, left := range []string{crash(t, path), ""} {
		if left == "" { // a crash of the second incarnation, which has only repeated what it was asked
			left = crash(t, path)
		}
		if err := f.eng.Close(); err != nil {
			t.Fatal(err)
		}
		f, path = reopen(t, left), left
		for name, r := range requests {
			_, d := f.send(r)
			if st := nfswire.Status(d.Uint32()); st != nfswire.OK {
				t.Errorf("incarnation %d: %s repeated: status %d", i+2, name, st)
				continue
			}
			// What made something names the same thing again.
			if n := 4 + 4 + handle.Bytes; all[name].fail == 8 && len(made[name]) > 120 && string(d.Rest()[:n]) != string(made[name][:n]) {
				t.Errorf("incarnation %d: %s made something else", i+2, name)
			}
		}
		if got, err := f.eng.Getattr(nil, f.eng.Root()); err != nil || got != want {
			t.Errorf("incarnation %d: the directory has changed: %+v, want %+v, %v", i+2, got, want, err)
		}
	}
	if len(requests) < 12 {
		t.Errorf("%d calls were repeated", len(requests))
	}
	if err := f.eng.Close(); err != nil {
		t.Fatal(err)
	}
	pmemfstest.CheckImage(t, path)
}
