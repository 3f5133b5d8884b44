package server_test

import (
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pmemfs/pmemfs"
	"pmemfs/server"
	"pmemfs/server/schedule"
)

// TestReloadSchedules: a server makes snapshots by the schedules that it was started with, and by those it is given later.
func TestReloadSchedules(t *testing.T) {
	image := filepath.Join(t.TempDir(), "img")
	var log safeBuffer
	cfg := config(image)
	cfg.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	list := []schedule.Schedule{{Prefix: "a-", Every: 1000 * time.Hour, Keep: schedule.Keep{Last: 1}}}
	cfg.Images[0].Snapshots = list
	s, err := server.Open(cfg)
	must(t, err)
	stop := run(t, s)
	reload := func(list []schedule.Schedule) error {
		next := s.Config()
		next.Images[0].Snapshots = list
		_, err := s.Reload(next)
		return err
	}
	said := func(text string) {
		t.Helper()
		for deadline := time.Now().Add(patience); !strings.Contains(log.String(), text); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("not said: %s: %s", text, log.String())
			}
		}
	}
	said("name=a-")
	if err := reload(slices.Repeat(list, 2)); err == nil {
		t.Error("two schedules with one prefix are accepted")
	}
	list[0].Prefix = "b-"
	must(t, reload(list))
	said("added=[b-] removed=[a-] changed=[]")
	said("name=b-")
	stop()
	checkClean(t, image)
	fs, err := pmemfs.Open(image, pmemfs.Options{})
	must(t, err)
	made, deleting := fs.SnapshotIndex()
	if len(made) != 2 || deleting != 0 || !strings.HasPrefix(made[0].Name, "a-") || !strings.HasPrefix(made[1].Name, "b-") {
		t.Errorf("%+v, %d deleting", made, deleting)
	}
	must(t, fs.Close())
	cfg.Images[0].Snapshots = slices.Repeat(list, 2)
	if _, err := server.Open(cfg); err == nil {
		t.Error("a server with two schedules of one prefix starts")
	}
}
