package ninep_test

import (
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"testing"

	"pmemfs/server/export"
	"pmemfs/server/ninep"
	"pmemfs/server/ninetest"
)

// setattr sends a Tsetattr.
func setattr(c *ninetest.Client, fid, valid, mode, uid, gid uint32, size uint64, times ...uint64) error {
	t := [4]uint64{}
	copy(t[:], times)
	return c.Do(ninetest.Setattr, fid, valid, mode, uid, gid, size, t[0], t[1], t[2], t[3])
}

// TestOpenKeeps checks that an open fid keeps its access, whatever becomes of the mode, and its file, whatever becomes of the name.
func TestOpenKeeps(t *testing.T) {
	f := serve(t, ninep.Limits{})
	root := f.mount(0)
	f.ok(setattr(root, 0, 1, 0o777, 0, 0, 0))
	c := f.mount(1000)
	f.file(c, 1, "f", "content", 0o400) // open for writing, whatever its mode
	f.walk(c, 1, 2)
	f.fails(syscall.EACCES, c.Open(2, 1))
	f.ok(c.Open(2, 0))
	_, err := c.Write(2, 0, []byte("x"))
	f.fails(syscall.EBADF, err)
	f.walk(root, 0, 1, "f")
	f.ok(setattr(root, 1, 1|2, 0o4700, 0, 0, 0)) // another's now
	f.reads(c, 2, "content")
	f.ok(setattr(c, 1, 8|0x20|0x40, 0, 0, 0, 3)) // as ftruncate(2) of Linux
	_, err = c.Write(1, 3, []byte("tent"))
	f.ok(err)
	f.reads(c, 2, "content")
	if a, err := c.Getattr(1); err != nil || a.Mode != 0o100700 {
		t.Errorf("mode %o, %v: a write leaves no set-id bit", a.Mode, err)
	}
	f.fails(syscall.EPERM, setattr(c, 1, 1, 0o777, 0, 0, 0))
	f.ok(root.Do(ninetest.Unlinkat, uint32(0), "f", uint32(0)))
	f.reads(c, 2, "content")
	_, err = c.Write(1, 7, []byte("s"))
	f.ok(err)
	f.reads(c, 2, "contents")
	if a, err := c.Getattr(2); err != nil || a.Nlink != 0 || a.Size != 8 {
		t.Errorf("without a name: %+v, %v", a, err)
	}
	f.ok(c.Do(ninetest.Fsync, uint32(1), uint32(0)))
	f.ok(c.Do(ninetest.Fsync, uint32(1)))
	f.ok(c.Do(ninetest.Clunk, uint32(1)))
	f.reads(c, 2, "contents")
	f.ok(c.Do(ninetest.Clunk, uint32(2)))
	_, err = root.Getattr(1)
	f.fails(syscall.ESTALE, err)
}

// TestCreate checks creates of names that are there, and flags.
func TestCreate(t *testing.T) {
	f := serve(t, ninep.Limits{})
	c := f.mount(0)
	f.file(c, 1, "f", "content", 0o644)
	f.walk(c, 0, 2)
	f.fails(syscall.EEXIST, c.Create(2, "f", openRDWR|openEXCL, 0o600, 0))
	f.ok(c.Create(2, "f", openRDWR, 0o600, 0))
	f.reads(c, 2, "content")
	f.walk(c, 0, 3)
	f.ok(c.Create(3, "f", openRDWR|openTRUNC, 0o600, 0))
	f.reads(c, 2, "")
	f.fails(syscall.EBADF, c.Create(3, "g", openRDWR, 0o600, 0)) // of a file that is open
	f.walk(c, 0, 4)
	_, err := c.Made(ninetest.Symlink, uint32(0), "l", "f", uint32(0))
	f.ok(err)
	f.fails(syscall.ELOOP, c.Create(4, "l", openRDWR, 0o600, 0))
	f.fails(syscall.EISDIR, c.Create(4, ".", openRDWR, 0o600, 0))
	f.fails(syscall.ENOENT, c.Create(4, "", openRDWR, 0o600, 0))
	f.fails(syscall.EINVAL, c.Create(4, "a/b", openRDWR, 0o600, 0))
	f.fails(syscall.EINVAL, c.Create(4, "a\x00b", openRDWR, 0o600, 0))
	f.fails(syscall.ENAMETOOLONG, c.Create(4, strings.Repeat("n", 256), openRDWR, 0o600, 0))
	f.ok(c.Create(4, strings.Repeat("n", 255), 0, 0o6755, 0))
	if a, err := c.Getattr(4); err != nil || a.Mode != 0o106755 {
		t.Errorf("mode %o, %v", a.Mode, err)
	}
	f.fails(syscall.EBADF, c.Open(4, 0)) // open already
	for _, o := range []struct {
		name  string
		flags uint32
		want  syscall.Errno
	}{{"f", 3, syscall.EINVAL}, {"f", 0o200000, syscall.ENOTDIR}, {".", 1, syscall.EISDIR}, {".", openTRUNC, syscall.EISDIR}, {"l", 0, syscall.ELOOP}} {
		f.walk(c, 0, 9, o.name)
		f.fails(o.want, c.Open(9, o.flags))
		f.ok(c.Do(ninetest.Clunk, uint32(9)))
	}
}

// TestNodes checks what is made, by its attributes.
func TestNodes(t *testing.T) {
	f := serve(t, ninep.Limits{})
	c := f.mount(0)
	const root = uint32(0)
	for name, mode := range map[string]uint32{"fifo": 0o10644, "socket": 0o140600, "char": 0o20600, "block": 0o60600, "file": 0o100644, "plain": 0o4755} {
		_, err := c.Made(ninetest.Mknod, root, name, mode, uint32(0x123), uint32(0x45678), uint32(7))
		f.ok(err)
		f.walk(c, 0, 1, name)
		a, err := c.Getattr(1)
		if mode>>12 == 0 {
			mode |= 0o100000
		}
		if err != nil || a.Mode != mode || a.GID != 7 || a.Nlink != 1 {
			t.Errorf("%s: %+v, %v", name, a, err)
		}
		if device := name == "char" || name == "block"; device && a.Rdev != 0x45612378 || !device && a.Rdev != 0 {
			t.Errorf("%s: device %#x", name, a.Rdev)
		}
		if err := c.Open(1, 0); (err == nil) != (mode>>12 == 8) {
			t.Errorf("open of %s: %v", name, err)
		}
		f.ok(c.Do(ninetest.Clunk, uint32(1)))
	}
	_, err := c.Made(ninetest.Mknod, root, "d", uint32(0o40755), uint32(0), uint32(0), uint32(0))
	f.fails(syscall.EINVAL, err)
	q, err := c.Made(ninetest.Symlink, root, "link", "where/to", uint32(0))
	if err != nil || q.Type != 2 {
		t.Errorf("a link is %+v, %v", q, err)
	}
	f.walk(c, 0, 1, "link")
	a, err := c.Call(ninetest.Readlink, uint32(1))
	if err != nil || a.String() != "where/to" {
		t.Errorf("readlink: %v", err)
	}
	f.walk(c, 0, 2, "file")
	f.ok(c.Do(ninetest.Link, root, uint32(2), "second"))
	f.fails(syscall.EEXIST, c.Do(ninetest.Link, root, uint32(2), "second"))
	if a, err := c.Getattr(2); err != nil || a.Nlink != 2 {
		t.Errorf("two names: %+v, %v", a, err)
	}
	_, err = c.Made(ninetest.Mkdir, root, "d", uint32(0o1777), uint32(0))
	f.ok(err)
	f.walk(c, 0, 3, "d")
	if a, err := c.Getattr(3); err != nil || a.Mode != 0o41777 || a.Nlink != 2 {
		t.Errorf("a directory: %+v, %v", a, err)
	}
	st, err := c.Call(ninetest.Statfs, root)
	f.ok(err)
	if typ, block := st.Uint32(), st.Uint32(); typ != 0x01021997 || block != 4096 {
		t.Errorf("statfs: type %#x, blocks of %d", typ, block)
	}
	if blocks := st.Uint64(); blocks*4096 > imageBytes || blocks*4096 < imageBytes/2 {
		t.Errorf("statfs: %d blocks", blocks)
	}
	st.Bytes(4*8 + 8)
	if name := st.Uint32(); name != 255 || st.Done() != nil {
		t.Errorf("statfs: names of %d, %v", name, st.Done())
	}
}

// TestNames checks renames and removals, by directories and by fids.
func TestNames(t *testing.T) {
	f := serve(t, ninep.Limits{})
	c := f.mount(0)
	const root = uint32(0)
	for _, d := range []string{"a", "b"} {
		_, err := c.Made(ninetest.Mkdir, root, d, uint32(0o755), uint32(0))
		f.ok(err)
	}
	f.walk(c, 0, 1, "a")
	f.walk(c, 0, 2, "b")
	f.file(c, 3, "f", "f", 0o644)
	f.file(c, 4, "g", "g", 0o644)
	f.ok(c.Do(ninetest.Renameat, root, "f", uint32(1), "f"))
	f.fails(syscall.ENOENT, c.Do(ninetest.Renameat, root, "f", uint32(1), "f"))
	f.ok(c.Do(ninetest.Renameat, root, "g", uint32(1), "f")) // over the other
	f.reads(c, 3, "f")
	f.walk(c, 0, 5, "a", "f")
	f.ok(c.Do(ninetest.Rename, uint32(5), uint32(2), "h"))
	f.walk(c, 0, 6, "b", "h")
	f.ok(c.Do(ninetest.Rename, uint32(5), uint32(1), "h")) // it knows its new name
	f.fails(syscall.ENOENT, c.Do(ninetest.Rename, uint32(6), uint32(1), "i"))
	f.fails(syscall.EBUSY, c.Do(ninetest.Rename, root, uint32(1), "i"))
	f.fails(syscall.EINVAL, c.Do(ninetest.Renameat, root, "a", uint32(1), "a"))
	f.fails(syscall.EISDIR, c.Do(ninetest.Unlinkat, root, "a", uint32(0)))
	f.fails(syscall.ENOTEMPTY, c.Do(ninetest.Unlinkat, root, "a", uint32(0x200)))
	f.fails(syscall.EINVAL, c.Do(ninetest.Unlinkat, root, "a", uint32(1)))
	f.ok(c.Do(ninetest.Remove, uint32(5)))
	f.fails(syscall.EBADF, c.Do(ninetest.Clunk, uint32(5)))   // gone with its file
	f.fails(syscall.ENOENT, c.Do(ninetest.Remove, uint32(6))) // this one too, though its file was not there
	f.fails(syscall.EBADF, c.Do(ninetest.Clunk, uint32(6)))
	f.reads(c, 4, "g") // open
	f.ok(c.Do(ninetest.Remove, uint32(1)))
	f.ok(c.Do(ninetest.Unlinkat, root, "b", uint32(0x200)))
	f.fails(syscall.ENOENT, c.Do(ninetest.Unlinkat, root, "b", uint32(0x200)))
	// Another file under the name is left alone.
	f.file(c, 7, "n", "old", 0o644)
	f.ok(c.Do(ninetest.Renameat, root, "n", root, "o"))
	f.file(c, 8, "n", "new", 0o644)
	f.fails(syscall.ESTALE, c.Do(ninetest.Remove, uint32(7)))
	f.reads(c, 8, "new")
}

// TestSetattr checks the bits one by one, and times before 1970 and far beyond.
func TestSetattr(t *testing.T) {
	f := serve(t, ninep.Limits{})
	c := f.mount(0)
	f.file(c, 1, "f", "content", 0o644)
	before, err := c.Getattr(1)
	f.ok(err)
	f.ok(setattr(c, 1, 1|2|4|8|0x10|0x20|0x80|0x100, 0o4711, 5, 6, 3, 1, 2, ^uint64(0), 999999999))
	a, err := c.Getattr(1)
	if err != nil || a.Mode != 0o104711 || a.UID != 5 || a.GID != 6 || a.Size != 3 || a.Atime != 1000000002 || a.Mtime != -1 || a.Ctime <= before.Ctime {
		t.Errorf("%+v, %v", a, err)
	}
	if a.Valid != 0x3fff || a.Qid != before.Qid || a.DataVersion <= before.DataVersion || a.Gen != before.Gen {
		t.Errorf("versions: %+v, %+v", before, a)
	}
	f.ok(setattr(c, 1, 0x10|0x20, 0, 0, 0, 0, 7, 7, 7, 7)) // now
	if a, err := c.Getattr(1); err != nil || a.Atime < before.Atime || a.Mtime < before.Mtime || a.UID != 5 || a.Size != 3 {
		t.Errorf("%+v, %v", a, err)
	}
	f.ok(setattr(c, 1, 0x20|0x100, 0, 0, 0, 0, 0, 0, 1<<62, 0))
	if a, err := c.Getattr(1); err != nil || a.Mtime < 9e18 {
		t.Errorf("%+v, %v", a, err)
	}
	f.fails(syscall.EINVAL, setattr(c, 1, 0x20|0x100, 0, 0, 0, 0, 0, 0, 0, 1e9))
	f.fails(syscall.EINVAL, setattr(c, 1, 1<<9, 0, 0, 0, 0))
	f.fails(syscall.EISDIR, setattr(c, 0, 8, 0, 0, 0, 0))
}

// TestSetIDByOthers has somebody write to another's set-id file as Linux does: it asks for a mode without those bits first, or with
// the size.
func TestSetIDByOthers(t *testing.T) {
	f := serve(t, ninep.Limits{})
	root, c := f.mount(0), f.mount(1000)
	f.file(root, 1, "f", "content", 0o6777)
	f.walk(c, 0, 1, "f")
	f.ok(setattr(c, 1, 1|8, 0o777, 0, 0, 2))
	if a, err := c.Getattr(1); err != nil || a.Mode != 0o100777 || a.Size != 2 {
		t.Errorf("truncated: %+v, %v", a, err)
	}
	f.ok(setattr(root, 1, 1, 0o6777, 0, 0, 0))
	f.ok(setattr(c, 1, 1|8|0x20|0x40, 0o777, 0, 0, 1))
	if a, err := c.Getattr(1); err != nil || a.Mode != 0o100777 || a.Size != 1 {
		t.Errorf("truncated open: %+v, %v", a, err)
	}
	f.ok(setattr(root, 1, 1, 0o6777, 0, 0, 0))
	f.fails(syscall.EPERM, setattr(c, 1, 1, 0o776, 0, 0, 0))
	f.fails(syscall.EPERM, setattr(c, 1, 1, 0o7777, 0, 0, 0))
	f.ok(setattr(c, 1, 1, 0o777, 0, 0, 0))
	// What is written then may come as root's.
	if a, err := c.Getattr(1); err != nil || a.Mode != 0o100777 {
		t.Errorf("about to be written to: %o, %v", a.Mode, err)
	}
	f.ok(setattr(root, 1, 1, 0o6777, 0, 0, 0))
	f.ok(c.Open(1, 1))
	_, err := c.Write(1, 0, []byte("x"))
	f.ok(err)
	if a, err := c.Getattr(1); err != nil || a.Mode != 0o100777 {
		t.Errorf("written to: %o, %v", a.Mode, err)
	}
	f.ok(setattr(root, 1, 1, 0o6755, 0, 0, 0))
	f.walk(c, 0, 2, "f")
	f.fails(syscall.EPERM, setattr(c, 2, 1, 0o755, 0, 0, 0)) // who may not write
	f.ok(setattr(c, 1, 1, 0o755, 0, 0, 0))                   // who could when the file was opened
}

// TestReadOnly checks that a read-only export refuses every change and nothing else.
func TestReadOnly(t *testing.T) {
	f := serve(t, ninep.Limits{})
	c := f.mount(0)
	f.file(c, 1, "f", "content", 0o644)
	f.walk(c, 0, 2, "f")
	f.walk(c, 0, 3, "f")
	e := export.Default()
	e.Squash, e.ReadOnly = export.SquashNone, true
	f.export(e)
	for _, kind := range []uint8{ninetest.Lcreate, ninetest.Symlink, ninetest.Mknod, ninetest.Rename, ninetest.Setattr,
		ninetest.Xattrcreate, ninetest.Link, ninetest.Mkdir, ninetest.Renameat, ninetest.Unlinkat, ninetest.Write} {
		f.fails(syscall.EROFS, c.Do(kind, ninetest.Raw(samples()[kind])))
	}
	f.fails(syscall.EROFS, c.Open(2, openRDWR))
	f.fails(syscall.EROFS, c.Open(2, openTRUNC))
	f.ok(c.Open(2, 0))
	f.reads(c, 2, "content")
	_, err := c.Lock(2, 1, 0, 0, 0, 1, "c")
	f.fails(syscall.EROFS, err)
	f.fails(syscall.EROFS, c.Do(ninetest.Remove, uint32(3)))
	f.fails(syscall.EBADF, c.Do(ninetest.Clunk, uint32(3)))
}

// TestExportClosed checks that a client which is not let in any more can give its fids up, and do nothing else by that.
func TestExportClosed(t *testing.T) {
	f := serve(t, ninep.Limits{})
	c := f.mount(0)
	f.file(c, 1, "f", "content", 0o644)
	f.walk(c, 0, 2, "f")
	f.walk(c, 0, 3, "f")
	f.ok(c.Do(ninetest.Xattrcreate, uint32(3), "user.a", uint64(0), uint32(0)))
	open, closed := export.Default(), export.Default()
	open.Squash = export.SquashNone
	closed.Clients = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	f.export(closed)
	_, err := c.Read(1, 0, 1)
	f.fails(syscall.EACCES, err)
	f.fails(syscall.EACCES, c.Do(ninetest.Remove, uint32(2)))
	f.fails(syscall.EACCES, c.Do(ninetest.Clunk, uint32(3))) // would set the attribute
	f.ok(c.Do(ninetest.Clunk, uint32(1)))
	f.export(open)
	for fid := uint32(1); fid <= 3; fid++ {
		f.fails(syscall.EBADF, c.Do(ninetest.Clunk, fid))
	}
	f.walk(c, 0, 1, "f")
	_, err = getXattr(c, 1, "user.a")
	f.fails(syscall.ENODATA, err)
}

// TestReaddir lists a directory in pieces while it changes: what is there throughout is seen once.
func TestReaddir(t *testing.T) {
	f := serve(t, ninep.Limits{})
	c := f.mount(0)
	_, err := c.Made(ninetest.Mkdir, uint32(0), "d", uint32(0o755), uint32(0))
	f.ok(err)
	f.walk(c, 0, 1, "d")
	for i := range 500 {
		_, err := c.Made(ninetest.Mknod, uint32(1), fmt.Sprint("stays", i), uint32(0o644), uint32(0), uint32(0), uint32(0))
		f.ok(err)
	}
	f.walk(c, 1, 2)
	_, err = c.Readdir(2, 0, 4096)
	f.fails(syscall.EBADF, err)
	f.ok(c.Open(2, 0))
	_, err = c.Read(2, 0, 10)
	f.fails(syscall.EISDIR, err)
	_, err = c.Readdir(2, 0, 20)
	f.fails(syscall.EINVAL, err)
	seen, off := map[string]int{}, uint64(0)
	for round := 0; ; round++ {
		list, err := c.Readdir(2, off, 1000)
		f.ok(err)
		if len(list) == 0 {
			break
		}
		for _, e := range list {
			seen[e.Name]++
			off = e.Offset
			if want := map[bool]uint8{true: 4, false: 8}[strings.HasPrefix(e.Name, ".")]; e.Type != want || (e.Qid.Type == 0x80) != (want == 4) {
				t.Errorf("%+v", e)
			}
		}
		_, err = c.Made(ninetest.Mknod, uint32(1), fmt.Sprint("new", round), uint32(0o644), uint32(0), uint32(0), uint32(0))
		f.ok(err)
	}
	for i := range 500 {
		if n := seen[fmt.Sprint("stays", i)]; n != 1 {
			t.Errorf("name %d was seen %d times", i, n)
		}
	}
	if seen["."] != 1 || seen[".."] != 1 {
		t.Errorf(". and ..: %d, %d", seen["."], seen[".."])
	}
}

// TestLargeData writes and reads as much as a message holds.
func TestLargeData(t *testing.T) {
	f := serve(t, ninep.Limits{})
	c := f.mount(0)
	f.walk(c, 0, 1)
	f.ok(c.Create(1, "f", openRDWR, 0o644, 0))
	data := []byte(strings.Repeat("0123456789abcdef", (messageBytes-24)/16))
	for i := range 3 {
		if n, err := c.Write(1, uint64(i*len(data)), data); err != nil || int(n) != len(data) {
			t.Fatalf("write: %d, %v", n, err)
		}
		got, err := c.Read(1, uint64(i*len(data)), messageBytes)
		if err != nil || string(got) != string(data) {
			t.Fatalf("read: %d bytes, %v", len(got), err)
		}
	}
	if got, err := c.Read(1, uint64(3*len(data)-5), 100); err != nil || len(got) != 5 {
		t.Errorf("read at the end: %d bytes, %v", len(got), err)
	}
	if got, err := c.Read(1, 1<<62, messageBytes); err != nil || len(got) != 0 {
		t.Errorf("read behind the end: %d bytes, %v", len(got), err)
	}
	_, err := c.Write(1, 1<<63, []byte("x"))
	f.fails(syscall.EFBIG, err)
}
