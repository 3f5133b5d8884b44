package server

import (
	"context"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"pmemfs/pmemfs"
	"pmemfs/server/admin"
	"pmemfs/server/export"
	"pmemfs/server/handle"
)

// TestHealthStopped asks a server for its health, of one of whose images nobody can look at what an export shows: it is not well, is told in time, and the other image
// is asked all the same. Then all is well again.
func TestHealthStopped(t *testing.T) {
	c := Config{NFS: "127.0.0.1:0"}
	for _, name := range []string{"/a", "/b"} {
		x, of := export.Default(), export.Default()
		x.Name, of.Name, of.Subtree = name, name+"/f", "/f"
		c.Images = append(c.Images, ImageConfig{Path: filepath.Join(t.TempDir(), "image"), New: NewImage{Size: 64 << 20, Owner: &Owner{Mode: 0o1777}}, Exports: []export.Export{x, of}})
	}
	s, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx) }()
	for s.stage() != serving {
	}
	eng := s.images[0].eng
	root := &pmemfs.Cred{}
	f, err := eng.Create(root, nil, eng.Root(), []byte("f"), &pmemfs.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := eng.Write(root, nil, f.Handle, []byte("data"), 0); err != nil {
		t.Fatal(err)
	}
	codec := handle.New(eng)
	release := stuck(t, eng, codec.Append(nil, 0, f.Handle))
	var held sync.WaitGroup
	held.Go(func() {
		if _, _, err := eng.Write(root, nil, f.Handle, []byte("waits"), 0); err != nil {
			t.Error(err)
		}
	})
	ask := func() admin.Report {
		ctx, cancel := context.WithTimeout(t.Context(), admin.HealthTime)
		defer cancel()
		return s.health(ctx)
	}
	var r admin.Report
	for r = ask(); r.OK; r = ask() { // until the directory is waited for
	}
	for _, c := range r.Checks {
		if well := !strings.HasPrefix(c.Name, "image "+s.images[0].path) && !strings.Contains(c.Name, "/a"); c.OK != well {
			t.Errorf("%s: %v, %s", c.Name, c.OK, c.Message)
		}
	}
	if len(r.Checks) != 4 {
		t.Errorf("%d checks: %+v", len(r.Checks), r.Checks)
	}
	release()
	held.Wait()
	for r = ask(); !r.OK; r = ask() { // until the look has ended
	}
	if len(r.Checks) != 5 {
		t.Errorf("%d checks when it goes on: %+v", len(r.Checks), r.Checks)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
