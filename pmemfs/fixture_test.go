package pmemfs

import (
	"bytes"
	"errors"
	"fmt"
	"pmemfs/pmemfs/internal/check"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/pmem"
	"testing"
)

// lazyFS is a filesystem in memory where a fence is dear.
func lazyFS(t testing.TB, size int64) *FS {
	t.Helper()
	fs, err := OpenMemory(size, DomainPageCache, Options{NoBackground: true})
	must(t, err)
	return fs
}

// lazyBytes mounts a copy of a medium where a fence is dear.
func lazyBytes(t testing.TB, medium []byte) *FS {
	t.Helper()
	region, err := pmem.NewMemory(int64(len(medium)), pmem.PageCache)
	must(t, err)
	region.Write(0, medium)
	fs, err := mount(region, Options{NoBackground: true})
	must(t, err)
	return fs
}

// writeUnstable writes unstable, and says so if that was not what happened.
func writeUnstable(t testing.TB, fs *FS, h Handle, p []byte, off uint64) Attr {
	t.Helper()
	n, stable, a, err := fs.WriteUnstable(superuser, nil, h, p, off)
	if err != nil || n != len(p) || stable {
		t.Fatalf("%d of %d bytes, stable %v, %v", n, len(p), stable, err)
	}
	return a
}

func mkfile(t testing.TB, fs *FS, name string) Handle {
	t.Helper()
	a, err := fs.Create(superuser, nil, fs.Root(), []byte(name), &CreateOptions{})
	must(t, err)
	return a.Handle
}

// fixture is a filesystem with something of everything, its window empty.
type fixture struct {
	fs              *FS
	c               Cred
	call            *Call // of calls that ask for something, or learn it
	root            Handle
	file, big, tree Handle
	listed          Handle // a directory with the longest lists
	t               testing.TB
}

func newFixture(t testing.TB, sums bool) *fixture {
	f := &fixture{fs: memFSWith(t, 64<<20, sums), t: t}
	f.root = f.fs.Root()
	must := func(a Attr, err error) Handle {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return a.Handle
	}
	f.file = must(f.fs.Create(&f.c, f.call, f.root, []byte("file"), &CreateOptions{}))
	f.big = must(f.fs.Create(&f.c, f.call, f.root, []byte("big"), &CreateOptions{}))
	f.tree = must(f.fs.Mkdir(&f.c, f.call, f.root, []byte("tree"), nil))
	must(f.fs.Mkdir(&f.c, f.call, f.root, []byte("empty"), nil))
	must(f.fs.Symlink(&f.c, f.call, f.root, []byte("link"), []byte("target"), nil))
	f.listed = must(f.fs.Mkdir(&f.c, f.call, f.root, []byte("listed"), nil))
	if err := f.fs.SetACLs(&f.c, f.call, f.listed, ACLs{Access: longestACL(), Default: longestACL()}, ACLAccess|ACLDefault); err != nil {
		t.Fatal(err)
	}
	if _, _, err := f.fs.Write(&f.c, f.call, f.big, make([]byte, 4<<20), 0); err != nil {
		t.Fatal(err)
	}
	if _, _, err := f.fs.Write(&f.c, f.call, f.file, make([]byte, 4096), 0); err != nil {
		t.Fatal(err)
	}
	if err := f.fs.SyncAll(); err != nil {
		t.Fatal(err)
	}
	return f
}

// memFS returns a filesystem in memory whose checkpoints happen when the test says.
func memFS(t testing.TB, size int64) *FS { return memFSWith(t, size, false) }

// memFSWith is memFS with or without checksums of data.
func memFSWith(t testing.TB, size int64, sums bool) *FS {
	t.Helper()
	fs, err := OpenMemory(size, DomainCacheFlush, Options{NoBackground: true, DataChecksums: sums})
	if err != nil {
		t.Fatal(err)
	}
	return fs
}

// memoryOf returns a region of memory with a copy of a medium.
func memoryOf(t testing.TB, medium []byte) *pmem.Region {
	t.Helper()
	region, err := pmem.NewMemory(int64(len(medium)), pmem.CacheFlush)
	if err != nil {
		t.Fatal(err)
	}
	region.Write(0, medium)
	return region
}

// mountBytes mounts a copy of a medium.
func mountBytes(t testing.TB, medium []byte) *FS {
	t.Helper()
	fs, err := mount(memoryOf(t, medium), Options{NoBackground: true})
	if err != nil {
		t.Fatal(err)
	}
	return fs
}

// shadowMedium is what a power cut is certain to leave: a copy of the medium that takes in each range as it is fenced.
// The range of a fence may cover more than was flushed, which makes the test milder, not wrong.
func shadowMedium(fs *FS) []byte {
	sure := append([]byte{}, fs.region.Bytes()...)
	fs.region.SetPersistHook(pmem.Before(func(r pmem.Range) error {
		copy(sure[r.Off:r.Off+r.Len], fs.region.Bytes()[r.Off:])
		return nil
	}))
	return sure
}

func closeFS(t testing.TB, fs *FS) {
	t.Helper()
	if err := fs.Close(); err != nil {
		t.Fatal(err)
	}
}

// fences returns how many fences a call takes.
func (f *fixture) fences(call func() error) uint64 {
	f.t.Helper()
	before := f.fs.Counters().Fences
	must(f.t, call())
	return f.fs.Counters().Fences - before
}

// pieces makes a file of so many extents, no two of which join.
func (f *fixture) pieces(name string, extents int) Handle {
	f.t.Helper()
	a, err := f.fs.Create(&f.c, nil, f.root, []byte(name), &CreateOptions{})
	must(f.t, err)
	for i := range extents {
		_, _, err := f.fs.Write(&f.c, nil, a.Handle, make([]byte, layout.BlockSize), uint64(2*i)*layout.BlockSize)
		must(f.t, err)
	}
	must(f.t, f.fs.SyncAll())
	return a.Handle
}

// fill takes all inode numbers and then all space that ordinary operations may have.
func (b *bench) fill(d Handle) (big Handle, size uint64) {
	b.t.Helper()
	big = b.create(d, "big")
	for n := 1 << 20; n > 0; {
		m, _, err := b.Write(superuser, nil, big, make([]byte, n), size)
		size += uint64(m)
		if errors.Is(err, ErrNoSpace) {
			n /= 2
			continue
		}
		b.must(err)
	}
	for i := 0; ; i++ {
		_, err := b.Create(superuser, nil, d, fmt.Append(nil, "n", i), &CreateOptions{})
		if errors.Is(err, ErrNoSpace) {
			return big, size
		}
		b.must(err)
	}
}

// checkImage fails the test for each fault of the image at path, which is not open.
func checkImage(t testing.TB, path string) {
	t.Helper()
	r, err := Check(path, CheckOptions{Data: true})
	reportFaults(t, r, err)
}

// checkFS fails the test for each fault of an open filesystem.
func checkFS(t testing.TB, fs *FS) {
	t.Helper()
	r, err := fs.Check()
	reportFaults(t, r, err)
}

// checkMedium fails the test for each fault of a copy of a medium, as a crash leaves it.
func checkMedium(t testing.TB, medium []byte) *CheckReport {
	t.Helper()
	found, err := check.RunImage(check.Image{Bytes: medium, Data: true}, nil)
	r := checkReport(found)
	reportFaults(t, r, err)
	return r
}

func reportFaults(t testing.TB, r *CheckReport, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("check: %v", err)
		return
	}
	for i, f := range r.Faults {
		if i == 20 {
			t.Errorf("check: %d more faults", len(r.Faults)-i+r.Suppressed)
			break
		}
		t.Errorf("check: %v", f)
	}
	if r.Stopped != "" {
		t.Errorf("check: stopped: %s", r.Stopped)
	}
}

// create makes a file as root.
func (b *bench) create(dir Handle, name string) Handle {
	b.t.Helper()
	a, err := b.Create(superuser, nil, dir, []byte(name), &CreateOptions{})
	b.must(err)
	return a.Handle
}

func (b *bench) mkdir(dir Handle, name string) Handle {
	b.t.Helper()
	a, err := b.Mkdir(superuser, nil, dir, []byte(name), nil)
	b.must(err)
	return a.Handle
}

func (b *bench) write(h Handle, n int, off uint64) {
	b.t.Helper()
	_, _, err := b.Write(superuser, nil, h, bytes.Repeat([]byte{7}, n), off)
	b.must(err)
}

// names lists a directory without "." and "..".
func (b *bench) names(dir Handle) (list []string) {
	b.t.Helper()
	b.must(b.Readdir(superuser, nil, dir, cookieDotDot, false, func(e *DirEntry) bool {
		list = append(list, string(e.Name))
		return true
	}))
	return list
}

// namedOps are the operations that take a name, each with arguments that are otherwise good.
func (b *bench) namedOps(file Handle) map[string]func(dir Handle, name []byte) error {
	c := superuser
	return map[string]func(dir Handle, name []byte) error{
		"lookup": func(d Handle, n []byte) error { _, err := b.Lookup(c, nil, d, n); return err },
		"create": func(d Handle, n []byte) error {
			_, err := b.Create(c, nil, d, n, &CreateOptions{Mode: Guarded})
			return err
		},
		"mkdir":       func(d Handle, n []byte) error { _, err := b.Mkdir(c, nil, d, n, nil); return err },
		"symlink":     func(d Handle, n []byte) error { _, err := b.Symlink(c, nil, d, n, []byte("t"), nil); return err },
		"mknod":       func(d Handle, n []byte) error { _, err := b.Mknod(c, nil, d, n, TypeFIFO, 0, 0, nil); return err },
		"link":        func(d Handle, n []byte) error { _, err := b.Link(c, nil, file, d, n); return err },
		"unlink":      func(d Handle, n []byte) error { return b.Unlink(c, nil, d, n) },
		"rmdir":       func(d Handle, n []byte) error { return b.Rmdir(c, nil, d, n) },
		"rename from": func(d Handle, n []byte) error { return b.Rename(c, nil, d, n, b.root, []byte("to"), 0) },
		"rename to":   func(d Handle, n []byte) error { return b.Rename(c, nil, b.root, []byte("file"), d, n, 0) },
	}
}

// poison makes every access to a block fault until heal is called.
func poison(t *testing.T, region *pmem.Region, block uint64) (heal func()) {
	t.Helper()
	_, heal1, err := region.Poison(layout.BlockOffset(block))
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := heal1(); err != nil {
			t.Fatal(err)
		}
	}
}

// Users of the tests: an owner, a member of the file's group, one who has it as a supplementary group, a stranger.
var (
	superuser = &Cred{}
	owner     = &Cred{UID: 10, GID: 100}
	member    = &Cred{UID: 11, GID: 20}
	extra     = &Cred{UID: 12, GID: 300, Groups: []uint32{7, 20, 9}}
	stranger  = &Cred{UID: 13, GID: 300, Groups: []uint32{7}}
)

// bench is a filesystem for one test, which ends with a check.
type bench struct {
	*FS
	t    testing.TB
	root Handle
	file Handle // for tests that need one
	next uint64 // where the next write to it goes
}

func newBench(t testing.TB, size int64) *bench {
	t.Helper()
	b := &bench{FS: memFSWith(t, size, true), t: t} // checksums of data also find a write that goes astray
	b.root = b.Root()
	t.Cleanup(func() {
		checkFS(t, b.FS)
		closeFS(t, b.FS)
	})
	return b
}

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// want compares an error.
func (b *bench) want(what string, err, expected error) {
	b.t.Helper()
	if !errors.Is(err, expected) {
		b.t.Errorf("%s: %v, expected %v", what, err, expected)
	}
}

// own makes a file or a directory with owner 10, group 20 and a mode.
func (b *bench) own(dir Handle, name string, typ FileType, mode uint32) Handle {
	b.t.Helper()
	s := SetAttr{Mask: SetMode | SetUID | SetGID, Mode: mode, UID: owner.UID, GID: member.GID}
	var a Attr
	var err error
	if typ == TypeDir {
		a, err = b.Mkdir(superuser, nil, dir, []byte(name), &s)
	} else {
		a, err = b.Create(superuser, nil, dir, []byte(name), &CreateOptions{Attr: s})
	}
	b.must(err)
	return a.Handle
}

func (b *bench) mode(h Handle) uint32 {
	b.t.Helper()
	a, err := b.Getattr(nil, h)
	b.must(err)
	return a.Mode
}

// mountKept mounts a copy of a medium until the test ends.
func mountKept(t *testing.T, medium []byte) *FS {
	fs := mountBytes(t, medium)
	t.Cleanup(func() { checkFS(t, fs); closeFS(t, fs) })
	return fs
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
