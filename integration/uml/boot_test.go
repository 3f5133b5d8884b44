package uml

import (
	"strings"
	"testing"
	"time"
)

// patience is what only a hang takes: the machine may be busy with other things.
const patience = 3 * time.Minute

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
		output, status, err := vm.Run(patience, c.command)
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
	if output, _, err := vm.Run(patience, "(sleep 1; echo ACK 1 >/dev/host) & echo started"); err != nil || output != "started\n" {
		t.Fatalf("%q, %v", output, err)
	}
	select {
	case <-seen:
	case <-time.After(patience):
		t.Fatal("the background program was not heard")
	}
	t.Logf("guest kernel %s", vm.Release)
}

// TestWideRegisters boots a guest as on a processor that has more registers than its kernel knows: programs work, and keep what is in their
// floating-point registers while others run.
func TestWideRegisters(t *testing.T) {
	t.Setenv("XSTATE_SHORT", "1")
	vm, err := Boot(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := vm.Shutdown(); err != nil {
			t.Error(err)
		}
	}()
	const sum = `awk 'BEGIN { for (i = 1; i <= 200000; i++) s += 1 / (i * i); printf "%.10f\n", s }'`
	output, status, err := vm.Run(patience, "for i in 1 2 3; do "+sum+" & done; wait")
	if want := strings.Repeat("1.6449290669\n", 3); err != nil || status != 0 || !strings.HasSuffix(output, want) {
		t.Errorf("%q, status %d, %v; want %q", output, status, err, want)
	}
	if !strings.Contains(vm.Console(), Widened) {
		t.Errorf("the registers were not widened\n%s", vm.Console())
	}
}
