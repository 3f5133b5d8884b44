package integration

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"pmemfs/integration/harness"
)

// TestJSON reads what the commands with --json print, as a script would.
func TestJSON(t *testing.T) {
	dir := t.TempDir()
	image := filepath.Join(dir, "fs.img")
	harness.MustRun(t, dir, "mkfs", image, "--size", "64MiB")
	for _, args := range [][]string{
		{"info", image, "--json"},
		{"check", image, "--json"},
		{"bench", "engine", "--json"},
	} {
		r := harness.MustRun(t, dir, args...)
		var value any
		if err := json.Unmarshal([]byte(r.Stdout), &value); err != nil {
			t.Errorf("%q: %v\n%s", args, err, r.Stdout)
			continue
		}
		switch v := value.(type) {
		case map[string]any:
			if len(v) == 0 {
				t.Errorf("%q: an empty object", args)
			}
		case []any:
			if len(v) == 0 {
				t.Errorf("%q: an empty list", args)
			}
		default:
			t.Errorf("%q: %T, want an object or a list", args, value)
		}
	}
}

// TestCheckStatus checks the exit statuses that a script relies on, as far as
// they are not part of another test: 0 clean, 8 could not run.
func TestCheckStatus(t *testing.T) {
	dir := t.TempDir()
	image := filepath.Join(dir, "fs.img")
	harness.MustRun(t, dir, "mkfs", image, "--size", "64MiB")
	if r := harness.Run(t, dir, "check", image); r.Status != 0 {
		t.Errorf("a new image: status %d\n%s%s", r.Status, r.Stdout, r.Stderr)
	}
	if r := harness.Run(t, dir, "check", filepath.Join(dir, "missing.img")); r.Status != 8 {
		t.Errorf("a missing image: status %d, want 8\n%s", r.Status, r.Stderr)
	}
	if r := harness.Run(t, dir, "check", dir); r.Status != 8 {
		t.Errorf("a folder: status %d, want 8\n%s", r.Status, r.Stderr)
	}
}

// TestHelp asks every command for help and looks for an example in it.
func TestHelp(t *testing.T) {
	for _, command := range []string{"mkfs", "serve", "info", "check", "bench"} {
		r := harness.MustRun(t, t.TempDir(), command, "--help")
		if text := r.Stdout + r.Stderr; !strings.Contains(text, "pmemfs "+command) || !strings.Contains(strings.ToLower(text), "example") {
			t.Errorf("%s --help shows no example:\n%s", command, text)
		}
	}
}

// TestBadUsage gives wrong options and expects to be told which.
func TestBadUsage(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		args []string
		word string // what the message has to name
	}{
		{[]string{"frobnicate"}, "frobnicate"},
		{[]string{"serve", "--squash", "some"}, "some"},
		{[]string{"serve", "--durability", "perhaps"}, "perhaps"},
		{[]string{"serve", "--nfs-stack", "none"}, "none"},
		{[]string{"serve", "--nfs", "nowhere"}, "nowhere"},
		{[]string{"serve", "--size", "big"}, "big"},
		{[]string{"serve", "--log-level", "loud"}, "loud"},
		{[]string{"serve", "--log-format", "xml"}, "xml"},
		{[]string{"serve", "--no-such-flag"}, "no-such-flag"},
		{[]string{"mkfs"}, "mkfs"},
		{[]string{"info", "missing.img"}, "missing.img"},
		{[]string{"serve", "one.img", "two.img"}, ""},
	} {
		r := harness.Run(t, dir, c.args...)
		if r.Status == 0 || !strings.Contains(r.Stderr, c.word) {
			t.Errorf("%q: status %d, want a failure that names %q\n%s%s", c.args, r.Status, c.word, r.Stdout, r.Stderr)
		}
	}
	// None of these may have made an image on the way to its error.
	if found, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(found) > 0 {
		t.Errorf("wrong options left %v behind, %v", found, err)
	}
}
