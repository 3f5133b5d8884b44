package server_test

import (
	"context"
	"testing"
	"time"

	"pmemfs/pmemfs"
	"pmemfs/server"
	"pmemfs/server/export"
)

const imageBytes = 64 << 20

func config(image string) server.Config {
	return server.Config{NFS: "127.0.0.1:0", Images: []server.ImageConfig{{Path: image, New: server.NewImage{Size: imageBytes}, Exports: []export.Export{export.Default()}}}}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// patience is what only a hang takes: the machine may be busy with other things.
const patience = 3 * time.Minute

// run serves until stop is called, which then demands that it ended in order.
func run(t *testing.T, s *server.Server) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx) }()
	return func() {
		t.Helper()
		cancel()
		select {
		case err := <-ended:
			must(t, err)
		case <-time.After(patience):
			t.Fatal("did not stop")
		}
	}
}

func checkClean(t *testing.T, image string) {
	t.Helper()
	report, err := pmemfs.Check(image, pmemfs.CheckOptions{})
	must(t, err)
	for _, f := range report.Faults {
		t.Errorf("check: offset %d: %s: expected %s, found %s", f.Offset, f.Object, f.Expected, f.Found)
	}
}
