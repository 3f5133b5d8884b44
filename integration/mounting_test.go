package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pmemfs/integration/harness"
)

// localOptions are options of fstab that the kernel never sees.
var localOptions = regexp.MustCompile(`^(_netdev|nofail|noauto|x-systemd\..*|fstype=.*)$`)

// TestMounting mounts with the options of every block of docs/mounting.md, and lets systemd read its units.
func TestMounting(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(harness.Root(t), "docs", "mounting.md"))
	if err != nil {
		t.Fatal(err)
	}
	nine := harness.FreePort(t)
	server := harness.Serve(t, filepath.Join(t.TempDir(), "fs.img"), "--size", "64MiB", "--squash", "none", "--9p", harness.Local(nine))
	c := bootClient(t)
	c.mount(t, server.Port, "/mnt", "")
	c.sh(t, "echo here >/mnt/file; mkdir /mnt/data")
	c.unmount(t, "/mnt")

	seen := 0
	for _, line := range append(blocks(string(text), "fstab"), blocks(string(text), "autofs")...) {
		fields := strings.Fields(line)
		if strings.HasPrefix(line, "/") {
			continue // of the master map
		}
		kind, options := "nfs", strings.TrimPrefix(fields[1], "-")
		if strings.HasPrefix(fields[1], "/") {
			kind, options = fields[2], fields[3]
		}
		if kind == "9p" {
			c.mountNineP(t, nine, "/mnt", kernelOptions(options))
		} else {
			c.mount(t, server.Port, "/mnt", kernelOptions(options))
		}
		c.want(t, "here", "cat /mnt/file")
		c.unmount(t, "/mnt")
		seen++
	}
	if seen < 5 {
		t.Errorf("%d lines of fstab and autofs", seen)
	}
	t.Run("units", func(t *testing.T) { verifyUnits(t, string(text), c, server.Port) })
}

// kernelOptions leaves out what the kernel never sees, and what the harness's own mount says of the address.
func kernelOptions(options string) string {
	list := slices.DeleteFunc(strings.Split(options, ","), func(o string) bool {
		return localOptions.MatchString(o) || strings.HasPrefix(o, "port=") || strings.HasPrefix(o, "mountport=") || strings.HasPrefix(o, "trans=")
	})
	return strings.Join(list, ",")
}

// blocks returns the lines of a document's blocks of a kind.
func blocks(text, kind string) (lines []string) {
	for _, part := range strings.Split(text, "```"+kind+"\n")[1:] {
		body, _, _ := strings.Cut(part, "```")
		lines = append(lines, strings.Split(strings.TrimSpace(body), "\n")...)
	}
	return lines
}

// verifyUnits has systemd read the units of a document, and mounts with the options of the one that mounts.
func verifyUnits(t *testing.T, text string, c client, port int) {
	dir := t.TempDir()
	var names []string
	for _, part := range strings.Split(text, "```ini\n")[1:] {
		body, _, _ := strings.Cut(part, "```")
		first, _, _ := strings.Cut(body, "\n")
		name := filepath.Join(dir, filepath.Base(first))
		if err := os.WriteFile(name, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
		for line := range strings.Lines(body) {
			if options, ok := strings.CutPrefix(strings.TrimSpace(line), "Options="); ok {
				c.mount(t, port, "/mnt", kernelOptions(options))
				c.want(t, "here", "cat /mnt/file")
				c.unmount(t, "/mnt")
			}
		}
	}
	if len(names) != 2 {
		t.Errorf("units %q", names)
	}
	out, err := exec.Command("systemd-analyze", append([]string{"verify", "--man=no"}, names...)...).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze: %v\n%s", err, out)
	}
}
