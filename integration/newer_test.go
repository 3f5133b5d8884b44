package integration

import (
	"path/filepath"
	"testing"

	"pmemfs/integration/harness"
	"pmemfs/integration/qemu"
)

// bootEmulated boots the newer kernel, with persistent memory unless it is nil.
func bootEmulated(t *testing.T, memory *qemu.NVDIMM) client {
	t.Helper()
	return bootEmulatedForward(t, memory, nil, map[string]string{})
}

// bootEmulatedForward is bootEmulated with a port of the guest reachable from here, and more programs.
func bootEmulatedForward(t *testing.T, memory *qemu.NVDIMM, forward *qemu.Forward, programs map[string]string) client {
	t.Helper()
	programs["bin/guest"], programs["bin/pmemfs"] = harness.Guest(t), harness.Binary(t)
	m := qemu.Machine{Cache: kernelCache(t), Dir: t.TempDir(), Programs: programs, Forward: forward}
	if memory != nil {
		m.NVDIMMs = []*qemu.NVDIMM{memory}
	}
	guest, err := qemu.Boot(m)
	return adopt(t, guest, err)
}

// TestNewerKernelClient is TestKernelClient in a small form for a kernel that
// behaves otherwise: it sends CREATE without a LOOKUP first, for instance.
func TestNewerKernelClient(t *testing.T) {
	t.Parallel()
	server := harness.Serve(t, filepath.Join(t.TempDir(), "fs.img"), "--size", "256MiB", "--squash", "none")
	c := bootEmulatedForward(t, nil, nil, aclPrograms(t))
	t.Run("access control lists", func(t *testing.T) { aclSteps(t, c, server.Port, "hard") })
	c.mount(t, server.Port, "/mnt", "hard")
	runSteps(t, c, smallSteps)
	t.Run("2000 entries", func(t *testing.T) { manySteps(t, c, 2000) })
	t.Run("remount", func(t *testing.T) {
		before := c.sh(t, "guest sum /mnt many")
		c.unmount(t, "/mnt")
		c.mount(t, server.Port, "/mnt", "hard")
		c.want(t, before, "guest sum /mnt many")
		c.want(t, "listed 2000", "guest list /mnt/many 2000")
	})
	t.Run("server killed", func(t *testing.T) {
		want := writeUnderKills(t, c, 2, func(int, map[string]int) {
			server.Kill()
			server.Start()
		})
		recountTwice(t, c, server.Port, want)
	})
	second := harness.Serve(t, filepath.Join(t.TempDir(), "fs.img"), "--size", "256MiB", "--squash", "none", "--durability", "process")
	t.Run("what is sent", func(t *testing.T) { needlessSteps(t, c, second.Port) })
	t.Run("options", func(t *testing.T) {
		c.mount(t, second.Port, "/mnt", "")
		c.sh(t, "rm -r /mnt/*")
		c.unmount(t, "/mnt")
		optionSteps(t, c, second.Port, "nconnect=4")
	})
}
