package integration

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"pmemfs/integration/harness"
)

// TestGrowUnderKernel makes an image larger, again and again, under a kernel that writes to it: df shows the new size at once, a file that did
// not fit fits, and the writer notices nothing.
func TestGrowUnderKernel(t *testing.T) {
	t.Parallel()
	image := filepath.Join(t.TempDir(), "fs.img")
	server := harness.Serve(t, image, "--size", "64MiB", "--squash", "none")
	c := bootClient(t)
	c.mount(t, server.Port, "/mnt", "")
	size := func(blocks int) {
		t.Helper()
		c.want(t, fmt.Sprint(blocks), "df -P -k /mnt | tail -n 1 | tr -s ' ' | cut -d ' ' -f 2")
	}
	size(64 << 10)
	c.fails(t, "No space left", "dd if=/dev/zero of=/mnt/large bs=1M count=100 conv=fsync")
	c.sh(t, "rm /mnt/large")
	c.sh(t, "(while [ ! -e /tmp/stop ]; do dd if=/dev/zero of=/mnt/small bs=64k count=50 conv=fsync 2>>/tmp/said || echo failed >>/tmp/failed; done; touch /tmp/stopped) >/dev/null 2>&1 &")
	for _, mib := range []int{80, 126, 300, 301, 500} {
		out := harness.MustRun(t, "", "grow", image, "--size", fmt.Sprint(mib, "MiB"))
		if !strings.Contains(out.Stdout, "was") {
			t.Errorf("grow says %s", out.Stdout)
		}
		size(mib << 10)
	}
	c.sh(t, "dd if=/dev/zero of=/mnt/large bs=1M count=400 conv=fsync")
	c.sh(t, "touch /tmp/stop; while [ ! -e /tmp/stopped ]; do sleep 0.1; done")
	c.want(t, "", "cat /tmp/failed 2>/dev/null || true")
	c.unmount(t, "/mnt")
}
