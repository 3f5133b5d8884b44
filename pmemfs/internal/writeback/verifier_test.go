package writeback

import (
	"testing"

	"pmemfs/pmemfs/internal/volumetest"
)

// TestVerifier marks the image once in a mount, and changes the verifier with a loss and with a mount that does not end cleanly.
func TestVerifier(t *testing.T) {
	f := open(t, false)
	reopen := func() uint64 {
		t.Helper()
		b := New(f.v, f.b.health, false)
		if err := b.OpenVerifier(); err != nil {
			t.Fatal(err)
		}
		return b.Verifier()
	}
	first := f.b.Verifier()
	for n, want := range []uint64{1, 0} {
		before := f.v.Region.Counters().Fences
		if err := f.b.MarkUnclean(); err != nil {
			t.Fatal(err)
		}
		if took := f.v.Region.Counters().Fences - before; took != want {
			t.Errorf("mark %d: %d fences", n, took)
		}
	}
	if f.b.Verifier() != first || reopen() == first {
		t.Error("the verifier of a mount that has not ended")
	}
	f.b.Lost()
	lost := f.b.Verifier()
	if err := f.b.MarkClean(); err != nil || lost == first || reopen() != lost {
		t.Errorf("after a loss and a clean end: %v", err)
	}
}

// TestFlushOfGone flushes what was written to a file that is gone: nothing is lost.
func TestFlushOfGone(t *testing.T) {
	f := open(t, false)
	ino, gen := volumetest.File(t, f.v)
	f.write(ino, gen, []byte("x"), 0)
	v := f.b.Verifier()
	op := f.v.Alloc.Begin()
	defer op.Done()
	in, err := f.v.Inodes.Edit(op, ino)
	if err == nil {
		err = f.v.Inodes.Free(op, in)
	}
	if err == nil {
		err = op.Commit()
	}
	if err == nil {
		err = f.b.FlushAll()
	}
	if err != nil || f.b.Verifier() != v || f.b.Dirty() {
		t.Errorf("%v, verifier changed: %v", err, f.b.Verifier() != v)
	}
}
