package journal

import (
	"errors"
	"testing"
	"time"

	"pmemfs/pmemfs/internal/layout"
)

// TestInspect looks at a node before and after a change, a checkpoint and damage.
func TestInspect(t *testing.T) {
	j := testJournal(t, Options{NoBackground: true})
	const block = dataOff / layout.BlockSize
	vetted := 0
	inspect := func() error { return j.Inspect(block, func([]byte) error { vetted++; return nil }) }
	tx := j.Begin()
	layout.InitNode(tx.NewBlock(block, layout.EntryNode), 0, layout.TreeDir, 7, block, 1)
	if _, err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := inspect(); err != nil || vetted != 1 {
		t.Errorf("not sealed yet: %v, looked at %d times", err, vetted)
	}
	if err := j.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	if err := inspect(); err != nil {
		t.Errorf("sealed: %v", err)
	}
	j.region.Write(dataOff+100, []byte{1})
	var seal *SealError
	if err := inspect(); !errors.As(err, &seal) || seal.Block != block {
		t.Errorf("damaged: %v", err)
	}
}

// TestInspectInCheckpoint looks at a node that a checkpoint has taken out of the dirty set and not sealed yet.
func TestInspectInCheckpoint(t *testing.T) {
	j := testJournal(t, Options{NoBackground: true})
	const block = dataOff / layout.BlockSize
	tx := j.Begin()
	layout.InitNode(tx.NewBlock(block, layout.EntryNode), 0, layout.TreeDir, 7, block, 1)
	if _, err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	j.ckptMu.Lock()
	j.dirty.leaf(block).seal.Store(0)
	done := make(chan error, 1)
	go func() { done <- j.Inspect(block, func([]byte) error { return nil }) }()
	select {
	case err := <-done:
		t.Fatalf("it did not wait for the checkpoint: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	if err := j.seal(block); err != nil {
		t.Error(err)
	}
	j.ckptMu.Unlock()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestInspectSelf damages heads and records, of which some wrap, and has them written anew.
func TestInspectSelf(t *testing.T) {
	j := testJournal(t, Options{NoBackground: true})
	if err := j.Renew(); err != nil { // the test's medium begins with no head at all
		t.Fatal(err)
	}
	problems := func() (n int) {
		if _, err := j.InspectSelf(func(int64, string, string) { n++ }); err != nil {
			t.Fatal(err)
		}
		return n
	}
	for i := range 50 {
		at := j.Appended() % j.size
		for range 1 + i%5 {
			if _, err := put(j, dataOff, make([]byte, 1000+50*i)); err != nil {
				t.Fatal(err)
			}
		}
		if n := problems(); n != 0 {
			t.Fatalf("round %d: %d problems", i, n)
		}
		off := [...]int64{ringOff + int64(at), ringOff + int64((at+100)%j.size), layout.BlockOffset(2) + 10, layout.BlockOffset(3) + 60}[i%4]
		j.region.Write(off, []byte{j.region.Bytes()[off] ^ 1})
		if n := problems(); n != 1 {
			t.Errorf("round %d: %d problems with a bit changed at %d", i, n, off)
		}
		if err := j.Renew(); err != nil {
			t.Fatal(err)
		}
		if n := problems(); n != 0 {
			t.Errorf("round %d: %d problems afterwards", i, n)
		}
	}
}
