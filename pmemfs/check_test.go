package pmemfs

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pmemfs/pmemfs/internal/pmem"
	"pmemfs/pmemfs/testpart"
)

// image makes a file with a rich filesystem in it.
func image(t testing.TB, size int64) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "img")
	b := builder{t: t}
	b.ok(Format(path, FormatOptions{Size: size}))
	fs, err := Open(path, Options{Durability: DurabilityProcess, NoBackground: true})
	b.ok(err)
	rich(t, fs)
	b.ok(fs.Close())
	return path
}

func TestCheckOfHealthyImages(t *testing.T) {
	testpart.NotRace(t)
	path := image(t, 64<<20)
	checkImage(t, path)
	r, err := Check(path, CheckOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if r.Orphans != 2 || r.Symlinks != 4 || r.Others != 4 || r.Dirs < 48 || r.Names < 3800 || r.ReplayedRecords != 0 || r.Xattrs < 40 {
		t.Errorf("counts are wrong: %+v", r)
	}
	fs, err := Open(path, Options{Durability: DurabilityProcess})
	if err != nil {
		t.Fatal(err)
	}
	checkFS(t, fs)
	if _, err := Check(path, CheckOptions{}); !errors.Is(err, ErrLocked) {
		t.Errorf("check of an open image: %v", err)
	}
	if err := fs.Close(); err != nil {
		t.Fatal(err)
	}
	checkImage(t, path)
	if _, err := fs.Check(); !errors.Is(err, ErrClosed) {
		t.Errorf("check of a closed filesystem: %v", err)
	}
}

// A copy of the medium at any moment is what a kill leaves behind.
func TestCheckAfterKill(t *testing.T) {
	testpart.NotRace(t)
	fs, err := OpenMemory(64<<20, DomainVolatile, Options{NoBackground: true})
	if err != nil {
		t.Fatal(err)
	}
	replayed := uint64(0)
	look := func() {
		t.Helper()
		replayed = max(replayed, checkMedium(t, fs.region.Bytes()).ReplayedRecords)
	}
	look()
	h := rich(t, fs)
	look()
	b := builder{t: t, fs: fs}
	for i := range 100 {
		d := b.dir(fs.Root(), fmt.Sprintf("later%d", i))
		b.write(b.file(d, "f", i*100), 1<<20, i*200)
		if i%10 == 0 {
			look()
		}
		if i%25 == 0 {
			b.ok(fs.SyncAll())
			look()
		}
	}
	b.ok(fs.Release(h))
	look()
	if replayed == 0 {
		t.Error("no copy had a window to replay")
	}
	checkFS(t, fs)
	b.ok(fs.Close())
}

// A power cut spares any of the stores that no fence had reached: here none of them.
func TestCheckAfterLosingUnfencedStores(t *testing.T) {
	fs, err := OpenMemory(32<<20, DomainCacheFlush, Options{NoBackground: true})
	if err != nil {
		t.Fatal(err)
	}
	durable := bytes.Clone(fs.region.Bytes())
	fs.region.SetPersistHook(pmem.Before(func(r pmem.Range) error { return nil }))
	b := builder{t: t, fs: fs}
	d := b.dir(fs.Root(), "d")
	for i := range 200 {
		b.file(d, fmt.Sprintf("f%d", i), 300)
	}
	// Only the ring was fenced since the copy was made: the copy with that ring is the medium after the cut.
	copy(durable[fs.super().RingOffset():][:fs.super().RingBytes()], fs.region.Bytes()[fs.super().RingOffset():])
	r := checkMedium(t, durable)
	if r.Files != 200 || r.ReplayedRecords < 201 {
		t.Errorf("%d files, %d records", r.Files, r.ReplayedRecords)
	}
	b.ok(fs.Close())
}

func TestCheckRefuses(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, p []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, p, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, x := range []struct {
		path string
		want error
	}{
		{filepath.Join(dir, "missing"), os.ErrNotExist},
		{write("empty", nil), ErrNotImage},
		{write("short", []byte("x")), ErrNotImage},
		{write("foreign", bytes.Repeat([]byte("foreign "), 1<<20)), ErrNotImage},
		{dir, ErrNotImage},
	} {
		if r, err := Check(x.path, CheckOptions{}); !errors.Is(err, x.want) || r != nil {
			t.Errorf("%s: %v", x.path, err)
		}
	}
}

func TestCheckReportsTruncation(t *testing.T) {
	path := image(t, 64<<20)
	if err := os.Truncate(path, 40<<20); err != nil {
		t.Fatal(err)
	}
	r, err := Check(path, CheckOptions{})
	if err != nil || len(r.Faults) != 1 || r.Stopped == "" || !strings.Contains(r.Faults[0].Found, "41943040 bytes") {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestCheckLeavesTheImageAlone(t *testing.T) {
	path := image(t, 64<<20)
	sum := func() [32]byte {
		p, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return sha256.Sum256(p)
	}
	p, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 4000 {
		p[(i*104729)%len(p)] ^= 0x10
	}
	if err := os.WriteFile(path, p, 0o600); err != nil {
		t.Fatal(err)
	}
	before := sum()
	var last, of int64
	r, err := Check(path, CheckOptions{Progress: func(done, total int64) { last, of = done, total }})
	if err != nil || r.Clean() {
		t.Fatalf("%+v, %v", r, err)
	}
	if sum() != before {
		t.Error("the image has changed")
	}
	if last == 0 || last != of {
		t.Errorf("progress ended at %d of %d", last, of)
	}
}
