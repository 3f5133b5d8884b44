package integration

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"pmemfs/integration/harness"
)

// TestExamples builds the programs of examples, which are a module of their own, and runs each.
func TestExamples(t *testing.T) {
	t.Parallel()
	folder, dir := filepath.Join(harness.Root(t), "examples"), t.TempDir()
	command(t, folder, "go", "mod", "tidy", "-diff")
	command(t, folder, "go", "vet", "./...")
	command(t, folder, "go", "build", "-o", dir+"/", "./...")
	run := func(says string, args ...string) {
		t.Helper()
		if out := command(t, dir, filepath.Join(dir, args[0]), args[1:]...); out != says {
			t.Errorf("%q says %q, expected %q", args, out, says)
		}
	}
	t.Run("engine", func(t *testing.T) {
		run("HELLO\nhello\n", "engine", "engine.img")
		harness.Check(t, filepath.Join(dir, "engine.img"))
	})
	t.Run("gogit", func(t *testing.T) {
		run("33d6eb8729c8e110b43b60beb1666096cb979497 say where it is\n", "gogit", "git.img")
		harness.Check(t, filepath.Join(dir, "git.img"))
	})
	t.Run("cache", func(t *testing.T) { cacheExample(t, folder, dir, run) })
	t.Run("webserver", func(t *testing.T) { webExample(t, dir) })
	t.Run("backup", func(t *testing.T) { backupExample(t, folder, dir) })
}

// cacheExample keeps six folders, of which the first goes, and has one back.
func cacheExample(t *testing.T, folder, dir string, run func(says string, args ...string)) {
	for _, key := range []string{"k1", "k2", "k3", "k4", "k5"} {
		run("", "cache", "ci.img", "save", key, folder)
	}
	run("", "cache", "ci.img", "save", "k5", folder) // again
	run("removing k1\n", "cache", "ci.img", "save", "k6", folder)
	harness.MustRun(t, dir, "put", "-r", filepath.Join(folder, "engine"), "ci.img:/.draft-k7") // as a save leaves it that was killed
	run("removing k2\n", "cache", "ci.img", "save", "k7", folder)
	run("", "cache", "ci.img", "restore", "k7", "back")
	command(t, dir, "diff", "-r", folder, "back")
	for _, key := range []string{"", ".", "..", "a/b"} {
		if out, err := exec.Command(filepath.Join(dir, "cache"), filepath.Join(dir, "ci.img"), "save", key, folder).CombinedOutput(); err == nil || !strings.Contains(string(out), "is no key") {
			t.Errorf("key %q: %v: %s", key, err, out)
		}
	}
	if out, err := exec.Command(filepath.Join(dir, "cache"), filepath.Join(dir, "ci.img"), "restore", "k1", filepath.Join(dir, "gone")).CombinedOutput(); err == nil {
		t.Errorf("what was removed comes back: %s", out)
	}
	harness.Check(t, filepath.Join(dir, "ci.img"))
}

// webExample reads a file by the web, and one that is not for everybody.
func webExample(t *testing.T, dir string) {
	harness.MustRun(t, dir, "mkfs", "web.img", "--size", "16MiB")
	for name, mode := range map[string]os.FileMode{"public": 0o644, "secret": 0o600} {
		if err := errors.Join(os.WriteFile(filepath.Join(dir, name), []byte(name), mode), os.Chmod(filepath.Join(dir, name), mode)); err != nil {
			t.Fatal(err)
		}
		harness.MustRun(t, dir, "put", name, "web.img:/"+name)
	}
	cmd := exec.Command(filepath.Join(dir, "webserver"), filepath.Join(dir, "web.img"), "127.0.0.1:0")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := errors.Join(cmd.Process.Signal(syscall.SIGTERM), cmd.Wait()); err != nil {
			t.Error(err)
		}
	}()
	at, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	for name, status := range map[string]int{"public": http.StatusOK, "secret": http.StatusForbidden, "none": http.StatusNotFound} {
		reply, err := http.Get(strings.TrimSpace(at) + name)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(reply.Body)
		reply.Body.Close()
		if err != nil || reply.StatusCode != status || status == http.StatusOK && string(text) != name {
			t.Errorf("%s: %s, %q, %v", name, reply.Status, text, err)
		}
	}
}

// backupExample backs up an image that is served, twice, keeps one backup, and restores it.
func backupExample(t *testing.T, folder, dir string) {
	image := filepath.Join(dir, "served.img")
	harness.Serve(t, image, "--size", "64MiB")
	if err := os.MkdirAll(filepath.Join(dir, "backups"), 0o700); err != nil {
		t.Fatal(err)
	}
	backup := func() (name string, err error) {
		cmd := exec.Command(filepath.Join(folder, "backup.sh"), image, filepath.Join(dir, "backups"), "1")
		cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(harness.Binary(t))+":"+os.Getenv("PATH"))
		out, err := cmd.CombinedOutput()
		if words := strings.Fields(string(out)); len(words) > 0 {
			name = words[len(words)-1]
		}
		return name, err
	}
	harness.MustRun(t, dir, "put", "-r", folder, image+":/examples")
	first, err := backup()
	if err != nil {
		t.Fatal(first, err)
	}
	harness.MustRun(t, dir, "rm", "-r", image+":/examples/engine")
	for strings.HasSuffix(first, time.Now().UTC().Format("20060102T150405Z")) { // a backup has its second for a name
		time.Sleep(10 * time.Millisecond)
	}
	second, err := backup()
	if err != nil {
		t.Fatal(second, err)
	}
	list, err := os.ReadDir(filepath.Join(dir, "backups"))
	if err != nil || len(list) != 1 || list[0].Name() != second+".tar.gz" {
		t.Errorf("backups %v, %v, expected %s alone", list, err, second)
	}
	failedBackup(t, folder, dir, image, second)
	harness.MustRun(t, dir, "mkfs", "restored.img", "--from", filepath.Join(dir, "backups", second+".tar.gz"))
	harness.MustRun(t, dir, "get", "-r", "restored.img:/examples", "restored")
	out, err := exec.Command("diff", "-r", folder, filepath.Join(dir, "restored")).CombinedOutput()
	if err == nil || strings.TrimSpace(string(out)) != "Only in "+folder+": engine" {
		t.Errorf("what is restored differs: %v\n%s", err, out)
	}
	heldBackup(t, dir, image, second, backup)
}

// failedBackup backs up while archives cannot be written whole: what was there stays, and nothing is new.
func failedBackup(t *testing.T, folder, dir, image, kept string) {
	t.Helper()
	bin := t.TempDir()
	script := "#!/bin/sh\n[ \"$1\" != tar ] || { head -c 5000 /dev/zero; exit 1; }\nexec '" + harness.Binary(t) + "' \"$@\"\n"
	if err := os.WriteFile(filepath.Join(bin, "pmemfs"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	before := snapshotNames(t, dir, image)
	for kept == "backup-"+time.Now().UTC().Format("20060102T150405Z") { // a backup has its second for a name
		time.Sleep(10 * time.Millisecond)
	}
	cmd := exec.Command(filepath.Join(folder, "backup.sh"), image, filepath.Join(dir, "backups"), "1")
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
	if out, err := cmd.CombinedOutput(); err == nil {
		t.Errorf("a backup without an archive succeeds: %s", out)
	}
	list, err := os.ReadDir(filepath.Join(dir, "backups"))
	if err != nil || len(list) != 1 || list[0].Name() != kept+".tar.gz" {
		t.Errorf("backups %v, %v, expected %s alone", list, err, kept)
	}
	if after := snapshotNames(t, dir, image); !slices.Equal(after, before) {
		t.Errorf("snapshots %q, expected %q", after, before)
	}
}

// heldBackup backs up while the oldest snapshot is held: it stays, and is said to, and archives are pruned all the same.
func heldBackup(t *testing.T, dir, image, held string, backup func() (string, error)) {
	t.Helper()
	harness.MustRun(t, dir, "snapshot", "hold", image, held)
	for held == "backup-"+time.Now().UTC().Format("20060102T150405Z") { // a backup has its second for a name
		time.Sleep(10 * time.Millisecond)
	}
	name, err := backup()
	if err == nil {
		t.Error("nothing is said of a snapshot that could not be deleted")
	}
	list, err := os.ReadDir(filepath.Join(dir, "backups"))
	if err != nil || len(list) != 1 || list[0].Name() != name+".tar.gz" {
		t.Errorf("backups %v, %v, expected %s alone", list, err, name)
	}
	if names := snapshotNames(t, dir, image); !slices.Equal(names, []string{held, name}) {
		t.Errorf("snapshots %q, expected %s and %s", names, held, name)
	}
	harness.MustRun(t, dir, "snapshot", "release", image, held)
}

// snapshotNames are the names of an image's snapshots.
func snapshotNames(t *testing.T, dir, image string) (names []string) {
	t.Helper()
	var list struct{ Snapshots []struct{ Name string } }
	if err := json.Unmarshal([]byte(harness.MustRun(t, dir, "snapshot", "list", image, "--json").Stdout), &list); err != nil {
		t.Fatal(err)
	}
	for _, s := range list.Snapshots {
		names = append(names, s.Name)
	}
	return names
}
