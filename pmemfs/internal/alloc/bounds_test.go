package alloc_test

import (
	"errors"
	"testing"

	"pmemfs/pmemfs/internal/alloc"
	"pmemfs/pmemfs/internal/alloctest"
	"pmemfs/pmemfs/internal/layout"
)

// TestFreeBeyond frees blocks that a forged record may name: it is damage, not a panic.
func TestFreeBeyond(t *testing.T) {
	m := alloctest.New(t, 2048, false)
	for _, r := range []alloc.Run{{Start: 2048, Len: 1}, {Start: 2000, Len: 49}, {Start: 1 << 60, Len: 1}, {Start: 2000, Len: ^uint64(0)}} {
		err := m.Try(func(op *alloc.Op) error { return op.FreeBlocks(r.Start, r.Len) })
		if !errors.Is(err, layout.ErrDamaged) {
			t.Errorf("%+v: %v", r, err)
		}
	}
	m.Verify(t)
}
