package integration

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"pmemfs/integration/harness"
)

// TestFirstRun is a stranger's first command: no image, no options. The image
// is made, its blocks are really allocated, and what the stranger needs next
// is printed.
func TestFirstRun(t *testing.T) {
	server := harness.ServeDefault(t, t.TempDir())
	info, err := os.Stat(server.Image)
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() != 1<<30 {
		t.Errorf("the image has %d bytes, want 1 GiB", info.Size())
	}
	if allocated := info.Sys().(*syscall.Stat_t).Blocks * 512; allocated < info.Size() {
		t.Errorf("%d of the image's %d bytes are allocated; a full disk would end the server later", allocated, info.Size())
	}
	port := strconv.Itoa(server.Port)
	for _, wanted := range []string{
		"page-cache",                // the domain of an ordinary file
		"127.0.0.1",                 // the export's address
		"mount -t nfs", "mount_nfs", // Linux and macOS; either may be spelled with options between
		"port=" + port, "mountport=" + port, "nolock",
	} {
		// The port accepts before the last line is printed.
		for deadline := time.Now().Add(harness.Patience); !strings.Contains(server.Output(), wanted); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("the output lacks %q:\n%s", wanted, server.Output())
			}
		}
	}
}

// TestStopAndStart ends a server with each signal that means "stop" and finds
// what was written after the next start.
func TestStopAndStart(t *testing.T) {
	server := harness.Serve(t, filepath.Join(t.TempDir(), "fs.img"), "--size", "64MiB", "--squash", "none")
	want := make(map[string]string)
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		name := "after-" + strconv.Itoa(int(signal))
		want[name] = strings.Repeat(name+"\n", 1000)
		harness.WriteFile(t, harness.Mount(t, server.Addr(), 0), name, want[name])
		server.StopWith(signal)
		harness.Check(t, server.Image)
		server.Start()
		client := harness.Mount(t, server.Addr(), 0)
		for name, content := range want {
			if harness.ReadFile(t, client, name) != content {
				t.Errorf("%s has changed", name)
			}
		}
	}
}

// TestImageInUse starts a second server, mkfs and check on an image that is
// being served: both are refused, and the first one does not notice.
func TestImageInUse(t *testing.T) {
	server := harness.Serve(t, filepath.Join(t.TempDir(), "fs.img"), "--size", "64MiB", "--squash", "none")
	client := harness.Mount(t, server.Addr(), 0)
	harness.WriteFile(t, client, "file", "content")
	other := "127.0.0.1:" + strconv.Itoa(harness.FreePort(t))
	for _, args := range [][]string{
		{"serve", server.Image, "--nfs", other},
		{"mkfs", server.Image, "--size", "64MiB", "--force"},
		{"check", server.Image},
	} {
		r := harness.Run(t, t.TempDir(), args...)
		if r.Status == 0 {
			t.Errorf("%q on an image in use: status 0\n%s", args, r.Stdout)
		}
		oneLine(t, r, server.Image)
	}
	if got := harness.ReadFile(t, client, "file"); got != "content" {
		t.Errorf("the first server's file has become %q", got)
	}
}

// oneLine demands that a refused command said why in one line on standard
// error that names the image.
func oneLine(t *testing.T, r harness.Result, image string) {
	t.Helper()
	text := strings.TrimRight(r.Stderr, "\n")
	if text == "" || strings.Contains(text, "\n") || !strings.Contains(text, filepath.Base(image)) {
		t.Errorf("want one line about %s on standard error, got %q", filepath.Base(image), r.Stderr)
	}
	if strings.Contains(text, "panic") || strings.Contains(text, "goroutine ") {
		t.Errorf("a panic is no message: %q", text)
	}
}
