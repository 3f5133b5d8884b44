package integration

import (
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
