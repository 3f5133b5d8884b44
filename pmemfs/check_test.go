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
)

var root = &Cred{}

// rich fills a filesystem with every kind of object that the format knows. It returns a handle that is held.
func rich(t testing.TB, fs *FS) Handle {
	t.Helper()
	b := builder{t: t, fs: fs}
	b.directories()
	b.files()
	b.attributes()
	b.others()
	h := b.file(fs.Root(), "unlinked", 5<<12)
	b.ok(fs.Hold(h))
	b.ok(fs.Unlink(root, fs.Root(), []byte("unlinked")))
	d := b.dir(fs.Root(), "removed")
	b.ok(fs.Hold(d))
	b.ok(fs.Rmdir(root, fs.Root(), []byte("removed")))
	return h
}

type builder struct {
	t  testing.TB
	fs *FS
}

func (b *builder) ok(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *builder) file(d Handle, name string, size int) Handle {
	b.t.Helper()
	a, err := b.fs.Create(root, d, []byte(name), &CreateOptions{})
	b.ok(err)
	b.write(a.Handle, 0, size)
	return a.Handle
}

func (b *builder) write(h Handle, off uint64, size int) {
	b.t.Helper()
	_, _, err := b.fs.Write(root, h, bytes.Repeat([]byte{0xa5}, size), off)
	b.ok(err)
}

func (b *builder) dir(d Handle, name string) Handle {
	b.t.Helper()
	a, err := b.fs.Mkdir(root, d, []byte(name), nil)
	b.ok(err)
	return a.Handle
}

// directories makes one of thousands of names, a deep path, and moves directories about.
func (b *builder) directories() {
	big := b.dir(b.fs.Root(), "big")
	for i := range 5000 {
		b.file(big, fmt.Sprintf("a name of middling length %d", i), i%100)
	}
	for i := range 1500 {
		b.ok(b.fs.Unlink(root, big, fmt.Appendf(nil, "a name of middling length %d", i*3)))
	}
	d := b.fs.Root()
	for i := range 40 {
		d = b.dir(d, fmt.Sprintf("deep%d", i))
	}
	from, to := b.dir(b.fs.Root(), "from"), b.dir(b.fs.Root(), "to")
	b.dir(from, "moves")
	b.file(b.dir(from, "swaps"), "inside", 10)
	b.file(to, "other", 20)
	b.dir(to, "empty")
	b.ok(b.fs.Rename(root, from, []byte("moves"), to, []byte("empty"), 0))
	b.ok(b.fs.Rename(root, from, []byte("swaps"), to, []byte("other"), RenameExchange))
}

// files makes fragmented, sparse, preallocated, truncated and punched files.
func (b *builder) files() {
	d := b.dir(b.fs.Root(), "files")
	frag, other := b.file(d, "fragmented", 0), b.file(d, "other", 0)
	for i := range uint64(700) {
		b.write(frag, 2*i<<12, 100)
		b.write(other, i<<12, 4096)
	}
	sparse := b.file(d, "sparse", 0)
	for i := range uint64(40) {
		b.write(sparse, 1<<(i+12), 5000)
	}
	b.ok(b.fs.Allocate(root, b.file(d, "preallocated", 6000), 0, 1<<20, true))
	b.ok(b.fs.PunchHole(root, b.file(d, "punched", 1<<20), 5000, 300000))
	cut := b.file(d, "cut", 1<<20)
	_, err := b.fs.Setattr(root, cut, &SetAttr{Mask: SetSize, Size: 5001})
	b.ok(err)
	_, err = b.fs.Setattr(root, cut, &SetAttr{Mask: SetSize, Size: 1 << 30})
	b.ok(err)
	gone := b.file(d, "gone", 0)
	for i := range uint64(600) {
		b.write(gone, 2*i<<12, 4096)
	}
	b.ok(b.fs.Unlink(root, d, []byte("gone")))
}

// attributes sets small and large extended attributes, replaces and removes some.
func (b *builder) attributes() {
	h := b.file(b.fs.Root(), "attributes", 1)
	for i := range 60 {
		name := fmt.Appendf(nil, "user.name%d", i)
		b.ok(b.fs.SetXattr(root, h, name, bytes.Repeat(name, i*i), 0))
		if i%4 == 0 {
			b.ok(b.fs.SetXattr(root, h, name, bytes.Repeat(name, 300), XattrReplace))
		}
		if i%5 == 0 {
			b.ok(b.fs.RemoveXattr(root, h, name))
		}
	}
	b.ok(b.fs.SetXattr(root, b.fs.Root(), []byte("user.onroot"), nil, 0))
}

// others makes links of both kinds and the special files.
func (b *builder) others() {
	d := b.dir(b.fs.Root(), "others")
	for _, n := range []int{1, 96, 97, SymlinkMax} {
		_, err := b.fs.Symlink(root, d, fmt.Appendf(nil, "link%d", n), bytes.Repeat([]byte{'x'}, n), nil)
		b.ok(err)
	}
	h := b.file(d, "hard", 3)
	for i := range 300 {
		_, err := b.fs.Link(root, h, d, fmt.Appendf(nil, "hard%d", i))
		b.ok(err)
	}
	for i, typ := range []FileType{TypeFIFO, TypeChar, TypeBlock, TypeSocket} {
		_, err := b.fs.Mknod(root, d, fmt.Appendf(nil, "node%d", i), typ, 7, 9, nil)
		b.ok(err)
	}
	_, err := b.fs.Create(root, d, []byte("exclusive"), &CreateOptions{Mode: Exclusive, Verifier: 77})
	b.ok(err)
}

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
	fs.region.SetPersistHook(func(r pmem.Range) error { return nil })
	b := builder{t: t, fs: fs}
	d := b.dir(fs.Root(), "d")
	for i := range 200 {
		b.file(d, fmt.Sprintf("f%d", i), 300)
	}
	// Only the ring was fenced since the copy was made: the copy with that ring is the medium after the cut.
	copy(durable[fs.sb.RingOffset():][:fs.sb.RingBytes()], fs.region.Bytes()[fs.sb.RingOffset():])
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
