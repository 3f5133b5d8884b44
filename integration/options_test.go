package integration

import (
	"path/filepath"
	"strings"
	"testing"

	"pmemfs/integration/harness"
)

// TestMountOptions mounts with options that change what the kernel sends, one set after the other, does a short piece of work
// with each, and compares content: in that mount, with nothing in the client's cache, and through a plain mount.
func TestMountOptions(t *testing.T) {
	t.Parallel()
	server := harness.Serve(t, filepath.Join(t.TempDir(), "fs.img"), "--size", "256MiB", "--squash", "none")
	c := bootClient(t)
	optionSteps(t, c, server.Port,
		"nconnect=4", "noac", "sync", "soft", "nordirplus", "nconnect=4,rsize=4096,wsize=4096")
	t.Run("several images", func(t *testing.T) { severalImages(t, c) })
}

func optionSteps(t *testing.T, c client, port int, sets ...string) {
	c.sh(t, "guest tree /tmp/whole 20260202; mv '/tmp/whole/folder 08' /tmp/tree; rm -r /tmp/whole")
	want := c.sh(t, "guest sum /tmp/tree")
	for _, options := range sets {
		t.Run(options, func(t *testing.T) {
			c.mount(t, port, "/mnt", options)
			inEffect(t, c, options)
			c.sh(t, "cp -a /tmp/tree /mnt/tree; mkdir /mnt/d; mv /mnt/tree /mnt/d/moved")
			c.want(t, want, "guest sum /mnt/d/moved")
			c.sh(t, "sync; echo 3 >/proc/sys/vm/drop_caches")
			c.want(t, want, "guest sum /mnt/d/moved")
			c.want(t, "one\ntwo", "echo one >/mnt/d/f; echo two >>/mnt/d/f; cat /mnt/d/f")
			c.want(t, "6", "truncate -s 6 /mnt/d/f; stat -c %%s /mnt/d/f")
			c.want(t, "2\ndone", "ln /mnt/d/f /mnt/d/g; stat -c %%h /mnt/d/f; rm /mnt/d/f && mv /mnt/d/g /mnt/d/f && echo done")
			c.want(t, "f\nmoved", "ls -1 /mnt/d")
			c.unmount(t, "/mnt")

			c.mount(t, port, "/mnt", "")
			c.want(t, want, "guest sum /mnt/d/moved")
			c.want(t, "one\ntw", "cat /mnt/d/f")
			c.sh(t, "rm -r /mnt/d")
			c.want(t, "", "ls -A /mnt")
			c.unmount(t, "/mnt")
		})
	}
}

// inEffect looks for the options in what the kernel says of the mount, and for as many connections as were asked for.
func inEffect(t *testing.T, c client, options string) {
	t.Helper()
	line := c.sh(t, "grep ' /mnt nfs ' /proc/mounts")
	for _, option := range strings.Split(options, ",") {
		if !strings.Contains(line, ","+option) && !strings.Contains(line, " "+option) {
			t.Errorf("mounted without %s: %s", option, line)
		}
		if n, ok := strings.CutPrefix(option, "nconnect="); ok {
			c.want(t, n, "ls / >/dev/null; grep -c xprt: /proc/self/mountstats")
		}
	}
}
