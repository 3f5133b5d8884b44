package pmemfs

import (
	"testing"

	"pmemfs/pmemfs/internal/pmem"
	"pmemfs/pmemfs/testpart"
)

// TestBulkFences counts the fences of large writes: on an ordinary file the blocks are fenced with the record, elsewhere before it.
func TestBulkFences(t *testing.T) {
	testpart.NotRace(t)
	for _, size := range []int{4097, 64 << 10, 1 << 20} {
		fs := lazyFS(t, 64<<20)
		if d := fs.region.Domain(); d != pmem.PageCache {
			t.Fatalf("the domain is %v", d)
		}
		h := mkfile(t, fs, "f")
		for range 3 {
			before := fs.Counters().Fences
			_, _, err := fs.Write(superuser, nil, h, make([]byte, size), 0)
			must(t, err)
			if got := fs.Counters().Fences - before; got != 1 {
				t.Errorf("%d bytes: %d fences, want 1", size, got)
			}
		}
		checkFS(t, fs)
		closeFS(t, fs)
	}
}
