package control

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"pmemfs/pmemfs"
	"pmemfs/server/ownsocket"
)

// hang is what only a hang takes: the machine may be busy with other things.
const hang = 3 * time.Minute

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// shortDir is a folder whose path leaves room in the address of a socket.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "control")
	must(t, err)
	t.Cleanup(func() { must(t, os.RemoveAll(dir)) })
	return dir
}

// served is an image with a server of its own.
type served struct {
	path, socket string
	srv          *Server
	fs           *pmemfs.FS
	stop         func()
}

// serve makes an image and serves it until the test ends, or stop is called.
func serve(t *testing.T) *served {
	t.Helper()
	s := &served{path: filepath.Join(shortDir(t), "fs.img")}
	must(t, pmemfs.Format(s.path, pmemfs.FormatOptions{Size: 16 << 20, RootMode: 0o755}))
	var err error
	s.fs, err = pmemfs.Open(s.path, pmemfs.Options{})
	must(t, err)
	s.socket, err = Place(s.path, os.Geteuid())
	must(t, err)
	l, err := ownsocket.Listen(s.socket)
	must(t, err)
	s.srv, err = NewServer(Config{Path: s.path, Image: Image{FS: s.fs, Serving: func() Serving { return Serving{PID: 7} }}})
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.srv.Serve(ctx, l) }()
	stopped := false
	s.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		select {
		case err := <-ended:
			must(t, err)
		case <-time.After(hang):
			t.Fatal("did not stop")
		}
		must(t, s.fs.Close())
		if _, err := os.Lstat(s.socket); !os.IsNotExist(err) {
			t.Errorf("the socket is left: %v", err)
		}
		report, err := pmemfs.Check(s.path, pmemfs.CheckOptions{})
		must(t, err)
		if !report.Clean() {
			t.Errorf("check: %v", report.Faults)
		}
	}
	t.Cleanup(s.stop)
	return s
}
