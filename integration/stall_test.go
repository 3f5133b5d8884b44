package integration

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pmemfs/integration/harness"
)

// TestStalledUpload begins an upload by the control socket and sends no more. The job can be cancelled, and nothing of it is left.
func TestStalledUpload(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	image := filepath.Join(dir, "fs.img")
	harness.Serve(t, image, "--size", "64MiB")
	c, err := net.Dial("unix", image+".sock")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	header := "name" + strings.Repeat("\x00", 96) // the beginning of an entry
	if _, err := fmt.Fprintf(c, "POST /v1/files/archive?path=/ HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-tar\r\nContent-Length: 100000\r\n\r\n%s", header); err != nil {
		t.Fatal(err)
	}
	jobs := func() (running int) {
		t.Helper()
		var reply struct{ Jobs []struct{ State string } }
		if err := json.Unmarshal([]byte(harness.MustRun(t, dir, "jobs", "list", image, "--json").Stdout), &reply); err != nil {
			t.Fatal(err)
		}
		for _, j := range reply.Jobs {
			if j.State == "running" {
				running++
			}
		}
		return running
	}
	wait := func(want int) {
		t.Helper()
		for deadline := time.Now().Add(patience); jobs() != want; time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("there are not %d jobs", want)
			}
		}
	}
	wait(1)
	harness.MustRun(t, dir, "jobs", "cancel", image, "1")
	wait(0)
	if out := harness.MustRun(t, dir, "ls", image+":/").Stdout; strings.TrimSpace(out) != "" {
		t.Errorf("left behind: %s", out)
	}
}

// TestKilledUpload kills the server in the middle of an upload: the next one removes what that has left.
func TestKilledUpload(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	image := filepath.Join(dir, "fs.img")
	server := harness.Serve(t, image, "--size", "64MiB")
	c, err := net.Dial("unix", image+".sock")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	if err := w.WriteHeader(&tar.Header{Name: "./file", Typeflag: tar.TypeReg, Mode: 0o644, Size: 8 << 20}); err != nil {
		t.Fatal(err)
	}
	archive.Write(make([]byte, 4<<20)) // half of it
	if _, err := fmt.Fprintf(c, "POST /v1/files/archive?path=/ HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-tar\r\nContent-Length: %d\r\n\r\n%s",
		16<<20, archive.String()); err != nil {
		t.Fatal(err)
	}
	list := func() string { return harness.MustRun(t, dir, "ls", image+":/").Stdout }
	for deadline := time.Now().Add(patience); !strings.Contains(list(), ".pmemfs-put-"); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("no draft appears: %s", list())
		}
	}
	server.Kill()
	server.Start()
	if out := list(); strings.Contains(out, ".pmemfs-put-") || strings.Contains(out, "file") {
		t.Errorf("left behind: %s", out)
	}
}
