package export_test

import (
	"testing"

	"pmemfs/server/export"
)

// TestOffsets: those of 31 bits grow with the keys, fit, and lead behind every key that has them.
func TestOffsets(t *testing.T) {
	short, long := export.Default(), export.Default()
	short.ShortOffsets = true
	last := uint64(0)
	for _, key := range []uint64{1, 2, 3, 4, 1 << 31, 1<<32 - 1, 1 << 32, 3<<32 + 5, 4<<32 - 1, 4 << 32, 4<<32 + 1, 1 << 62, 1<<63 - 1} {
		off := short.Offset(key)
		if off < last || off >= 1<<31 || off == 0 || key > 2 && off <= 2 {
			t.Errorf("key %#x has the offset %#x, after %#x", key, off, last)
		}
		last = off
		if back := short.Key(off); back < key || short.Offset(back) != off || key > 2 && short.Offset(back+1) == off && back < 1<<63-1 {
			t.Errorf("key %#x, offset %#x: it goes on behind %#x", key, off, back)
		}
		if long.Offset(key) != key || long.Key(key) != key {
			t.Errorf("key %#x is not its own offset", key)
		}
	}
	if short.Key(0) != 0 {
		t.Error("the beginning is not the beginning")
	}
	for _, key := range []uint64{1 << 31, 1<<62 + 7} {
		if got := short.Key(key); got != key {
			t.Errorf("a long offset %#x of earlier times goes on behind %#x", key, got)
		}
	}
	var c export.Cut
	for i, row := range []struct {
		offset  uint64
		at, end int
	}{{1, 10, 10}, {2, 20, 20}, {7, 30, 30}, {7, 40, 30}, {7, 50, 30}, {8, 60, 60}} {
		if end := c.Before(row.offset, row.at); end != row.end {
			t.Errorf("row %d: cut at %d", i, end)
		}
	}
}
