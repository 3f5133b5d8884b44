package integration

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"pmemfs/integration/harness"
	"pmemfs/integration/uml"
	"pmemfs/integration/vm"
)

func TestMain(m *testing.M) {
	status := m.Run()
	if err := harness.Cleanup(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		status = 1
	}
	os.Exit(status)
}

// client is a kernel in which steps run one after the other.
type client struct {
	*vm.VM
	t    *testing.T
	host string // where the server runs, as the client sees it
}

// bootClient boots a kernel with the guest program in it, for one test.
func bootClient(t *testing.T) client {
	t.Helper()
	return bootClientWith(t, map[string]string{})
}

// bootClientWith is bootClient with more programs.
func bootClientWith(t *testing.T, programs map[string]string) client {
	t.Helper()
	programs["bin/guest"] = harness.Guest(t)
	guest, err := uml.Boot(t.TempDir(), programs)
	return adopt(t, guest, err)
}

// adopt makes a booted guest the test's, which shuts it down when it ends.
func adopt(t *testing.T, guest *vm.VM, err error) client {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := guest.Shutdown(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("guest's console:\n%s", guest.Console())
		}
	})
	t.Logf("kernel %s", guest.Release)
	return client{guest, t, vm.HostAddr}
}

// stepTimeout is far above what any one command takes, so that only a hang meets it.
const stepTimeout = 5 * time.Minute

// sh runs a command that must succeed and returns its output, trimmed.
func (c client) sh(t *testing.T, format string, args ...any) string {
	t.Helper()
	command := fmt.Sprintf(format, args...)
	output, status, err := c.Run(stepTimeout, command)
	if err != nil {
		t.Fatalf("%s: %v", command, err)
	}
	if status != 0 {
		t.Fatalf("%s: status %d\n%s", command, status, output)
	}
	return strings.TrimSpace(output)
}

// fails runs a command that must end, and not with success; what it says must
// contain text.
func (c client) fails(t *testing.T, text, format string, args ...any) {
	t.Helper()
	command := fmt.Sprintf(format, args...)
	output, status, err := c.Run(stepTimeout, command)
	if err != nil {
		t.Fatalf("%s: %v", command, err)
	}
	if status == 0 || !strings.Contains(output, text) {
		t.Errorf("%s: status %d, want a failure with %q\n%s", command, status, text, output)
	}
}

// want runs a command that must succeed and print exactly output.
func (c client) want(t *testing.T, output, format string, args ...any) {
	t.Helper()
	if got := c.sh(t, format, args...); got != output {
		t.Errorf("%s: %q, want %q", fmt.Sprintf(format, args...), got, output)
	}
}

// mountOptions is the documented mount line's option list, for one port.
func mountOptions(port int) string {
	return fmt.Sprintf("vers=3,nolock,tcp,port=%d,mountport=%d", port, port)
}

// mount mounts the server's root on dir and makes sure that it is a mount: a
// folder that is not would pass most steps in silence.
func (c client) mount(t *testing.T, port int, dir, extra string) {
	t.Helper()
	options := mountOptions(port)
	if extra != "" {
		options += "," + extra
	}
	c.sh(t, "mount -t nfs -o %s %s:/ %s", options, c.host, dir)
	line := c.sh(t, "grep ' %s nfs ' /proc/mounts", dir)
	if !strings.Contains(line, "vers=3") || !strings.Contains(line, fmt.Sprintf("port=%d", port)) {
		t.Fatalf("mounted with other options: %s", line)
	}
}

func (c client) unmount(t *testing.T, dir string) {
	t.Helper()
	c.sh(t, "umount %s", dir)
	c.fails(t, "", "grep ' %s nfs ' /proc/mounts", dir)
}
