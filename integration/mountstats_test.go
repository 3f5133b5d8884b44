package integration

import (
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pmemfs/integration/harness"
)

// rpcs counts the calls of each procedure that a kernel sent for one mount.
type rpcs map[string]int

var perOperation = regexp.MustCompile(`^\s*([A-Z]+): (\d+) `)

// rpcs reads /proc/self/mountstats for the mount on /mnt.
func (c client) rpcs(t *testing.T) rpcs {
	t.Helper()
	_, ours, ok := strings.Cut(c.sh(t, "cat /proc/self/mountstats"), " mounted on /mnt with ")
	if !ok {
		t.Fatal("mountstats has no mount on /mnt")
	}
	ours, _, _ = strings.Cut(ours, "\ndevice ")
	counts := make(rpcs)
	for line := range strings.Lines(ours) {
		if m := perOperation.FindStringSubmatch(line); m != nil {
			n, err := strconv.Atoi(m[2])
			if err != nil {
				t.Fatal(err)
			}
			counts[m[1]] = n
		}
	}
	if counts["FSINFO"] == 0 {
		t.Fatalf("mountstats counts no FSINFO:\n%s", ours)
	}
	return counts
}

// limits says how many calls of a procedure may be sent: at least and at most. Procedures that are not named are free.
type limits map[string][2]int

// costs runs a command and holds the calls that the kernel sent for it to limits.
func (c client) costs(t *testing.T, want limits, format string, args ...any) {
	t.Helper()
	before := c.rpcs(t)
	c.sh(t, format, args...)
	spent := make(rpcs)
	for name, n := range c.rpcs(t) {
		if n -= before[name]; n > 0 {
			spent[name] = n
		}
	}
	t.Logf("%s: %v", fmt.Sprintf(format, args...), spent)
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if n := spent[name]; n < want[name][0] || n > want[name][1] {
			t.Errorf("%s: %d %s, want %d to %d", fmt.Sprintf(format, args...), n, name, want[name][0], want[name][1])
		}
	}
}

// TestNoNeedlessCalls counts what a kernel sends for everyday work. What it sends depends on what our replies tell it: that data
// is durable, what a file was like before and after, what is granted.
func TestNoNeedlessCalls(t *testing.T) {
	t.Parallel()
	server := harness.Serve(t, filepath.Join(t.TempDir(), "fs.img"), "--size", "256MiB", "--squash", "none", "--durability", "process")
	needlessSteps(t, bootClient(t), server.Port)
}

// remembered makes the kernel trust attributes for longer than any step takes on a slow machine.
const remembered = "acregmin=60,acdirmin=60"

func needlessSteps(t *testing.T, c client, port int) {
	c.mount(t, port, "/mnt", remembered)
	t.Run("durable writes need no COMMIT", func(t *testing.T) {
		c.costs(t, limits{"WRITE": {8, 64}, "COMMIT": {0, 0}, "GETATTR": {0, 2}}, "guest big /mnt/big 8 7")
		c.costs(t, limits{"WRITE": {20, 40}, "COMMIT": {0, 0}, "GETATTR": {0, 50}},
			"for i in $(seq 20); do echo $i >>/mnt/log; sync /mnt/log; done")
	})
	t.Run("a new file needs no look", func(t *testing.T) {
		c.sh(t, "mkdir /mnt/new; ls /mnt/new")
		c.costs(t, limits{"CREATE": {50, 50}, "WRITE": {50, 50}, "COMMIT": {0, 0}, "GETATTR": {0, 2}, "ACCESS": {0, 2}, "LOOKUP": {0, 50}, "SETATTR": {0, 0}},
			"for i in $(seq 50); do echo x >/mnt/new/$i; done")
	})
	t.Run("ACCESS is remembered", func(t *testing.T) {
		c.sh(t, "echo x >/mnt/f; cat /mnt/f")
		c.costs(t, limits{"ACCESS": {0, 2}, "LOOKUP": {0, 2}, "READ": {0, 1}, "GETATTR": {50, 52}},
			"for i in $(seq 50); do cat /mnt/f >/dev/null; done")
	})
	t.Run("attributes are remembered", func(t *testing.T) {
		c.costs(t, limits{"GETATTR": {0, 2}, "LOOKUP": {0, 1}, "ACCESS": {0, 1}}, "for i in $(seq 100); do stat /mnt/f >/dev/null; done")
	})
	t.Run("ls -l", func(t *testing.T) {
		c.sh(t, "mkdir /mnt/many; guest many /mnt/many 1000")
		c.unmount(t, "/mnt")
		c.mount(t, port, "/mnt", remembered)
		c.costs(t, limits{"READDIRPLUS": {1, 8}, "READDIR": {0, 0}, "LOOKUP": {0, 2}, "GETATTR": {0, 3}, "ACCESS": {0, 3}},
			"test $(ls -l /mnt/many | wc -l) -ge 1000")
		c.costs(t, limits{"READDIRPLUS": {0, 0}, "READDIR": {0, 0}, "LOOKUP": {0, 2}, "GETATTR": {0, 2}},
			"test $(ls /mnt/many | wc -l) = 1000")
	})
	t.Run("rename and remove", func(t *testing.T) {
		c.sh(t, "ls -l /mnt/new")
		c.costs(t, limits{"RENAME": {50, 50}, "LOOKUP": {0, 52}, "GETATTR": {0, 2}, "ACCESS": {0, 2}}, "for i in $(seq 50); do mv /mnt/new/$i /mnt/new/n$i; done")
		c.costs(t, limits{"REMOVE": {50, 50}, "LOOKUP": {0, 2}, "GETATTR": {0, 3}}, "rm /mnt/new/*")
	})
	c.unmount(t, "/mnt")
}
