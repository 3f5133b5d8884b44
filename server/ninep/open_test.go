package ninep_test

import (
	"bytes"
	"fmt"
	"sync"
	"syscall"
	"testing"

	"pmemfs/server/ninep"
	"pmemfs/server/ninetest"
)

const (
	openWRONLY    = 1
	openAPPEND    = 0o2000
	openDIRECTORY = 0o200000
	linuxAsks     = uint64(0x17ff) // the mask of Linux's Tgetattr
)

// TestAppend has several clients append to one file, each at the offset that it takes for the end: every line is there, and whole.
func TestAppend(t *testing.T) {
	f := serve(t, ninep.Limits{})
	f.file(f.mount(0), 1, "log", "", 0o644)
	const writers, lines = 4, 50
	var wg sync.WaitGroup
	for w := range writers {
		c := f.mount(0)
		flags := []uint32{openWRONLY, openRDWR}[w%2] | openAPPEND
		f.walk(c, 0, 1)
		f.ok(c.Create(1, "log", flags, 0o644, 0)) // which opens it
		wg.Go(func() {
			for i := range lines {
				line := fmt.Appendf(nil, "%d-%d\n", w, i)
				if n, err := c.Write(1, uint64(i), line); err != nil || int(n) != len(line) {
					t.Errorf("%d, %v", n, err)
				}
			}
		})
	}
	wg.Wait()
	c := f.mount(0)
	f.walk(c, 0, 1, "log")
	f.ok(c.Open(1, 0))
	got, err := c.Read(1, 0, 100_000)
	f.ok(err)
	next := [writers]int{}
	for line := range bytes.Lines(got) {
		var w, i int
		if n, err := fmt.Sscanf(string(line), "%d-%d\n", &w, &i); n != 2 || err != nil || i != next[w] {
			t.Fatalf("line %q, where %v are next: %v", line, next, err)
		}
		next[w]++
	}
	if next != [writers]int{lines, lines, lines, lines} {
		t.Errorf("lines of each: %v", next)
	}
}

// TestAppendOfPages sends what Linux sends when it caches writes: a page by way of a file that is open for both, and for appending. It goes
// where the page is, until the client shows that it is not one of those.
func TestAppendOfPages(t *testing.T) {
	f := serve(t, ninep.Limits{})
	c := f.mount(0)
	f.file(c, 1, "f", "0123456789", 0o644)
	f.ok(c.Do(ninetest.Clunk, uint32(1)))
	f.walk(c, 0, 1, "f")
	f.ok(c.Open(1, openRDWR|openAPPEND))
	write := func(off uint64, data, want string) {
		t.Helper()
		if n, err := c.Write(1, off, []byte(data)); err != nil || int(n) != len(data) {
			t.Errorf("%d, %v", n, err)
		}
		f.reads(c, 1, want)
	}
	write(0, "abc", "0123456789abc")
	_, err := c.Call(ninetest.Getattr, uint32(1), linuxAsks)
	f.ok(err)
	write(0, "0123456789abcdef", "0123456789abcdef")
	f.file(c, 2, "secret", "", 0o200)
	as := uint32(1000)
	f.ok(c.Attach(9, "/", as))
	f.ok(setattr(c, 2, 1, 0o222, 0, 0, 0, 0, 0, 0, 0))
	f.walk(c, 9, 3, "secret")
	f.fails(syscall.EACCES, c.Open(3, openRDWR))
	f.ok(c.Open(3, openWRONLY)) // since it may not read; this says nothing
	write(0, "0123456789abcdefg", "0123456789abcdefg")
	f.walk(c, 0, 4, "f")
	f.ok(c.Open(4, openWRONLY))
	write(0, "h", "0123456789abcdefgh")
}

// TestOpenFlags opens and makes files with flags that mean something, nothing, or nothing that anybody knows.
func TestOpenFlags(t *testing.T) {
	f := serve(t, ninep.Limits{})
	c := f.mount(0)
	f.file(c, 1, "f", "content", 0o644)
	_, err := c.Made(ninetest.Symlink, uint32(0), "l", "f", uint32(0))
	f.ok(err)
	open := func(want error, name string, flags uint32) {
		t.Helper()
		f.walk(c, 0, 2, name)
		if err := c.Open(2, flags); err != want {
			t.Errorf("open %s with %#o: %v, want %v", name, flags, err, want)
		}
		f.ok(c.Do(ninetest.Clunk, uint32(2)))
	}
	const nothing = 0o100 | openEXCL | 0o400 | 0o4000 | 0o10000 | 0o20000 | 0o40000 | 0o100000 | 0o400000 | 0o1000000 | 0o2000000 | 0o4000000
	open(nil, "f", openRDWR|nothing)
	open(syscall.EINVAL, "f", 3)
	open(syscall.EINVAL, "f", 0o10000000)              // O_PATH
	open(syscall.EINVAL, "f", openRDWR|0o20200000)     // O_TMPFILE
	open(syscall.EINVAL, "f", 1<<31)                   // nobody's
	open(syscall.ELOOP, "l", 0)                        // links are the client's to follow
	open(syscall.ENOTDIR, "f", openDIRECTORY)          //
	open(syscall.EISDIR, "..", openRDWR|openDIRECTORY) //
	open(nil, "..", openDIRECTORY|openAPPEND)          //
	open(syscall.EINVAL, "..", openDIRECTORY|1<<30)    //
	create := func(want error, name string, flags, mode uint32) {
		t.Helper()
		f.walk(c, 0, 2)
		if err := c.Create(2, name, flags, mode, 0); err != want {
			t.Errorf("create %s with %#o, %#o: %v, want %v", name, flags, mode, err, want)
		}
		f.ok(c.Do(ninetest.Clunk, uint32(2)))
	}
	create(syscall.EEXIST, "f", openRDWR|openEXCL, 0o644)
	create(syscall.EINVAL, "new", openRDWR|openDIRECTORY, 0o644)
	create(syscall.EINVAL, "new", openRDWR, 0o40644) // of a directory
	create(syscall.EINVAL, "new", openRDWR, 1<<20)
	create(syscall.EINVAL, "new", openRDWR|1<<30, 0o644)
	create(syscall.ELOOP, "l", openRDWR, 0o644)
	f.reads(c, 1, "content")
	create(nil, "f", openRDWR|openTRUNC|openAPPEND, 0o644)
	f.reads(c, 1, "")
	create(nil, "new", openRDWR|nothing, 0o100644)
	for kind, fields := range map[uint8][]any{
		ninetest.Mkdir:    {uint32(0), "d", uint32(0o100755), uint32(0)},
		ninetest.Mknod:    {uint32(0), "p", uint32(1<<16 | 0o10644), uint32(0), uint32(0), uint32(0)},
		ninetest.Unlinkat: {uint32(0), "f", uint32(1)},
	} {
		f.fails(syscall.EINVAL, c.Do(kind, fields...))
	}
}

// TestNoIDs sends ids that are none: as chown(2) has it they change nothing, and a user without a number or a known name is anonymous.
func TestNoIDs(t *testing.T) {
	f := serve(t, ninep.Limits{})
	c := f.mount(0)
	f.walk(c, 0, 1)
	f.ok(c.Create(1, "f", openRDWR, 0o644, ninetest.NoUID))
	owned := func(fid, uid, gid uint32) {
		t.Helper()
		if a, err := c.Getattr(fid); err != nil || a.UID != uid || a.GID != gid {
			t.Errorf("of %d and %d, want %d and %d, %v", a.UID, a.GID, uid, gid, err)
		}
	}
	owned(1, 0, 0)
	f.ok(setattr(c, 1, 2|4, 0, 7, 8, 0, 0, 0, 0, 0))
	f.ok(setattr(c, 1, 2, 0, ninetest.NoUID, 0, 0, 0, 0, 0, 0))
	owned(1, 7, 8)
	f.ok(setattr(c, 1, 2|4, 0, 9, ninetest.NoUID, 0, 0, 0, 0, 0))
	owned(1, 9, 8)
	f.ok(setattr(c, 1, 2|4, 0, ninetest.NoUID, 9, 0, 0, 0, 0, 0))
	owned(1, 9, 9)
	for _, kind := range []uint8{ninetest.Mkdir, ninetest.Symlink, ninetest.Mknod} {
		fields := map[uint8][]any{
			ninetest.Mkdir: {uint32(0), "d", uint32(0o755), ninetest.NoUID}, ninetest.Symlink: {uint32(0), "s", "f", ninetest.NoUID},
			ninetest.Mknod: {uint32(0), "p", uint32(0o10644), uint32(0), uint32(0), ninetest.NoUID},
		}[kind]
		_, err := c.Made(kind, fields...)
		f.ok(err)
		f.walk(c, 0, 2, fields[1].(string))
		owned(2, 0, 0)
		f.ok(c.Do(ninetest.Clunk, uint32(2)))
	}
	f.ok(setattr(c, 0, 1, 0o777, 0, 0, 0, 0, 0, 0, 0))
	_, err := c.Made(ninetest.Attach, uint32(3), ninetest.NoFid, "", "/", ninetest.NoUID)
	f.ok(err)
	f.ok(c.Create(3, "anonymous", openRDWR, 0o644, ninetest.NoUID))
	owned(3, 65534, 65534)
}
