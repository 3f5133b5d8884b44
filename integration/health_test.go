package integration

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"pmemfs/integration/harness"
	"pmemfs/integration/rawnfs"
)

const statusNoSpace = rawnfs.Status(28)

// healthOf runs pmemfs health and demands its exit status, and that what it prints has a text.
func healthOf(t *testing.T, at string, status int, text string, args ...string) {
	t.Helper()
	r := harness.Run(t, t.TempDir(), append([]string{"health", at}, args...)...)
	if r.Status != status || !strings.Contains(r.Stdout+r.Stderr, text) {
		t.Errorf("health %q: status %d, want %d and %q\n%s%s", args, r.Status, status, text, r.Stdout, r.Stderr)
	}
}

// TestHealth asks a server of two images whether it is well: when it is, when an image is full, when the process is stopped and goes on, and when one
// image is removed, which a restart would not bring back.
func TestHealth(t *testing.T) {
	t.Parallel()
	file, images := twoImages(t, "64MiB", "/one", "/two")
	admin := harness.Local(harness.FreePort(t))
	server := harness.ServeConfig(t, "127.0.0.1", harness.FreePort(t), file, images[:1], "--admin", admin)
	healthOf(t, admin, 0, "NFS GETATTR of /two")
	healthOf(t, admin, 0, "serving", "--ready")
	client, err := rawnfs.Dial(server.Addr(), patience)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	roots := make(map[string]rawnfs.Handle)
	for _, name := range []string{"/one", "/two"} {
		if roots[name], err = client.Mount(name); err != nil {
			t.Fatal(err)
		}
	}

	full, err := client.Create(roots["/one"], "full")
	if err != nil {
		t.Fatal(err)
	}
	for at := uint64(0); err == nil; at += 32 << 10 {
		_, err = client.Write(full, at, make([]byte, 32<<10), false)
	}
	if !errors.Is(err, statusNoSpace) {
		t.Fatalf("a full image: %v", err)
	}
	healthOf(t, admin, 0, "serving")
	healthOf(t, admin, 0, "serving", "--ready")

	server.Signal(syscall.SIGSTOP)
	healthOf(t, admin, 1, "does not answer in time", "--timeout", "200ms")
	server.Signal(syscall.SIGCONT)
	healthOf(t, admin, 0, "serving")

	if err := os.Remove(images[1]); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Create(roots["/two"], "late"); err == nil {
		t.Error("a file was acknowledged by an image that has no name")
	}
	healthOf(t, admin, 1, "image "+images[1]+": ", "--ready")
	healthOf(t, admin, 0, "NFS GETATTR of /two")
	if err := client.Remove(roots["/one"], "full", false); err != nil {
		t.Errorf("the other image: %v", err)
	}
	server.StopComplaining("has been removed and has no name left")
}

// TestHealthGone asks where no server is any more.
func TestHealthGone(t *testing.T) {
	t.Parallel()
	admin := harness.Local(harness.FreePort(t))
	server := harness.Serve(t, filepath.Join(t.TempDir(), "fs.img"), "--size", "64MiB", "--admin", admin)
	healthOf(t, admin, 0, "serving")
	server.Kill()
	healthOf(t, admin, 1, fmt.Sprint(admin, " does not answer"))
	server.Start()
	healthOf(t, admin, 0, "serving", "--ready")
}
