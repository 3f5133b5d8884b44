package integration

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"syscall"
	"testing"
	"time"

	"pmemfs/integration/harness"
)

var scheduled = regexp.MustCompile(`^(tick|hour)-\d{8}T\d{6}Z$`)

// TestSchedule has a server make a snapshot every second: they come, and go, and others stay. A file that is read anew changes the schedules, unless it
// has a mistake.
func TestSchedule(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, image := filepath.Join(dir, "pmemfs.toml"), filepath.Join(dir, "fs.img")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const tick = "[[snapshots]]\nprefix = 'tick-'\nevery = '1s'\nkeep = {last = 2}\n"
	write(tick)
	server := harness.Serve(t, image, "--size", "64MiB", "--config", file)
	list := func() (names []string) {
		t.Helper()
		var reply struct{ Snapshots []struct{ Name string } }
		if err := json.Unmarshal([]byte(harness.MustRun(t, dir, "snapshot", "list", image, "--json").Stdout), &reply); err != nil {
			t.Fatal(err)
		}
		for _, s := range reply.Snapshots {
			names = append(names, s.Name)
		}
		return names
	}
	until := func(what string, done func(names []string) bool) []string {
		t.Helper()
		for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
			names := list()
			if done(names) {
				return names
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: %q\n%s", what, names, server.Output())
			}
		}
	}
	first := until("none comes", func(names []string) bool { return len(names) > 0 })[0]
	harness.MustRun(t, dir, "snapshot", "create", image, "mine")
	until("none goes", func(names []string) bool { return !slices.Contains(names, first) })
	names := until("there are not two", func(names []string) bool { return len(names) == 3 })
	for _, name := range names {
		if name != "mine" && !scheduled.MatchString(name) {
			t.Errorf("a snapshot has the name %q", name)
		}
	}
	write("[[snapshots]]\nevery = '1s'\n")
	server.Signal(syscall.SIGHUP)
	server.WaitOutput("snapshots.keep: it has no default", 1)
	old := slices.DeleteFunc(names, func(n string) bool { return n == "mine" })
	until("they end with a mistake", func(names []string) bool {
		return !slices.ContainsFunc(old, func(n string) bool { return slices.Contains(names, n) })
	})
	write("[[snapshots]]\nprefix = 'hour-'\nevery = '1000h'\nkeep = {last = 2}\n")
	server.Signal(syscall.SIGHUP)
	server.WaitOutput("removed=[tick-]", 1)
	names = until("the new schedule makes none", func(names []string) bool {
		return slices.ContainsFunc(names, func(n string) bool { return n[:4] == "hour" })
	})
	if len(names) != 4 { // that of the new schedule, two of the one that has ended, and one that it does not know
		t.Errorf("%q", names)
	}
	server.Stop()
	if left := list(); !slices.Equal(left, names) {
		t.Errorf("%q, was %q", left, names)
	}
	harness.Check(t, image)
}
