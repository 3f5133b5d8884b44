package ninep

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestUsersFrom reads files as systems have them, and again when they have changed.
func TestUsersFrom(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("passwd", "# users\nroot:x:0:0:root:/root:/bin/sh\n\nsome:x:1000:1000:Some One,,,:/some:/bin/sh\nodd:x:4294967294:5::/:\n+::::::\n")
	write("group", "root:x:0:\nsome:x:1000:\naudio:x:29:other,some\nvideo:x:44:some\nothers:x:50:some1,asome\n+:::\n")
	var log bytes.Buffer
	users, err := UsersFrom(dir, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	if uid, known := users.ByName("some"); uid != 1000 || !known {
		t.Errorf("some is %d, %v", uid, known)
	}
	if uid, known := users.ByName("som"); known {
		t.Errorf("som is %d", uid)
	}
	groups := func(uid, wantGID uint32, want ...uint32) {
		t.Helper()
		if gid, others, known := users.Groups(uid); gid != wantGID || !slices.Equal(others, want) || !known {
			t.Errorf("user %d: group %d and %v, %v", uid, gid, others, known)
		}
	}
	groups(0, 0)
	groups(1000, 1000, 29, 44)
	groups(1<<32-2, 5)
	if _, _, known := users.Groups(7); known {
		t.Error("7 is known")
	}
	write("group", "wheel:x:10:root,some")
	groups(1000, 1000, 10)
	// A file that is bad from now on takes groups away, and says so.
	write("group", "wheel:x:ten:root,some")
	groups(1000, 1000)
	if !strings.Contains(log.String(), `line 1: \"ten\" is no number`) {
		t.Errorf("log: %s", &log)
	}
	for text, want := range map[string]string{
		"a:x:1:1\nb:x:1":           "line 2 has 3 fields",
		"a:x:-1:1":                 "-1",
		"a:x::1":                   `""`,
		"a:x:1:4294967295":         "nobody",
		"a:x:4294967296:1":         "4294967296",
		strings.Repeat("a", 1<<16): "1 fields",
	} {
		write("passwd", text)
		if _, err := UsersFrom(dir, nil); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "passwd") {
			t.Errorf("%.20q: %v, want %q", text, err, want)
		}
	}
	if err := os.Truncate(filepath.Join(dir, "passwd"), usersFileMax+1); err != nil {
		t.Fatal(err)
	}
	if _, err := UsersFrom(dir, nil); err == nil || !strings.Contains(err.Error(), "64 MiB") {
		t.Errorf("a large file: %v", err)
	}
	if _, err := UsersFrom(filepath.Join(dir, "none"), nil); !os.IsNotExist(err) {
		t.Errorf("no folder: %v", err)
	}
}
