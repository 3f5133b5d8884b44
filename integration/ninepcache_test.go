package integration

import (
	"math/rand/v2"
	"testing"
)

// fsxSeedVariable and fsxStepsVariable repeat a run of fsx, or make it longer.
const (
	fsxSeedVariable  = "TEST_PMEMFS_FSX_SEED"
	fsxStepsVariable = "TEST_PMEMFS_FSX_STEPS"
)

// TestNinePCaches has a Linux kernel with each of its caches change files while it is made to forget them: what it has not written back it
// must find again, and take no file for another.
func TestNinePCaches(t *testing.T) {
	t.Parallel()
	ninePCaches(t, bootClient(t), "", "none", "mmap", "loose")
}

// TestNinePCachesNewer is the same in the newer kernel, and without mappings. Where a page has been changed by write(2) and then, before it has left,
// by way of a mapping, 6.12 sends what write(2) has changed of it and no more (netfs remembers that part), with every cache that it has.
func TestNinePCachesNewer(t *testing.T) {
	t.Parallel()
	ninePCaches(t, bootEmulated(t, nil), "nomap", "none", "mmap", "loose", "fscache")
}

func ninePCaches(t *testing.T, c client, without string, modes ...string) {
	_, port, _ := serveNineP(t, "--durability", "process")
	seed := variable(t, fsxSeedVariable, int(rand.Uint32()>>1))
	t.Logf("%s=%d", fsxSeedVariable, seed)
	for _, mode := range modes {
		t.Run(mode, func(t *testing.T) {
			// A kernel that goes on with what another mode has left would report that again.
			dir := "/tmp/" + mode
			c.mountNineP(t, port, dir, "msize=65536,access=user,cache="+mode)
			dir += "/" + mode
			c.sh(t, "mkdir %s", dir)
			c.want(t, "0123456789abc", "cd %s; printf 0123456789 >f; echo 3 >/proc/sys/vm/drop_caches; printf abc >>f; cat f", dir)
			c.sh(t, "cd %s; for w in 1 2 3 4; do (for i in $(seq 50); do echo $w-$i; done) >>log & done; wait", dir)
			c.want(t, "200 200", "cd %s; echo $(sort -u log | wc -l) $(wc -l <log)", dir)
			c.sh(t, "guest fsx %s %d %d %s", dir, seed, variable(t, fsxStepsVariable, 400), without)
			c.sh(t, "umount /tmp/%s", mode)
		})
	}
}
