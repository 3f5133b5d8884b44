package integration

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"pmemfs/integration/harness"
)

// TestKernelClient lets a Linux kernel mount a running server over NFSv3 and
// do the work of an ordinary user, once. Each step is a subtest that
// works below a name of its own, so one failure does not hide the next.
func TestKernelClient(t *testing.T) {
	t.Parallel()
	server := harness.Serve(t, filepath.Join(t.TempDir(), "fs.img"), "--size", "1GiB", "--squash", "none")
	c := bootClient(t)
	c.mount(t, server.Port, "/mnt", "")

	runSteps(t, c, smallSteps)
	runSteps(t, c, []step{
		{"df", dfSteps},
		{"64 MiB file", bigSteps},
		{"10000 entries", func(t *testing.T, c client) { manySteps(t, c, 10000) }},
	})
	t.Run("remount", func(t *testing.T) {
		before := c.sh(t, "guest sum /mnt many")
		c.unmount(t, "/mnt")
		c.mount(t, server.Port, "/mnt", "")
		c.want(t, before, "guest sum /mnt many")
		c.want(t, "listed 10000", "guest list /mnt/many 10000")
	})
	t.Run("server stopped and started", func(t *testing.T) {
		before := c.sh(t, "guest sum /mnt many")
		c.unmount(t, "/mnt")
		server.Stop()
		harness.Check(t, server.Image)
		server.Start()
		c.mount(t, server.Port, "/mnt", "")
		c.want(t, before, "guest sum /mnt many")
		c.unmount(t, "/mnt")
	})
}

// A step is work below /mnt that needs no other step.
type step struct {
	name string
	run  func(*testing.T, client)
}

// smallSteps are those that every client kernel takes.
var smallSteps = []step{
	{"tree copied in and read back", copyTree},
	{"rename", renameSteps},
	{"unlink and rmdir", removeSteps},
	{"symbolic links", symlinkSteps},
	{"modes and owners", modeSteps},
	{"times", timeSteps},
	{"truncate", truncateSteps},
	{"sparse file", sparseSteps},
	{"hard links and special files", linkSteps},
}

func runSteps(t *testing.T, c client, steps []step) {
	for _, step := range steps {
		t.Run(step.name, func(t *testing.T) { step.run(t, c) })
	}
}

func copyTree(t *testing.T, c client) {
	c.sh(t, "guest tree /tmp/tree 20260101")
	want := c.sh(t, "guest sum /tmp/tree")
	c.sh(t, "cp -a /tmp/tree /mnt/tree")
	c.want(t, want, "guest sum /mnt/tree")
	// Once more with nothing in the client's cache.
	c.sh(t, "sync; echo 3 >/proc/sys/vm/drop_caches")
	c.want(t, want, "guest sum /mnt/tree")
}

func renameSteps(t *testing.T, c client) {
	c.sh(t, "mkdir -p /mnt/r/from /mnt/r/to; echo one >/mnt/r/from/f; echo two >/mnt/r/to/g")
	c.sh(t, "mv /mnt/r/from/f /mnt/r/to/f")
	c.want(t, "one", "cat /mnt/r/to/f")
	c.fails(t, "No such file", "cat /mnt/r/from/f")
	c.sh(t, "mv -f /mnt/r/to/f /mnt/r/to/g") // onto an existing file
	c.want(t, "one", "cat /mnt/r/to/g")
	c.sh(t, "mkdir /mnt/r/from/sub; echo deep >/mnt/r/from/sub/f; mv /mnt/r/from /mnt/r/to/moved")
	c.want(t, "deep", "cat /mnt/r/to/moved/sub/f")
	// A file that is open keeps its identity while its name changes.
	c.want(t, "one\nmore", "exec 5<>/mnt/r/to/g; mv /mnt/r/to/g /mnt/r/to/h; cat <&5; echo more >&5; exec 5>&-; tail -n 1 /mnt/r/to/h")
	c.fails(t, "", "mv /mnt/r/to /mnt/r/to/moved/below") // into itself
	c.want(t, "h\nmoved", "ls -1 /mnt/r/to")
}

func removeSteps(t *testing.T, c client) {
	c.sh(t, "mkdir -p /mnt/d/sub; echo x >/mnt/d/sub/f")
	c.fails(t, "not empty", "rmdir /mnt/d/sub")
	c.want(t, "x", "cat /mnt/d/sub/f")
	c.sh(t, "rm /mnt/d/sub/f; rmdir /mnt/d/sub")
	c.fails(t, "No such file", "stat /mnt/d/sub")
	c.fails(t, "No such file", "rm /mnt/d/sub/f")
	// Removed while open: the client keeps it under another name until it is closed.
	c.want(t, "kept", "echo kept >/mnt/d/open; exec 5</mnt/d/open; rm /mnt/d/open; cat <&5; exec 5<&-")
	c.sh(t, "mkdir -p /mnt/d/tree/a/b /mnt/d/tree/c; for i in $(seq 50); do echo $i >/mnt/d/tree/a/b/$i; done; rm -r /mnt/d/tree")
	c.want(t, "", "ls -1A /mnt/d")
}

func symlinkSteps(t *testing.T, c client) {
	c.sh(t, "mkdir /mnt/s; echo target >/mnt/s/file; ln -s file /mnt/s/link; ln -s /nowhere/at/all /mnt/s/dangling")
	c.want(t, "file", "readlink /mnt/s/link")
	c.want(t, "target", "cat /mnt/s/link")
	c.want(t, "/nowhere/at/all", "readlink /mnt/s/dangling")
	c.fails(t, "No such file", "cat /mnt/s/dangling")
	long := strings.Repeat("long/", 180)
	c.sh(t, "ln -s %s /mnt/s/long", long)
	c.want(t, long, "readlink /mnt/s/long")
	c.sh(t, "rm /mnt/s/link")
	c.want(t, "target", "cat /mnt/s/file")
}

func modeSteps(t *testing.T, c client) {
	c.sh(t, "mkdir /mnt/m; echo x >/mnt/m/f; mkdir /mnt/m/d")
	for _, mode := range []string{"600", "755", "444", "4755", "2755", "640"} {
		c.sh(t, "chmod %s /mnt/m/f", mode)
		c.want(t, mode, "stat -c %%a /mnt/m/f")
	}
	for _, mode := range []string{"1777", "2775", "700"} {
		c.sh(t, "chmod %s /mnt/m/d", mode)
		c.want(t, mode, "stat -c %%a /mnt/m/d")
	}
	c.sh(t, "chown 1000:1001 /mnt/m/f")
	c.want(t, "1000 1001 regular file", "stat -c '%%u %%g %%F' /mnt/m/f")
	c.sh(t, "chown 0:0 /mnt/m/f")
	c.want(t, "0 0", "stat -c '%%u %%g' /mnt/m/f")
}

func timeSteps(t *testing.T, c client) {
	c.sh(t, "echo x >/mnt/time; touch -d '2001-02-03 04:05:06' /mnt/time")
	c.want(t, "981173106", "stat -c %%Y /mnt/time")
	c.sh(t, "sleep 1; echo y >>/mnt/time")
	if got, err := strconv.Atoi(c.sh(t, "stat -c %%Y /mnt/time")); err != nil || got <= 981173106 {
		t.Errorf("a write left the time of modification at %d, %v", got, err)
	}
}

func truncateSteps(t *testing.T, c client) {
	c.sh(t, "yes=0123456789; for i in $(seq 1000); do echo $yes; done >/mnt/cut")
	c.want(t, "11000", "stat -c %%s /mnt/cut")
	c.sh(t, "truncate -s 4097 /mnt/cut")
	c.want(t, "4097", "wc -c </mnt/cut")
	c.sh(t, "truncate -s 100 /mnt/cut; truncate -s 9000 /mnt/cut")
	c.want(t, "9000", "wc -c </mnt/cut")
	// What was cut off does not come back: the file is zero from byte 100 on.
	c.sh(t, "sync; echo 3 >/proc/sys/vm/drop_caches")
	c.want(t, "8900", "tail -c +101 /mnt/cut | tr -d '\\1-\\377' | wc -c")
	c.sh(t, "truncate -s 0 /mnt/cut")
	c.want(t, "0", "wc -c </mnt/cut")
}

func sparseSteps(t *testing.T, c client) {
	const offset = 512 << 20
	before := usedKiB(t, c)
	c.sh(t, "guest sparse /mnt/sparse %d", offset)
	c.want(t, strconv.Itoa(offset+len("after the hole")), "stat -c %%s /mnt/sparse")
	c.want(t, "small", "test $(du -k /mnt/sparse | cut -f1) -lt 64 && echo small")
	if grown := usedKiB(t, c) - before; grown > 1024 {
		t.Errorf("a file with one block of data takes %d KiB", grown)
	}
	c.sh(t, "sync; echo 3 >/proc/sys/vm/drop_caches")
	c.want(t, "after the hole", "tail -c 14 /mnt/sparse")
	c.sh(t, "rm /mnt/sparse")
}

// usedKiB is the used space of the whole filesystem, as df sees it.
func usedKiB(t *testing.T, c client) int {
	t.Helper()
	return atoi(t, c.sh(t, "df -k /mnt | tail -n 1 | awk '{print $3}'"))
}

func dfSteps(t *testing.T, c client) {
	fields := strings.Fields(c.sh(t, "df -k /mnt | tail -n 1"))
	if len(fields) != 6 {
		t.Fatalf("df: %q", fields)
	}
	total, free := atoi(t, fields[1]), atoi(t, fields[3])
	const gib = 1 << 20 // in KiB
	if total < gib*9/10 || total > gib || free <= total/2 || free >= total {
		t.Errorf("df of a 1 GiB image: %d KiB, %d free", total, free)
	}
	inodes := strings.Fields(c.sh(t, "df -i /mnt | tail -n 1"))
	if len(inodes) != 6 || atoi(t, inodes[1]) <= 0 || atoi(t, inodes[3]) <= 0 {
		t.Errorf("df -i: %q", inodes)
	}
}

func atoi(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func bigSteps(t *testing.T, c client) {
	sum := c.sh(t, "guest big /mnt/big 64 7")
	c.sh(t, "echo 3 >/proc/sys/vm/drop_caches")
	c.want(t, sum, "guest sha /mnt/big")
}

func manySteps(t *testing.T, c client, count int) {
	c.sh(t, "mkdir /mnt/many")
	c.want(t, fmt.Sprint("created ", count), "guest many /mnt/many %d", count)
	c.want(t, fmt.Sprint("listed ", count), "guest list /mnt/many %d", count)
	c.sh(t, "echo 3 >/proc/sys/vm/drop_caches")
	c.want(t, fmt.Sprint("listed ", count), "guest list /mnt/many %d", count)
	c.want(t, fmt.Sprint(count), "ls /mnt/many | wc -l")
}
