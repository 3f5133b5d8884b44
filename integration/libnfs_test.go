package integration

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"pmemfs/integration/harness"
)

// TestLibnfs uses the tools of libnfs, a client that shares no code with a kernel's: it asks MOUNT for the exports first, and
// then lists, copies in, copies out and prints.
func TestLibnfs(t *testing.T) {
	dir := t.TempDir()
	server := harness.Serve(t, filepath.Join(dir, "fs.img"), "--size", "64MiB", "--squash", "none")
	target := harness.Mount(t, server.Addr(), 0)
	harness.WriteFile(t, target, "hello", "from another client\n")
	// The export's name is all up to the last slash.
	url := func(path string) string {
		return fmt.Sprintf("nfs://127.0.0.1//%s?version=3&nfsport=%[2]d&mountport=%[2]d", path, server.Port)
	}
	if out := libnfs(t, "nfs-cat", url("hello")); out != "from another client\n" {
		t.Errorf("nfs-cat: %q", out)
	}
	// More than one transfer, and a length that is no multiple of anything.
	data := bytes.Repeat([]byte("0123456789abcdef*"), 200_001)
	local, back := filepath.Join(dir, "local"), filepath.Join(dir, "back")
	if err := os.WriteFile(local, data, 0o600); err != nil {
		t.Fatal(err)
	}
	libnfs(t, "nfs-cp", local, url("copied"))
	libnfs(t, "nfs-cp", url("copied"), back)
	got, err := os.ReadFile(back)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, data) {
		t.Errorf("copied in and out: %d bytes, which are not the %d that went in", len(got), len(data))
	}
	libnfs(t, "nfs-cp", url("copied"), url("again"))
	if out := libnfs(t, "nfs-cat", url("again")); out != string(data) {
		t.Errorf("nfs-cat of the copy: %d other bytes", len(out))
	}
	list := libnfs(t, "nfs-ls", url(""))
	for _, want := range []string{" hello\n", " copied\n", " again\n", fmt.Sprint(len(data))} {
		if !strings.Contains(list, want) {
			t.Errorf("nfs-ls lacks %q:\n%s", want, list)
		}
	}
	if out, err := exec.Command("nfs-cat", url("missing")).CombinedOutput(); err == nil {
		t.Errorf("nfs-cat of nothing says %q", out)
	}
}

// libnfs runs a tool that must succeed and returns what it printed.
func libnfs(t *testing.T, name string, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %q: %v (scripts/install.sh installs it)\n%s%s", name, args, err, &stdout, &stderr)
	}
	return stdout.String()
}
