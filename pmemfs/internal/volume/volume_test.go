package volume_test

import (
	"errors"
	"testing"

	"pmemfs/pmemfs/internal/alloc"
	"pmemfs/pmemfs/internal/inode"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/volumetest"
)

// TestChange changes one of the filesystem's own inodes, and fails in the middle of another change: only the first one counts.
func TestChange(t *testing.T) {
	v := volumetest.New(t, 2048)
	errMiddle := errors.New("in the middle")
	for n, want := range []error{nil, errMiddle} {
		fences := v.Region.Counters().Fences
		err := v.Change(layout.ScrubIno, func(op *alloc.Op) error {
			off, err := v.Inodes.Offset(layout.ScrubIno)
			if err != nil {
				return err
			}
			layout.EncodeScrub(op.Tx.Inode(off), &layout.ScrubState{Passes: uint64(n) + 1})
			return want
		})
		if took := v.Region.Counters().Fences - fences; !errors.Is(err, want) || want == nil && took != 1 || want != nil && took != 0 {
			t.Errorf("change %d: %v, %d fences", n, err, took)
		}
	}
	err := v.View(layout.ScrubIno, func() error {
		in, err := v.Slot(layout.ScrubIno)
		if got := layout.DecodeScrub(in); got.Passes != 1 {
			t.Errorf("state %+v", got)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if _, err := v.Slot(1 << 40); !errors.Is(err, inode.ErrStale) {
		t.Errorf("a slot that is not there: %v", err)
	}
}

// TestLocksReleased takes every lock again after a change and a view, whose functions fail.
func TestLocksReleased(t *testing.T) {
	v := volumetest.New(t, 2048)
	fail := errors.New("no")
	if err := v.Change(layout.RootIno, func(*alloc.Op) error { return fail }); !errors.Is(err, fail) {
		t.Error(err)
	}
	if err := v.View(layout.RootIno, func() error { return fail }); !errors.Is(err, fail) {
		t.Error(err)
	}
	g, err := v.Enter(0)
	if err != nil {
		t.Fatal(err)
	}
	g.RUnlock()
	if !g.TryLock() || !v.Stripe(layout.RootIno).TryLock() {
		t.Error("a lock is still held")
	}
}
