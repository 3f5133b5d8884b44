package pmemfs

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/pmem"
	"pmemfs/pmemfs/testpart"
)

// cutter cuts the power at fences: of operations, of their bulk data, of checkpoints and of recoveries.
type cutter struct {
	t   *testing.T
	rng *rand.Rand
}

// watch makes every fence of a region a place where the power may go: just before what it covers is certain.
func (c *cutter) watch(region *pmem.Region, depth, oneIn int) {
	sure := bytes.Clone(region.Bytes())
	region.SetPersistHook(pmem.Before(func(r pmem.Range) error {
		if c.rng.IntN(oneIn) == 0 {
			c.cut(region.Bytes(), sure, depth)
		}
		copy(sure[r.Off:r.Off+r.Len], region.Bytes()[r.Off:])
		return nil
	}))
}

// cut makes a medium that holds, of each line that is not certain, the old or the new content, and opens it; while that
// recovers, the power may go again.
func (c *cutter) cut(now, sure []byte, depth int) {
	medium := bytes.Clone(sure)
	share := c.rng.IntN(5) // from nothing to everything
	for off := 0; off < len(now); off += layout.LineSize {
		if line := now[off : off+layout.LineSize]; string(line) != string(medium[off:off+layout.LineSize]) && c.rng.IntN(4) < share {
			copy(medium[off:], line)
		}
	}
	checkMedium(c.t, medium)
	region, err := pmem.NewMemory(int64(len(medium)), pmem.CacheFlush)
	if err != nil {
		c.t.Fatal(err)
	}
	region.Write(0, medium)
	if depth > 0 {
		c.watch(region, depth-1, 2)
	}
	fs, err := mount(region, Options{NoBackground: true})
	if err != nil {
		c.t.Errorf("after a power cut: %v", err)
		return
	}
	region.SetPersistHook(nil)
	checkFS(c.t, fs)
	closeFS(c.t, fs)
}

// TestPowerCutAtFences cuts the power before one fence in a few, also while it recovers from a cut.
func TestPowerCutAtFences(t *testing.T) {
	testpart.NotRace(t)
	t.Parallel()
	bothWays(t, func(t *testing.T, sums bool) {
		for seed := range uint64(3) {
			powerCutAtFences(t, seed, sums)
		}
	})
}

func powerCutAtFences(t *testing.T, seed uint64, sums bool) {
	fs := memFSWith(t, 5<<20, sums)
	c := &cutter{t: t, rng: rand.New(rand.NewPCG(seed, 5))}
	c.watch(fs.region, 2, 12)
	s := &stirrer{fs: fs, rng: rand.New(rand.NewPCG(seed, 6))}
	for range 500 {
		_ = s.step() // it is full now and then
	}
	fs.region.SetPersistHook(nil)
	checkFS(t, fs)
	closeFS(t, fs)
	if t.Failed() {
		t.Fatalf("seed %d", seed)
	}
}
