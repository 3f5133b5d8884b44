package integration

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"pmemfs/integration/harness"
)

const (
	killRounds    = 4
	recordFiles   = 3
	acksPerRound  = 60 // enough that a kill falls among writes, fsyncs and mkdirs
	writerTimeout = 5 * time.Minute
)

// TestServerKilledUnderClient kills the server with SIGKILL in the middle of
// writes, several times, and starts it again under the mounted client. The
// client must see no error, and every record whose fsync returned must be
// there: in the image as the kill left it, in the running mount at the end,
// and after a remount.
func TestServerKilledUnderClient(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	server := harness.Serve(t, filepath.Join(dir, "fs.img"), "--size", "256MiB", "--squash", "none")
	c := bootClient(t)
	relay := harness.StartRelay(t, server)
	c.mount(t, relay.Port, "/mnt", "hard")
	var crashes []crash
	want := writeUnderKills(t, c, killRounds, func(round int, acked map[string]int) {
		server.Kill()
		image := filepath.Join(dir, fmt.Sprintf("crash-%d.img", round))
		// As a file with holes; the image is mostly empty.
		if out, err := exec.Command("cp", "--sparse=always", server.Image, image).CombinedOutput(); err != nil {
			t.Fatalf("cp: %v\n%s", err, out)
		}
		crashes = append(crashes, crash{image, acked})
		server.Start()
	})

	t.Run("all there", func(t *testing.T) { recountTwice(t, c, server.Port, want) })
	for i, crash := range crashes {
		t.Run(fmt.Sprintf("image as kill %d left it", i), func(t *testing.T) {
			second := harness.Serve(t, crash.image, "--squash", "none")
			c.mount(t, second.Port, "/mnt2", "ro")
			have := parseCounts(t, c.sh(t, "guest recount /mnt2/work %d", recordFiles))
			for name, n := range crash.acked {
				if have[name] < n {
					t.Errorf("%s: %d records, %d were acknowledged before the kill", name, have[name], n)
				}
			}
			c.unmount(t, "/mnt2")
		})
	}
}

// writeUnderKills makes the client write records below /mnt/work while kill ends
// the server and starts it again, a few times. It returns what the client was
// told is durable, and fails the test at the first error that the client met.
func writeUnderKills(t *testing.T, c client, rounds int, kill func(round int, acked map[string]int)) map[string]int {
	t.Helper()
	c.sh(t, "mkdir /mnt/work")
	acked := watchAcks(c)
	c.sh(t, "guest records /mnt/work %d /tmp/stop >/dev/host 2>&1 &", recordFiles)
	for round := range rounds {
		acked.waitFor(t, acked.total()+acksPerRound)
		kill(round, acked.counts())
	}
	acked.waitFor(t, acked.total()+acksPerRound)
	c.sh(t, "touch /tmp/stop")
	acked.waitEnd(t)
	c.Watch(nil)
	t.Logf("%d kills, %d acknowledged operations", rounds, acked.total())
	return acked.counts()
}

// recountTwice compares the records with those acknowledged, in the running
// mount and in a new one, and leaves nothing mounted.
func recountTwice(t *testing.T, c client, port int, want map[string]int) {
	t.Helper()
	c.sh(t, "echo 3 >/proc/sys/vm/drop_caches")
	compareExactly(t, want, c.sh(t, "guest recount /mnt/work %d", recordFiles))
	c.unmount(t, "/mnt")
	c.mount(t, port, "/mnt", "")
	compareExactly(t, want, c.sh(t, "guest recount /mnt/work %d", recordFiles))
	c.unmount(t, "/mnt")
}

// crash is an image as a SIGKILL left it, and what had been promised by then.
type crash struct {
	image string
	acked map[string]int
}

// compareExactly demands the acknowledged records and no others: the writer
// has ended, so nothing was in flight.
func compareExactly(t *testing.T, want map[string]int, output string) {
	t.Helper()
	have := parseCounts(t, output)
	for name, n := range want {
		if have[name] != n {
			t.Errorf("%s: %d records, want %d", name, have[name], n)
		}
	}
}

// parseCounts reads the guest's "have NAME COUNT" lines.
func parseCounts(t *testing.T, output string) map[string]int {
	t.Helper()
	counts := make(map[string]int)
	for line := range strings.Lines(output) {
		var name string
		var n int
		if _, err := fmt.Sscanf(line, "have %s %d", &name, &n); err != nil {
			t.Fatalf("line %q of the count: %v", line, err)
		}
		counts[name] = n
	}
	if len(counts) != recordFiles+1 {
		t.Fatalf("counts of %d names, want %d:\n%s", len(counts), recordFiles+1, output)
	}
	return counts
}

// acks gathers what the guest's writer reports while it runs.
type acks struct {
	mu     sync.Mutex
	last   map[string]int // acknowledged so far, per file
	sum    int
	ended  bool
	failed string
}

// watchAcks follows the writer's lines from now on.
func watchAcks(c client) *acks {
	a := &acks{last: make(map[string]int)}
	c.Watch(func(line string) bool {
		a.mu.Lock()
		defer a.mu.Unlock()
		var name string
		var seq int
		switch {
		case strings.HasPrefix(line, "ACK "):
			if _, err := fmt.Sscanf(line, "ACK %s %d", &name, &seq); err != nil || seq != a.last[name] {
				a.failed = fmt.Sprintf("unexpected line %q", line)
				return true
			}
			a.last[name] = seq + 1
			a.sum++
		case strings.HasPrefix(line, "WRITER ended well"):
			a.ended = true
		case strings.HasPrefix(line, "guest: "):
			a.failed = line
		default:
			return false
		}
		return true
	})
	return a
}

func (a *acks) total() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.sum
}

// counts returns how many records of each file are acknowledged.
func (a *acks) counts() map[string]int {
	a.mu.Lock()
	defer a.mu.Unlock()
	counts := make(map[string]int, len(a.last))
	for name, n := range a.last {
		counts[name] = n
	}
	return counts
}

// waitFor waits until n operations have been acknowledged.
func (a *acks) waitFor(t *testing.T, n int) {
	t.Helper()
	a.wait(t, func() bool { return a.sum >= n })
}

// waitEnd waits until the writer has closed its files without an error.
func (a *acks) waitEnd(t *testing.T) {
	t.Helper()
	a.wait(t, func() bool { return a.ended })
}

func (a *acks) wait(t *testing.T, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(writerTimeout); ; time.Sleep(5 * time.Millisecond) {
		a.mu.Lock()
		finished, failed, sum := done(), a.failed, a.sum
		a.mu.Unlock()
		if failed != "" {
			t.Fatalf("the writer met an error after %d acknowledged operations: %s", sum, failed)
		}
		if finished {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the writer hangs after %d acknowledged operations", sum)
		}
	}
}
