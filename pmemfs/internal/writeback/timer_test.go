package writeback

import (
	"testing"
	"time"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/volumetest"
)

// TestFlushOlder flushes data that nobody commits when it is old, or much.
func TestFlushOlder(t *testing.T) {
	f := open(t, false)
	old, oldGen := volumetest.File(t, f.v)
	fresh, freshGen := volumetest.File(t, f.v)
	f.write(old, oldGen, []byte("x"), 0)
	limit := time.Now()
	f.write(fresh, freshGen, []byte("x"), 0)
	f.b.Of(fresh).since = limit.Add(1)
	f.b.flushOlder(limit)
	if f.b.Of(old) != nil || f.b.Of(fresh) == nil {
		t.Error("not just what is old has been flushed")
	}
	for i := uint64(0); !f.b.much(); i++ {
		f.write(old, oldGen, []byte("x"), i*layout.BlockSize)
	}
	f.b.flushOlder(limit)
	if f.b.Dirty() || f.v.Alloc.Reserved() != 0 {
		t.Errorf("%d bytes are left, %d blocks reserved", f.b.Bytes(), f.v.Alloc.Reserved())
	}
}

// TestOneTimer has the timer come at once while another one's work is under way: there is one timer afterwards, not two.
func TestOneTimer(t *testing.T) {
	f := open(t, true)
	ino, gen := volumetest.File(t, f.v)
	f.write(ino, gen, []byte("x"), 0)
	for range 3 {
		f.b.mu.Lock()
		before := f.b.timer
		f.b.mu.Unlock()
		f.b.expire()
		if before.Stop() {
			t.Error("a timer is left beside the new one")
		}
	}
	f.b.End()
	f.b.expire() // comes too late
	f.b.flushLater()
	if f.b.timer.Stop() {
		t.Error("a timer begins after the end")
	}
}
