package journal

import (
	"errors"
	"testing"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/pmem"
)

// testRegion returns a medium with an empty ring, in the domain of memory that has to be flushed where there is one.
func testRegion(t testing.TB) *pmem.Region {
	t.Helper()
	return domainRegion(t, pmem.CacheFlush)
}

func domainRegion(t testing.TB, d pmem.Domain) *pmem.Region {
	t.Helper()
	region, err := pmem.NewMemory(medium, d)
	if errors.Is(err, pmem.ErrDomain) {
		region, err = pmem.NewMemory(medium, pmem.Volatile)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := region.Close(); err != nil {
			t.Error(err)
		}
	})
	return region
}

func testJournal(t testing.TB, o Options) *Journal {
	t.Helper()
	return openJournal(t, testRegion(t), o)
}

func openJournal(t testing.TB, region *pmem.Region, o Options) *Journal {
	t.Helper()
	head := layout.Head{Version: 1, Epoch: 1, TailSeq: 1, FreeBlocks: 1000, Salt: 42}
	j := New(region, State{Head: head, Ring: ringOff, Size: ringSize}, o)
	t.Cleanup(j.Close)
	return j
}

// put commits p at offset off, which it does not leave its block.
func put(j *Journal, off int64, p []byte) (uint64, error) {
	tx := j.Begin()
	tx.Data(off, p)
	return tx.Commit()
}
