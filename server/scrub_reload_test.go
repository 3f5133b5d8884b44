package server_test

import (
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pmemfs/pmemfs"
	"pmemfs/server"
)

// TestScrubReload has a server that does not scrub begin by a reload, go on with the pass by another rate, and stop.
func TestScrubReload(t *testing.T) {
	image := filepath.Join(t.TempDir(), "img")
	var log safeBuffer
	cfg := config(image)
	cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
	s, err := server.Open(cfg)
	must(t, err)
	stop := run(t, s)
	reload := func(scrub server.Scrubbing, said string) {
		t.Helper()
		before := strings.Count(log.String(), said)
		next := s.Config()
		next.Images[0].Scrub = scrub
		restarts, err := s.Reload(next)
		must(t, err)
		if len(restarts) > 0 {
			t.Errorf("%+v", restarts)
		}
		for deadline := time.Now().Add(patience); strings.Count(log.String(), said) == before; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("no %q: %s", said, log.String())
			}
		}
	}
	if strings.Contains(log.String(), "scrub begins") {
		t.Errorf("it scrubs: %s", log.String())
	}
	reload(server.Scrubbing{Every: time.Nanosecond, Rate: 1}, "scrub begins")
	reload(server.Scrubbing{Every: time.Hour, Rate: 1 << 30}, "scrub complete") // that pass
	if !strings.Contains(log.String(), "resumed=true") {
		t.Errorf("it began anew: %s", log.String())
	}
	reload(server.Scrubbing{Every: time.Nanosecond, Rate: 1}, "scrub begins")
	reload(server.Scrubbing{}, "scrub stopped")
	stop()
	info, err := pmemfs.ReadInfo(image)
	must(t, err)
	if info.Scrub.Passes != 1 || !info.Scrub.Partial || info.Scrub.Running {
		t.Errorf("%+v", info.Scrub)
	}
}
