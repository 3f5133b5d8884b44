package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pmemfs/integration/harness"
)

// twoImages writes a configuration file of two images with one export each, and returns the paths of the images.
func twoImages(t *testing.T, size string, exports ...string) (file string, images []string) {
	t.Helper()
	dir := t.TempDir()
	file = filepath.Join(dir, "pmemfs.toml")
	var text strings.Builder
	for i, name := range exports {
		images = append(images, filepath.Join(dir, fmt.Sprint("fs", i, ".img")))
		fmt.Fprintf(&text, "[[image]]\npath = %q\nsize = %q\n[[image.export]]\nname = %q\nsubtree = \"/\"\nsquash = \"none\"\n", images[i], size, name)
	}
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return file, images
}

// severalImages mounts two images of one server, which a kernel reaches over one connection, and works in both while the server is killed and started
// again. Each has all of its files, and they are two filesystems.
func severalImages(t *testing.T, c client) {
	names := []string{"one", "two"}
	file, images := twoImages(t, "64MiB", "/one", "/two")
	server := harness.ServeConfig(t, "127.0.0.1", harness.FreePort(t), file, images)
	for _, name := range names {
		c.sh(t, "mkdir -p /tmp/%[3]s; mount -t nfs -o %[1]s %[2]s:/%[3]s /tmp/%[3]s", mountOptions(server.Port), c.host, name)
	}
	c.want(t, "2", "stat -c %%d /tmp/one /tmp/two | sort -u | wc -l")
	c.want(t, "1\nmoved", "echo moved >/tmp/one/f; mv /tmp/one/f /tmp/two/f; ls /tmp/one /tmp/two | grep -c '^f$'; cat /tmp/two/f")
	const files = 100
	var loops strings.Builder
	for _, name := range names {
		fmt.Fprintf(&loops, "(for i in $(seq %d); do echo %s $i >/tmp/%[2]s/n$i && echo ACK %[2]s $i; done) & ", files, name)
	}
	work := background(t, c, loops.String()+"wait")
	for _, name := range names {
		work.waitLines(t, "ACK "+name, files/4)
	}
	server.Kill()
	server.Start()
	work.wait(t)
	for _, name := range names {
		if n := work.lines("ACK " + name); n != files {
			t.Errorf("%s: %d files were made", name, n)
		}
		c.sh(t, "echo 3 >/proc/sys/vm/drop_caches")
		c.want(t, fmt.Sprint(files), "for i in $(seq %d); do cat /tmp/%s/n$i; done | grep -c '^%[2]s '", files, name)
		c.sh(t, "umount /tmp/%s", name)
	}
}
