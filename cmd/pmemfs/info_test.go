package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pmemfs/server/control"
)

// infoOf is what info says of an image, as JSON.
func infoOf(t *testing.T, args ...string) (i control.InfoReply) {
	t.Helper()
	stdout, _ := want(t, 0, append([]string{"info", "--json"}, args...)...)
	if err := json.Unmarshal([]byte(stdout), &i); err != nil {
		t.Fatal(err)
	}
	return i
}

// TestInfoLive asks the server of an image, by every name of the image, and wherever its socket is.
func TestInfoLive(t *testing.T) {
	dir := t.TempDir()
	image, link, socket := filepath.Join(dir, "fs.img"), filepath.Join(dir, "link"), filepath.Join(dir, "elsewhere")
	if err := os.Symlink(image, link); err != nil {
		t.Fatal(err)
	}
	s := serve(t, image, "--size", "16MiB")
	for _, path := range []string{image, link} {
		i := infoOf(t, path)
		if i.Server == nil || i.Server.Control != image+".sock" || i.Server.NFS != s.addr || i.Server.PID != os.Getpid() || i.Path != path {
			t.Errorf("%s: %+v", path, i)
		}
	}
	s.stop()
	if i := infoOf(t, image); i.Server != nil || i.InUse || !i.Clean {
		t.Errorf("not served: %+v", i)
	}
	s = serve(t, image, "--control", socket)
	if i := infoOf(t, image, "--control", socket); i.Server == nil || i.Server.Control != socket {
		t.Errorf("by another socket: %+v", i)
	}
	stdout, _ := want(t, 0, "info", image)
	if !strings.Contains(stdout, "none that answers") || !strings.Contains(stdout, "say the same here") || !strings.Contains(stdout, "in use") {
		t.Errorf("without its socket:\n%s", stdout)
	}
	s.stop()
	s = serve(t, image, "--control", "none")
	if i := infoOf(t, image); i.Server != nil || !i.InUse {
		t.Errorf("without a socket: %+v", i)
	}
	s.stop()
	if left, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(left) != 2 {
		t.Errorf("left behind: %v", left)
	}
}

// TestControlInTheWay serves although something else is where the socket should be, unless that place was asked for.
func TestControlInTheWay(t *testing.T) {
	image := filepath.Join(t.TempDir(), "fs.img")
	if err := os.WriteFile(image+".sock", []byte("data"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := serve(t, image, "--size", "16MiB")
	if !strings.Contains(s.out.String(), "something else than a socket is there") {
		t.Errorf("serve says\n%s", s.out)
	}
	s.stop()
	if got, err := os.ReadFile(image + ".sock"); err != nil || string(got) != "data" {
		t.Errorf("what was there: %q, %v", got, err)
	}
	if status, _, stderr := command("serve", image, "--nfs", "127.0.0.1:0", "--control", image+".sock"); status != 1 || !strings.Contains(stderr, "cannot listen for commands") {
		t.Errorf("serve ended with %d and says %s", status, stderr)
	}
}
