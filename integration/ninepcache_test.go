package integration

import (
	"math/rand/v2"
	"testing"
)

// fsxSeedVariable and fsxStepsVariable repeat a run of fsx, or make it longer.
const (
	fsxSeedVariable  = "PMEMFS_FSX_SEED"
	fsxStepsVariable = "PMEMFS_FSX_STEPS"
)

// TestNinePCaches has a Linux kernel with each of its caches change files while it is made to forget them: what it has not written back it
// must find again, and take no file for another.
func TestNinePCaches(t *testing.T) {
	t.Parallel()
	ninePCaches(t, bootClient(t), "none", "mmap", "loose")
}

// TestNinePCachesNewer is the same in the newer kernel.
func TestNinePCachesNewer(t *testing.T) {
	t.Parallel()
	ninePCaches(t, bootEmulated(t, nil), "none", "mmap", "loose", "fscache")
}

func ninePCaches(t *testing.T, c client, modes ...string) {
	_, port, _ := serveNineP(t, "--durability", "process")
	seed := variable(t, fsxSeedVariable, int(rand.Uint32()>>1))
	t.Logf("%s=%d", fsxSeedVariable, seed)
	for _, mode := range modes {
		t.Run(mode, func(t *testing.T) {
			c.mountNineP(t, port, "/mnt", "msize=65536,access=user,cache="+mode)
			c.want(t, "0123456789abc", "printf 0123456789 >/mnt/f; echo 3 >/proc/sys/vm/drop_caches; printf abc >>/mnt/f; cat /mnt/f")
			c.sh(t, "rm /mnt/f")
			c.sh(t, "for w in 1 2 3 4; do (for i in $(seq 50); do echo $w-$i; done) >>/mnt/log & done; wait")
			c.want(t, "200 200", "echo $(sort -u /mnt/log | wc -l) $(wc -l </mnt/log); rm /mnt/log")
			c.sh(t, "guest fsx /mnt %d %d", seed, variable(t, fsxStepsVariable, 400))
			c.sh(t, "rm /mnt/fsx*; umount /mnt")
		})
	}
}
