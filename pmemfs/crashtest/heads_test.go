package crashtest

import (
	"testing"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/pmem"
)

// TestUnfencedHead opens and repairs an image whose process died before the fence of a checkpoint's head. This head's line must have been
// flushed and fenced before anything is stored to the medium, so also before the line of the other one is.
func TestUnfencedHead(t *testing.T) {
	for seed := range seeds["heads"] {
		u, err := newUnfencedHead(seed)
		if err != nil {
			t.Fatal(err)
		}
		counted := int64(-1)
		for _, l := range u.medium().lines() {
			if b := layout.BlockOf(l.n * lineSize); b == layout.JournalHeadA || b == layout.JournalHeadB {
				counted = l.n * lineSize
			}
		}
		if counted < 0 {
			t.Fatalf("seed %d: the head of the checkpoint is certain", seed)
		}
		flushed, fenced := map[uint64]bool{}, false
		for i := u.died; i < len(u.trace.items) && !fenced; i++ {
			e := &u.trace.items[i].event
			switch e.Kind {
			case pmem.Flushed:
				flushed[e.Call] = flushed[e.Call] || e.Range.Off <= counted && counted+layout.HeadSize <= e.Range.Off+e.Range.Len
			case pmem.Fenced:
				fenced = flushed[e.Call]
			case pmem.Stored, pmem.StoredThrough:
				t.Fatalf("seed %d: a store to %d comes before the fence of the head that counts", seed, e.Range.Off)
			}
		}
		if !fenced {
			t.Errorf("seed %d: the head that counts is never fenced", seed)
		}
	}
}
