package ninep_test

import (
	"fmt"
	"testing"

	"pmemfs/pmemfs"
	"pmemfs/pmemfs/testpart"
	"pmemfs/server/export"
	"pmemfs/server/ninep"
)

// TestShortOffsets lists so many names by offsets of 31 bits that some have the same: each comes once, wherever an answer ends.
func TestShortOffsets(t *testing.T) {
	testpart.NotRace(t)
	f := serve(t, ninep.Limits{}, func(e *export.Export) { e.ShortOffsets = true })
	names := 0
	for f.sharedOffsets() == 0 {
		for end := names + 40_000; names < end; names++ {
			if _, err := f.eng.Create(&pmemfs.Cred{}, nil, f.eng.Root(), fmt.Append(nil, names), &pmemfs.CreateOptions{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	c := f.mount(0)
	f.walk(c, 0, 1)
	f.ok(c.Open(1, 0))
	for _, count := range []uint32{100, 200, 1 << 16} {
		seen := map[string]bool{}
		last, same := uint64(0), 0
		for {
			list, err := c.Readdir(1, last, count)
			f.ok(err)
			if len(list) == 0 {
				break
			}
			for _, e := range list {
				if seen[e.Name] || e.Offset < last || e.Offset >= 1<<31 {
					t.Fatalf("%q, before: %v, with the offset %#x after %#x", e.Name, seen[e.Name], e.Offset, last)
				}
				if e.Offset == last {
					same++
				}
				seen[e.Name], last = true, e.Offset
			}
		}
		if len(seen) != names+2 || same != f.sharedOffsets() {
			t.Errorf("answers of %d bytes: %d names of %d; %d share an offset of %d", count, len(seen)-2, names, same, f.sharedOffsets())
		}
	}
}

// sharedOffsets is how many names of the root have the upper 31 bits of their key in common with the one before.
func (f *fixture) sharedOffsets() (n int) {
	f.t.Helper()
	last := uint64(0)
	f.ok(f.eng.Readdir(&pmemfs.Cred{}, nil, f.eng.Root(), 0, false, func(e *pmemfs.DirEntry) bool {
		if key := e.Cookie >> 32; key == last && e.Cookie > 2 {
			n++
		} else {
			last = key
		}
		return true
	}))
	return n
}
