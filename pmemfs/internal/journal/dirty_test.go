package journal

import (
	"testing"
	"time"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/pmem"
)

// These tests stop a commit or a checkpoint where its order counts, by what a recorded region tells, and do there what the other side may
// do at that moment: see dirtyMap.mark. What one processor sees of another's stores cannot be tested so; mark's comment argues it.

// bitmapBlock makes a bitmap with a checksum that is right.
func bitmapBlock(j *Journal, block uint64) {
	b := make([]byte, layout.BlockSize)
	layout.InitBitmap(b, layout.KindBlocks, 0)
	layout.Seal(b)
	j.region.Write(layout.BlockOffset(block), b)
}

// setBit commits a bit of a bitmap.
func setBit(j *Journal, block uint64, bit int) error {
	tx := j.Begin()
	tx.Bits(layout.BlockOffset(block), bit, 1, true)
	_, err := tx.Commit()
	return err
}

const testBlock = dataOff / layout.BlockSize

// onStore calls f when something is stored to the block, after the store.
func onStore(j *Journal, block uint64, f func(e *pmem.Event)) {
	j.region.SetRecorder(func(e *pmem.Event) {
		if e.Kind == pmem.Stored && layout.BlockOf(e.Range.Off) == block {
			f(e)
		}
	})
}

// TestMarkBesideTake marks a leaf while a checkpoint is taking its marks: it is listed again.
func TestMarkBesideTake(t *testing.T) {
	j := testJournal(t, Options{NoBackground: true})
	bitmapBlock(j, testBlock)
	if err := setBit(j, testBlock, 1); err != nil {
		t.Fatal(err)
	}
	leaf := j.dirty.leaf(testBlock)
	marked := false
	onStore(j, testBlock, func(e *pmem.Event) { // the checkpoint stores the block's checksum
		if !marked {
			marked = true
			j.dirty.mark([]touched{{leaf: leaf, lines: 1 << 9, at: testBlock % leafBlocks}})
		}
	})
	if err := j.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	if !marked {
		t.Fatal("no checksum was brought up to date")
	}
	if len(j.dirty.list) != 1 || leaf.lines[testBlock%leafBlocks].Load() != 1<<9 {
		t.Errorf("%d leaves are listed, with lines %#x of the block", len(j.dirty.list), leaf.lines[testBlock%leafBlocks].Load())
	}
}

// TestSealMarkedAround looks at a block at the moment of a store to it: its checksum is said to be due already. A checkpoint that takes
// that back then finds it said again.
func TestSealMarkedAround(t *testing.T) {
	j := testJournal(t, Options{NoBackground: true})
	bitmapBlock(j, testBlock)
	leaf := j.dirty.leaf(testBlock)
	stores := 0
	onStore(j, testBlock, func(*pmem.Event) {
		stores++
		if !j.dirty.sealDue(testBlock) {
			t.Error("it has changed, and its checksum is not due")
		}
		leaf.seal.Store(0)
	})
	if err := setBit(j, testBlock, 1); err != nil {
		t.Fatal(err)
	}
	if stores == 0 || !j.dirty.sealDue(testBlock) {
		t.Errorf("%d stores; due behind them: %v", stores, j.dirty.sealDue(testBlock))
	}
}

// TestInspectBesideStore inspects a block that is being stored to, and of which a checkpoint has just taken back that its checksum is due.
func TestInspectBesideStore(t *testing.T) {
	j := testJournal(t, Options{NoBackground: true})
	bitmapBlock(j, testBlock)
	leaf := j.dirty.leaf(testBlock)
	inspected := make(chan error, 1)
	onStore(j, testBlock, func(*pmem.Event) {
		leaf.seal.Store(0)
		go func() { inspected <- j.Inspect(testBlock, func([]byte) error { return nil }) }()
		select {
		case err := <-inspected:
			t.Errorf("it did not wait for the record in flight: %v", err)
			inspected <- nil
		case <-time.After(20 * time.Millisecond):
		}
	})
	if err := setBit(j, testBlock, 1); err != nil {
		t.Fatal(err)
	}
	if err := <-inspected; err != nil {
		t.Error(err)
	}
}

// TestRenewedBesideStore lets a checkpoint find the map of dirty lines too large while a record is being stored in place: it waits, and
// what the record says of the block is in the map that counts.
func TestRenewedBesideStore(t *testing.T) {
	defer func(old int) { leavesMax = old }(leavesMax)
	j := testJournal(t, Options{NoBackground: true})
	bitmapBlock(j, testBlock)
	j.dirty.leaf(testBlock)
	leavesMax = 0
	checkpoint := make(chan error, 1)
	begun := false
	onStore(j, testBlock, func(*pmem.Event) {
		if begun {
			return
		}
		begun = true
		go func() { checkpoint <- j.checkpoint(checkpointAlways) }()
		for paused := false; !paused; {
			j.mu.Lock()
			paused = j.paused
			j.mu.Unlock()
		}
	})
	if err := setBit(j, testBlock, 1); err != nil {
		t.Fatal(err)
	}
	if err := <-checkpoint; err != nil {
		t.Fatal(err)
	}
	if !layout.Sealed(j.region.Bytes()[dataOff : dataOff+layout.BlockSize]) {
		t.Error("the checkpoint that waited for the record has not brought the checksum of its block up to date")
	}
}
