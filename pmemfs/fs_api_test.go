package pmemfs

import (
	"bytes"
	"fmt"
	"math"
	"testing"

	"pmemfs/pmemfs/internal/layout"
)

// TestNames gives every operation every bad name.
func TestNames(t *testing.T) {
	b := newBench(t, 16<<20)
	file := b.create(b.root, "file")
	makes := map[string]bool{"create": true, "mkdir": true, "symlink": true, "mknod": true}
	for op, run := range b.namedOps(file) {
		for _, c := range []struct {
			name string
			want error
		}{
			{"", ErrNotExist}, {"a/b", ErrInvalid}, {"/", ErrInvalid}, {"./", ErrInvalid}, {"a\x00b", ErrInvalid}, {".\x00", ErrInvalid},
			{string(bytes.Repeat([]byte{'n'}, 256)), ErrNameTooLong}, {".", ErrInvalid}, {"..", ErrInvalid},
		} {
			want := c.want
			switch dots := c.name == "." || c.name == ".."; {
			case op == "lookup" && dots:
				want = nil
			case op == "lookup" && want == ErrInvalid:
				want = ErrNotExist // no such name exists
			case dots && makes[op]:
				want = ErrExist
			case c.name == ".." && op == "rmdir":
				want = ErrNotEmpty
			}
			b.want(fmt.Sprintf("%s of %.10q", op, c.name), run(b.root, []byte(c.name)), want)
		}
		long := bytes.Repeat([]byte{'m'}, NameMax)
		if makes[op] {
			b.want(op+" of 255 bytes", run(b.root, long), nil)
			_, err := b.Lookup(superuser, nil, b.root, long)
			b.want("lookup of 255 bytes", err, nil)
			b.must(b.Rename(superuser, nil, b.root, long, b.mkdir(b.root, "away "+op), []byte("x"), 0))
		}
	}
	if list := b.names(b.root); len(list) != 5 {
		t.Errorf("bad names left something behind: %q", list)
	}
}

// TestHandles gives every operation a file for a directory, and handles of nothing.
func TestHandles(t *testing.T) {
	b := newBench(t, 16<<20)
	file, gone := b.create(b.root, "file"), b.create(b.root, "gone")
	b.must(b.Unlink(superuser, nil, b.root, []byte("gone")))
	for op, run := range b.namedOps(file) {
		b.want(op+" in a file", run(file, []byte("x")), ErrNotDir)
		for _, h := range []Handle{gone, {}, {Ino: 1, Gen: 1}, {Ino: 2, Gen: 1}, {Ino: 1 << 60, Gen: 1}, {Ino: file.Ino, Gen: file.Gen + 1}} {
			b.want(fmt.Sprintf("%s in %v", op, h), run(h, []byte("x")), ErrStale)
		}
	}
	link, err := b.Symlink(superuser, nil, b.root, []byte("link"), []byte("target"), nil)
	b.must(err)
	c, buf := superuser, make([]byte, 10)
	for op, run := range map[string]func(h Handle) error{
		"getattr":   func(h Handle) error { _, err := b.Getattr(nil, h); return err },
		"setattr":   func(h Handle) error { _, err := b.Setattr(c, nil, h, &SetAttr{Mask: SetMode}); return err },
		"access":    func(h Handle) error { _, err := b.Access(c, nil, h, 7); return err },
		"readlink":  func(h Handle) error { _, err := b.Readlink(nil, h); return err },
		"read":      func(h Handle) error { _, _, err := b.Read(c, nil, h, buf, 0); return err },
		"write":     func(h Handle) error { _, _, err := b.Write(c, nil, h, buf, 0); return err },
		"truncate":  func(h Handle) error { _, err := b.Setattr(c, nil, h, &SetAttr{Mask: SetSize}); return err },
		"allocate":  func(h Handle) error { return b.Allocate(c, nil, h, 0, 1, false) },
		"punch":     func(h Handle) error { return b.PunchHole(c, nil, h, 0, 1) },
		"seek data": func(h Handle) error { _, err := b.SeekData(c, nil, h, 0); return err },
		"seek hole": func(h Handle) error { _, err := b.SeekHole(c, nil, h, 0); return err },
		"readdir":   func(h Handle) error { return b.Readdir(c, nil, h, 0, true, func(*DirEntry) bool { return true }) },
		"link":      func(h Handle) error { _, err := b.Link(c, nil, h, b.root, []byte("l")); return err },
		"hold":      func(h Handle) error { return b.Hold(h) },
		"sync":      func(h Handle) error { return b.Sync(h) },
		"get xattr": func(h Handle) error { _, err := b.GetXattr(c, nil, h, []byte("user.a")); return err },
		"set xattr": func(h Handle) error { return b.SetXattr(c, nil, h, []byte("user.a"), nil, 0) },
	} {
		for _, h := range []Handle{gone, {}, {Ino: 1, Gen: 1}, {Ino: math.MaxUint64, Gen: 1}} {
			b.want(fmt.Sprintf("%s of %v", op, h), run(h), ErrStale)
		}
		switch op {
		case "read", "write", "truncate", "allocate", "punch", "seek data", "seek hole":
			b.want(op+" of a directory", run(b.root), ErrIsDir)
			b.want(op+" of a link", run(link.Handle), ErrInvalid)
		case "readlink":
			b.want(op+" of a file", run(file), ErrInvalid)
		case "readdir":
			b.want(op+" of a file", run(file), ErrNotDir)
		case "link":
			b.want(op+" of a directory", run(b.root), ErrPerm)
		}
	}
}

// TestArguments gives numbers and texts beyond their bounds.
func TestArguments(t *testing.T) {
	b := newBench(t, 16<<20)
	f := b.create(b.root, "file")
	c := superuser
	const top = math.MaxInt64
	write := func(off uint64, n int) error { _, _, err := b.Write(c, nil, f, make([]byte, n), off); return err }
	setSize := func(n uint64) error { _, err := b.Setattr(c, nil, f, &SetAttr{Mask: SetSize, Size: n}); return err }
	symlink := func(n int) error {
		_, err := b.Symlink(c, nil, b.root, fmt.Appendf(nil, "l%d", n), bytes.Repeat([]byte{'t'}, n), nil)
		return err
	}
	xattr := func(name string, n int, flags XattrFlags) error {
		return b.SetXattr(c, nil, f, []byte(name), make([]byte, n), flags)
	}
	for _, x := range []struct {
		what      string
		err, want error
	}{
		{"write at the last byte", write(top-1, 1), nil},
		{"write over the last byte", write(top-1, 2), ErrFileTooBig},
		{"write behind", write(top+1, 1), ErrFileTooBig},
		{"write at the end of everything", write(math.MaxUint64, 1), ErrFileTooBig},
		{"write nothing", write(5, 0), nil},
		{"size to the last byte", setSize(top), nil},
		{"size beyond", setSize(top + 1), ErrFileTooBig},
		{"size back", setSize(0), nil},
		{"allocate nothing", b.Allocate(c, nil, f, 0, 0, true), ErrInvalid},
		{"allocate beyond", b.Allocate(c, nil, f, top, 1, true), ErrFileTooBig},
		{"allocate, overflowing", b.Allocate(c, nil, f, 2, math.MaxUint64, true), ErrFileTooBig},
		{"allocate more than there is", b.Allocate(c, nil, f, 0, 1<<40, true), ErrNoSpace},
		{"punch it away", b.PunchHole(c, nil, f, 0, top), nil},
		{"punch nothing", b.PunchHole(c, nil, f, 0, 0), ErrInvalid},
		{"punch, overflowing", b.PunchHole(c, nil, f, math.MaxUint64, math.MaxUint64), ErrFileTooBig},
		{"empty target", symlink(0), ErrInvalid},
		{"target of 96 bytes", symlink(96), nil},
		{"target of 97 bytes", symlink(97), nil},
		{"longest target", symlink(SymlinkMax), nil},
		{"target too long", symlink(SymlinkMax + 1), ErrNameTooLong},
		{"attribute without name", xattr("", 1, 0), ErrRange},
		{"attribute name too long", xattr(string(make([]byte, 256)), 1, 0), ErrRange},
		{"attribute name with NUL", xattr("a\x00", 1, 0), ErrInvalid},
		{"longest attribute", xattr("a", layout.XattrValueMax, 0), nil},
		{"attribute too long", xattr("a", layout.XattrValueMax+1, 0), ErrRange},
		{"attribute that exists", xattr("a", 1, XattrCreate), ErrExist},
		{"attribute that does not", xattr("b", 1, XattrReplace), ErrNoXattr},
		{"both flags", xattr("a", 1, XattrCreate|XattrReplace), ErrInvalid},
		{"unknown flag", xattr("a", 1, 8), ErrInvalid},
		{"remove what is not", b.RemoveXattr(c, nil, f, []byte("b")), ErrNoXattr},
		{"rename with both flags", b.Rename(c, nil, b.root, []byte("file"), b.root, []byte("x"), RenameNoReplace|RenameExchange), ErrInvalid},
		{"rename with an unknown flag", b.Rename(c, nil, b.root, []byte("file"), b.root, []byte("x"), 4), ErrInvalid},
	} {
		b.want(x.what, x.err, x.want)
	}
	for _, typ := range []FileType{0, TypeDir, TypeRegular, TypeSymlink, 3, 255} {
		_, err := b.Mknod(c, nil, b.root, []byte("n"), typ, 0, 0, nil)
		b.want(fmt.Sprint("node of type ", typ), err, ErrInvalid)
	}
	_, err := b.Symlink(c, nil, b.root, []byte("nul"), []byte("a\x00b"), nil)
	b.want("target with NUL", err, ErrInvalid)
	for _, n := range []int{96, 97, SymlinkMax} {
		a, err := b.Lookup(c, nil, b.root, fmt.Appendf(nil, "l%d", n))
		b.must(err)
		target, err := b.Readlink(nil, a.Handle)
		if err != nil || !bytes.Equal(target, bytes.Repeat([]byte{'t'}, n)) || a.Size != uint64(n) {
			t.Errorf("target of %d bytes: %d, %v", n, len(target), err)
		}
	}
}

// TestReadEdges reads around the end of a file.
func TestReadEdges(t *testing.T) {
	b := newBench(t, 16<<20)
	f := b.create(b.root, "file")
	b.write(f, 5000, 0)
	for _, x := range []struct {
		off  uint64
		n    int
		want int
		eof  bool
	}{{0, 0, 0, false}, {0, 4999, 4999, false}, {0, 5000, 5000, true}, {0, 9000, 5000, true}, {4999, 5, 1, true}, {5000, 5, 0, true}, {5000, 0, 0, true}, {math.MaxUint64, 5, 0, true}} {
		n, eof, err := b.Read(superuser, nil, f, make([]byte, x.n), x.off)
		if n != x.want || eof != x.eof || err != nil {
			t.Errorf("%d bytes at %d: %d, %v, %v, expected %d, %v", x.n, x.off, n, eof, err, x.want, x.eof)
		}
	}
	for _, off := range []uint64{5000, 6000, math.MaxUint64} {
		_, err := b.SeekData(superuser, nil, f, off)
		b.want("data behind the end", err, ErrNoData)
		_, err = b.SeekHole(superuser, nil, f, off)
		b.want("a hole behind the end", err, ErrNoData)
	}
}

// TestCreateModes makes a name that exists, in each mode (RFC 1813 section 3.3.8).
func TestCreateModes(t *testing.T) {
	b := newBench(t, 16<<20)
	file := b.create(b.root, "file")
	b.write(file, 10, 0)
	b.mkdir(b.root, "dir")
	_, err := b.Symlink(superuser, nil, b.root, []byte("link"), []byte("file"), nil)
	b.must(err)
	first, err := b.Create(superuser, nil, b.root, []byte("excl"), &CreateOptions{Mode: Exclusive, Verifier: 5})
	b.must(err)
	size := SetAttr{Mask: SetSize | SetMode, Size: 3, Mode: 0o777}
	for _, x := range []struct {
		what, name string
		o          CreateOptions
		want       error
		size       uint64
	}{
		{"unchecked", "file", CreateOptions{}, nil, 10},
		{"unchecked with a mode", "file", CreateOptions{Attr: SetAttr{Mask: SetMode}}, nil, 10},
		{"unchecked with a size", "file", CreateOptions{Attr: size}, nil, 3},
		{"guarded", "file", CreateOptions{Mode: Guarded}, ErrExist, 0},
		{"exclusive", "file", CreateOptions{Mode: Exclusive, Verifier: 0}, ErrExist, 0},
		{"exclusive, same verifier", "excl", CreateOptions{Mode: Exclusive, Verifier: 5}, nil, 0},
		{"exclusive, other verifier", "excl", CreateOptions{Mode: Exclusive, Verifier: 6}, ErrExist, 0},
		{"unchecked over a directory", "dir", CreateOptions{}, ErrIsDir, 0},
		{"guarded over a directory", "dir", CreateOptions{Mode: Guarded}, ErrExist, 0},
		{"exclusive over a directory", "dir", CreateOptions{Mode: Exclusive}, ErrExist, 0},
		{"unchecked over a link", "link", CreateOptions{}, ErrExist, 0},
		{"exclusive of dots", "..", CreateOptions{Mode: Exclusive}, ErrExist, 0},
		{"unchecked of dots", ".", CreateOptions{}, ErrIsDir, 0},
	} {
		a, err := b.Create(superuser, nil, b.root, []byte(x.name), &x.o)
		if b.want(x.what, err, x.want); err == nil && (a.Size != x.size || a.Mode != 0o644) {
			t.Errorf("%s: size %d, mode %o", x.what, a.Size, a.Mode)
		}
	}
	again, err := b.Create(superuser, nil, b.root, []byte("excl"), &CreateOptions{Mode: Exclusive, Verifier: 5})
	if err != nil || again.Handle != first.Handle {
		t.Errorf("the same file again: %v, %v, expected %v", again.Handle, err, first.Handle)
	}
	_, err = b.Create(stranger, nil, b.root, []byte("file"), &CreateOptions{Attr: SetAttr{Mask: SetSize}})
	b.want("truncating somebody else's file", err, ErrAccess)
	_, err = b.Create(stranger, nil, b.root, []byte("file"), &CreateOptions{})
	b.want("opening somebody else's file", err, nil)
	sparse, err := b.Create(superuser, nil, b.root, []byte("sparse"), &CreateOptions{Attr: SetAttr{Mask: SetSize | SetAtime, Size: 1 << 40, Atime: -7}})
	if err != nil || sparse.Size != 1<<40 || sparse.Atime != -7 || sparse.Used != 0 {
		t.Errorf("made with a size: %+v, %v", sparse, err)
	}
	_, err = b.Create(superuser, nil, b.root, []byte("huge"), &CreateOptions{Attr: SetAttr{Mask: SetSize, Size: math.MaxUint64}})
	b.want("made too big", err, ErrFileTooBig)
}
