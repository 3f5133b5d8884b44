package server_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"pmemfs/pmemfs"
	"pmemfs/server"
)

// safeBuffer is written by a server and read by a test.
type safeBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// TestScrubInBackground serves an image with a damaged file: the scrub names it in the log, again and again, and what it
// knows is there after the end.
func TestScrubInBackground(t *testing.T) {
	image := filepath.Join(t.TempDir(), "img")
	must(t, pmemfs.Format(image, pmemfs.FormatOptions{Size: imageBytes, DataChecksums: true}))
	fs, err := pmemfs.Open(image, pmemfs.Options{})
	must(t, err)
	c := &pmemfs.Cred{}
	a, err := fs.Create(c, nil, fs.Root(), []byte("file"), &pmemfs.CreateOptions{})
	must(t, err)
	_, _, err = fs.Write(c, nil, a.Handle, bytes.Repeat([]byte("needle"), 1000), 0)
	must(t, err)
	must(t, fs.Close())
	b, err := os.ReadFile(image)
	must(t, err)
	b[bytes.LastIndex(b, []byte("needle"))] ^= 1
	must(t, os.WriteFile(image, b, 0o600))

	var log safeBuffer
	cfg := config(image)
	cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
	cfg.Images[0].Scrub = server.Scrubbing{Every: 10 * time.Millisecond, Rate: 1 << 30}
	s, err := server.Open(cfg)
	must(t, err)
	stop := run(t, s)
	for deadline := time.Now().Add(patience); strings.Count(log.String(), "scrub complete") < 2; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("no two passes: %s", log.String())
		}
	}
	stop()
	if want := fmt.Sprintf("of inode %d", a.Ino); !strings.Contains(log.String(), "scrub found damage") || !strings.Contains(log.String(), want) {
		t.Errorf("the log does not name the damage: %s", log.String())
	}
	info, err := pmemfs.ReadInfo(image)
	must(t, err)
	// The next pass, if the stop came in the middle of one, may not have been there yet.
	if info.Scrub.Passes < 2 || info.Scrub.Findings != 1 && !info.Scrub.Partial || info.Scrub.Running {
		t.Errorf("info: %+v", info.Scrub)
	}
}

// TestScrubGoesOn stops a server in the middle of a pass: the next one goes on with it.
func TestScrubGoesOn(t *testing.T) {
	image := filepath.Join(t.TempDir(), "img")
	var log safeBuffer
	cfg := config(image)
	cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
	cfg.Images[0].Scrub = server.Scrubbing{Every: time.Nanosecond, Rate: 1}
	start := func() (stop func()) {
		begun := strings.Count(log.String(), "scrub begins") // it may begin before Open has returned
		s, err := server.Open(cfg)
		must(t, err)
		stop = run(t, s)
		for deadline := time.Now().Add(patience); strings.Count(log.String(), "scrub begins") == begun; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("no scrub: %s", log.String())
			}
			if begun > 0 && strings.Contains(log.String(), "resumed=true") {
				break
			}
		}
		return stop
	}
	start()()
	info, err := pmemfs.ReadInfo(image)
	must(t, err)
	if !info.Scrub.Partial || !strings.Contains(log.String(), "scrub stopped") {
		t.Errorf("stopped in the middle: %+v, %s", info.Scrub, log.String())
	}
	cfg.Images[0].Scrub = server.Scrubbing{Every: time.Hour}
	stop := start()
	for deadline := time.Now().Add(patience); !strings.Contains(log.String(), "scrub complete"); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it does not go on: %s", log.String())
		}
	}
	stop()
	if !strings.Contains(log.String(), "resumed=true") {
		t.Errorf("it began anew: %s", log.String())
	}
	if _, err := server.Open(server.Config{NFS: "127.0.0.1:0", Images: []server.ImageConfig{{Path: image, Exports: cfg.Images[0].Exports, Scrub: server.Scrubbing{Every: -1}}}}); err == nil {
		t.Error("a negative interval is accepted")
	}
}
