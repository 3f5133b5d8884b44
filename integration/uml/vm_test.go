package uml

import (
	"strings"
	"testing"
	"time"
)

// TestGuestAnswers boots a guest and checks the line between it and the host:
// output, status, output without a line break, a watched background program.
func TestGuestAnswers(t *testing.T) {
	vm, err := Boot(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := vm.Shutdown(); err != nil {
			t.Error(err)
		}
	}()
	for _, c := range []struct {
		command, output string
		status          int
	}{
		{"echo one; echo two", "one\ntwo\n", 0},
		{"printf unfinished; exit 7", "unfinished", 7},
		{"nonsense", "nonsense: not found\n", 127},
		{"grep -c nfs /proc/filesystems", "2\n", 0},
	} {
		output, status, err := vm.Run(20*time.Second, c.command)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(output, c.output) || status != c.status {
			t.Errorf("%s: %q, status %d; want %q, status %d", c.command, output, status, c.output, c.status)
		}
	}

	seen := make(chan string, 1)
	vm.Watch(func(line string) bool {
		if !strings.HasPrefix(line, "ACK ") {
			return false
		}
		seen <- line
		return true
	})
	if output, _, err := vm.Run(20*time.Second, "(sleep 1; echo ACK 1 >/dev/host) & echo started"); err != nil || output != "started\n" {
		t.Fatalf("%q, %v", output, err)
	}
	select {
	case <-seen:
	case <-time.After(10 * time.Second):
		t.Fatal("the background program was not heard")
	}
	t.Logf("guest kernel %s", vm.Release)
}
