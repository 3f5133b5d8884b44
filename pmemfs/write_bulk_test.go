package pmemfs

import (
	"bytes"
	"encoding/binary"
	"errors"
	"sync/atomic"
	"testing"

	"pmemfs/pmemfs/internal/check"
	"pmemfs/pmemfs/internal/layout"
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

// poisonedBulk is a medium with a file "whole" of some bytes and a file "large" of 256 blocks, whose record is in the window and vouched
// for or not, and the place of a block of that.
func poisonedBulk(t *testing.T, vouched bool) (medium []byte, at int64) {
	fs := lazyFS(t, 64<<20)
	p := make([]byte, 1<<20)
	for i := 0; i < len(p); i += 8 {
		binary.LittleEndian.PutUint64(p[i:], uint64(i)|1<<40)
	}
	_, _, err := fs.Write(superuser, nil, mkfile(t, fs, "whole"), []byte("some bytes"), 0)
	must(t, err)
	_, _, err = fs.Write(superuser, nil, mkfile(t, fs, "large"), p, 0)
	must(t, err)
	if vouched {
		mkfile(t, fs, "later")
	}
	medium = bytes.Clone(fs.region.Bytes())
	if at = int64(bytes.Index(medium, p[77*layout.BlockSize:][:layout.BlockSize])); at < 0 {
		t.Fatal("the block is not there")
	}
	closeFS(t, fs)
	return medium, at
}

// TestBulkPoisoned opens, checks and repairs images in which a block of a large write faults. If no record says that the write was
// durable, nobody knows what its other blocks hold: it has happened, and all of them are lost. Otherwise one is.
func TestBulkPoisoned(t *testing.T) {
	testpart.NotRace(t)
	for name, domain := range map[string]pmem.Domain{"page-cache": pmem.PageCache, "cache-flush": pmem.CacheFlush} {
		for _, vouched := range []bool{false, true} {
			lost := 256
			if vouched {
				lost, name = 0, name+", vouched for"
			}
			medium, at := poisonedBulk(t, vouched)
			faulty := func(t *testing.T) (*pmem.Region, func() error) {
				region, err := pmem.NewMemory(int64(len(medium)), domain)
				must(t, err)
				region.Write(0, medium)
				_, heal, err := region.Poison(at)
				must(t, err)
				return region, heal
			}
			t.Run(name+"/open", func(t *testing.T) { openPoisonedBulk(t, faulty, lost) })
			t.Run(name+"/check and repair", func(t *testing.T) {
				region, heal := faulty(t)
				r, err := check.RunImage(imageOf(region), nil)
				must(t, err)
				if r.LostBlocks != uint64(lost) {
					t.Errorf("the check finds %d lost blocks, want %d: %v", r.LostBlocks, lost, r)
				}
				done, err := repairRegion(region, nil)
				must(t, err)
				reportFaults(t, done.After, nil)
				fs, err := mount(region, Options{NoBackground: true})
				must(t, err)
				wholeIsThere(t, fs)
				must(t, heal())
				checkFS(t, fs)
				closeFS(t, fs)
			})
		}
	}
}

// openPoisonedBulk opens the image, twice, and writes the large file again.
func openPoisonedBulk(t *testing.T, faulty func(t *testing.T) (*pmem.Region, func() error), lost int) {
	region, heal := faulty(t)
	fs, err := mount(region, Options{NoBackground: true})
	must(t, err)
	again := func(fs *FS) {
		wholeIsThere(t, fs)
		a, err := fs.Lookup(superuser, nil, fs.Root(), []byte("large"))
		must(t, err)
		if a.Size != 1<<20 {
			t.Errorf("the file has %d bytes", a.Size)
		}
		if n := len(fs.j.LostBlocks()); n != lost {
			t.Errorf("%d blocks are lost, want %d", n, lost)
		}
		p := make([]byte, layout.BlockSize)
		for _, b := range []uint64{0, 76, 255} {
			if _, _, err := fs.Read(superuser, nil, a.Handle, p, b<<layout.BlockShift); errors.Is(err, ErrIO) != (lost > 0) {
				t.Errorf("block %d: %v", b, err)
			}
		}
	}
	again(fs)
	must(t, heal())
	if lost > 0 {
		second := lazyBytes(t, bytes.Clone(fs.region.Bytes()))
		again(second)
		closeFS(t, second)
	}
	a, err := fs.Lookup(superuser, nil, fs.Root(), []byte("large"))
	must(t, err)
	_, _, err = fs.Write(superuser, nil, a.Handle, make([]byte, 1<<20), 0)
	must(t, err)
	if n := len(fs.j.LostBlocks()); n > 0 {
		t.Errorf("%d blocks are lost although none of them is in use", n)
	}
	checkFS(t, fs)
	closeFS(t, fs)
}

func wholeIsThere(t *testing.T, fs *FS) {
	t.Helper()
	a, err := fs.Lookup(superuser, nil, fs.Root(), []byte("whole"))
	must(t, err)
	p := make([]byte, 10)
	if n, _, err := fs.Read(superuser, nil, a.Handle, p, 0); err != nil || string(p[:n]) != "some bytes" {
		t.Errorf("the other file holds %q, %v", p[:n], err)
	}
}
