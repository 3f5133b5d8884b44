package alloc_test

import (
	"sync"
	"sync/atomic"
	"testing"

	"pmemfs/pmemfs/internal/alloc"
	"pmemfs/pmemfs/internal/alloctest"
	"pmemfs/pmemfs/internal/layout"
)

// TestCutAndGrow cuts off a whole group and adds it again while others look at the last group: what is added can be had, each time.
func TestCutAndGrow(t *testing.T) {
	const first, limit = 2000, 2 * layout.GroupBits
	m := alloctest.New(t, 4096, false)
	for g := range uint64(2) {
		var p [layout.BlockSize]byte
		layout.InitBitmap(p[:], layout.KindInodes, g)
		layout.Seal(p[:])
		m.Region.Write(layout.BlockOffset(first+g), p[:])
	}
	b := alloc.NewBits(m.J, layout.KindInodes, limit, limit, func(g uint64) (uint64, error) { return first + g, nil })
	var stop atomic.Bool
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for !stop.Load() {
				if _, err := b.Top(limit); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for round := range 20_000 {
		tail, ok, err := b.TakeTail(layout.GroupBits)
		if err != nil || !ok {
			t.Errorf("round %d: the end is taken, %v", round, err)
			break
		}
		b.Cut(tail)
		b.SetLimit(limit)
		b.AddAvail(layout.GroupBits)
	}
	stop.Store(true)
	wg.Wait()
}
