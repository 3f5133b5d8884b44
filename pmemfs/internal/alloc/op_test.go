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

// TestReuse takes and frees for longer than there is free space: as the quarantine is released now and then, what was
// used before is handed out again, and most of the image is never touched.
func TestReuse(t *testing.T) {
	m := alloctest.New(t, 2*layout.GroupBlocks, false)
	first, highest := uint64(0), uint64(0)
	for i := range 8000 {
		r, err := take(m, 0, 16, false)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = r.Start
		}
		highest = max(highest, r.Start+r.Len)
		if err := give(m, r); err != nil {
			t.Fatal(err)
		}
		if i%50 == 49 {
			if err := m.J.Checkpoint(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got := highest - first; got > 3*50*16 {
		t.Errorf("%d blocks touched by runs of 16, of which at most 50 wait at a time", got)
	}
	m.Verify(t)
}

// TestBeginPaused allocates beside bad blocks in an operation of who has paused the others: it gives none to their list, whose lock somebody
// may hold who waits for the end of the pause.
func TestBeginPaused(t *testing.T) {
	m := alloctest.New(t, 2048, false)
	m.A.Retire = func(*alloc.Op, uint64) error {
		t.Error("a bad block was given to the list")
		return nil
	}
	next, err := take(m, 0, 1, false)
	if err != nil {
		t.Fatal(err)
	}
	bad := next.Start + 1
	if _, _, err := m.Region.Poison(layout.BlockOffset(bad)); err != nil {
		t.Fatal(err)
	}
	m.A.Suspect(bad)
	m.A.Pause()
	defer m.A.Resume()
	op := m.A.BeginPaused()
	defer op.Done()
	r, err := op.AllocNode(bad)
	if err == nil {
		err = op.Commit()
	}
	if err != nil || r == bad {
		t.Errorf("block %d, %v", r, err)
	}
}
