package integration

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pmemfs/integration/conformance"
	"pmemfs/integration/harness"
)

// thoroughVariable makes the kernels run the suite on go-nfs as well, and on their own tmpfs, which shows that the cases ask for what
// Linux does: three times as long, which every change of the suite is worth, and not every change.
const thoroughVariable = "TEST_PMEMFS_THOROUGH"

// TestConformanceKernel runs the suite inside the kernel in user mode, on a mount of the server.
func TestConformanceKernel(t *testing.T) {
	t.Parallel()
	c := bootClient(t)
	conform(t, append(kernelTargets(c), ninePTargets(c, []ninePWay{
		{cache: "none", access: "access=user", msize: 1 << 20},
	})...))
	agreeInside(t, c)
}

// TestConformanceNewerKernel is the same in the newer kernel.
func TestConformanceNewerKernel(t *testing.T) {
	t.Parallel()
	c := bootEmulated(t, nil)
	conform(t, append(kernelTargets(c), ninePTargets(c, []ninePWay{
		{cache: "mmap", access: accessAny, msize: 8 << 10},
		{cache: "loose", access: accessClient, msize: 1 << 20},
	})...))
	agreeInside(t, c)
}

// agreeInside makes random calls of several users on the kernel's own tmpfs and on a mount of the server, and compares both with
// an engine: so all agree, with Linux too.
func agreeInside(t *testing.T, c client) {
	seed := variable(t, agreeSeedVariable, int(rand.Uint32()>>1))
	t.Logf("%s=%d", agreeSeedVariable, seed)
	if os.Getenv(thoroughVariable) == "" {
		t.Logf("not on tmpfs, and not on go-nfs: %s=1 runs these, too", thoroughVariable)
	} else {
		agreeOnTmpfs(t, c, seed)
	}
	t.Run("agree on NFS", func(t *testing.T) {
		server := harness.Serve(t, filepath.Join(t.TempDir(), "fs.img"), "--size", "256MiB", "--squash", "none")
		c.mount(t, server.Port, "/mnt", "hard")
		t.Log(c.sh(t, "guest agree /mnt %d %d", seed, variable(t, agreeStepsVariable, 2000)))
		c.unmount(t, "/mnt")
	})
}

func agreeOnTmpfs(t *testing.T, c client, seed int) {
	t.Run("agree on tmpfs", func(t *testing.T) {
		c.sh(t, "mkdir -p /tmp/agree && mount -t tmpfs none /tmp/agree")
		t.Log(c.sh(t, "guest agree /tmp/agree %d %d", seed, variable(t, agreeStepsVariable, 20000)))
		c.sh(t, "umount /tmp/agree")
	})
}

func kernelTargets(c client) []target {
	native := target{name: "native", run: mounted(c, "", "--nfs-stack", "native"), known: clientFaults}
	if os.Getenv(thoroughVariable) == "" {
		return []target{native}
	}
	return []target{
		{name: "tmpfs", run: func(t *testing.T, done func(conformance.Outcome)) {
			c.sh(t, "mkdir -p /tmp/conform && mount -t tmpfs none /tmp/conform")
			conformInside(t, c, "/tmp/conform", "", done)
			c.sh(t, "umount /tmp/conform")
		}},
		native,
		{name: "go-nfs", run: mounted(c, "noacl", "--nfs-stack", "go-nfs"), known: clientFaults},
	}
}

// clientFaults are what Linux's NFS client does otherwise than a filesystem of its own, whatever the server.
var clientFaults = map[string]string{
	"open/one of two names gone": "an open file is renamed rather than removed, also if it has another name, so its link count stays",
}

// mounted runs the suite on a mount of a server with some options. without is what the guest's verb leaves out.
func mounted(c client, without string, options ...string) func(t *testing.T, done func(conformance.Outcome)) {
	return func(t *testing.T, done func(conformance.Outcome)) {
		server := harness.Serve(t, filepath.Join(t.TempDir(), "fs.img"), append([]string{"--size", "256MiB", "--squash", "none", "--durability", "process"}, options...)...)
		c.mount(t, server.Port, "/mnt", "hard")
		conformInside(t, c, "/mnt", without, done)
		c.unmount(t, "/mnt")
	}
}

// conformInside runs the suite in a directory of the guest and reads what it prints.
func conformInside(t *testing.T, c client, dir, without string, done func(conformance.Outcome)) {
	t.Helper()
	output, status, err := c.Run(6*time.Minute, "guest conform "+dir+" "+without)
	if err != nil || status != 0 {
		t.Fatalf("guest conform: status %d, %v\n%s", status, err, output)
	}
	cases := 0
	for line := range strings.Lines(output) {
		o, ok := conformance.ParseOutcome(strings.TrimSuffix(line, "\n"))
		if ok {
			done(o)
			cases++
		}
	}
	if want := fmt.Sprint("cases ", cases); cases != len(conformance.Cases()) || !strings.HasSuffix(strings.TrimSpace(output), want) {
		t.Errorf("%d cases in the output, want %d:\n%s", cases, len(conformance.Cases()), output)
	}
}
