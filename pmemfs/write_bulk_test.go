package pmemfs

import (
	"bytes"
	"sync/atomic"
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

// TestBulkRacingCaller changes the bytes of large writes while they are written: that tears those bytes, and nothing else. A mount of what
// a power cut leaves behind each write has the file with its size, and all that was acknowledged.
func TestBulkRacingCaller(t *testing.T) {
	testpart.NotRace(t) // the detector would find the race, which is what this is about
	fs := lazyFS(t, 64<<20)
	p, stop, stopped := make([]byte, 1<<20), atomic.Bool{}, make(chan struct{})
	go func() {
		defer close(stopped)
		for i := 0; !stop.Load(); i = (i + 4099) % len(p) {
			p[i]++
		}
	}()
	defer func() { stop.Store(true); <-stopped }()
	names := []string{}
	for i := range 20 {
		name := "f" + decimal(uint64(i))
		names = append(names, name)
		h := mkfile(t, fs, name)
		_, _, err := fs.Write(superuser, nil, h, p, 0)
		must(t, err)
		after := lazyBytes(t, bytes.Clone(fs.region.Bytes()))
		for _, name := range names {
			a, err := after.Lookup(superuser, nil, after.Root(), []byte(name))
			must(t, err)
			if a.Size != uint64(len(p)) {
				t.Fatalf("write %d: %s has %d bytes", i, name, a.Size)
			}
		}
		checkFS(t, after)
		closeFS(t, after)
	}
	checkFS(t, fs)
	closeFS(t, fs)
}
