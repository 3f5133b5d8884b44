package layout

import (
	"slices"
	"testing"
)

// TestBulks writes entries for bulk data among others and finds them again, up to a malformed one.
func TestBulks(t *testing.T) {
	const size = 16 * BlockSize
	medium := make([]byte, size)
	for i := range medium {
		medium[i] = byte(i * 7 >> 3)
	}
	block := func(n uint64) []byte { return medium[BlockOffset(n):BlockOffset(n+1)] }
	of := func(off int64, n uint32) Bulk { return Bulk{off, n, CRC(medium[off : off+int64(n)])} }
	want := []Bulk{of(4096, 3*BlockSize), of(100, 9), of(BlockSize-5, BlockSize+10), of(size-1, 1)}
	rec := make([]byte, RecordHeader)
	for i, x := range want {
		rec = AppendEntry(rec, int64(i*BlockSize), 3, EntryData, 0, []byte{1, 2, 3})
		rec = AppendBulk(rec, x)
	}
	if got := slices.Collect(Bulks(rec, size)); !slices.Equal(got, want) {
		t.Errorf("found %v, want %v", got, want)
	}
	if got := slices.Collect(Bulks(rec, size-1)); !slices.Equal(got, want[:3]) {
		t.Errorf("found %v in a shorter image", got)
	}
	for _, x := range want {
		if there, _ := x.Holds(block); !there {
			t.Errorf("%v is not there", x)
		}
		for _, at := range []int64{x.Off, x.Off + int64(x.Len) - 1} {
			medium[at] ^= 4
			if there, _ := x.Holds(block); there {
				t.Errorf("%v is there although byte %d has changed", x, at)
			}
			medium[at] ^= 4
		}
	}
}
