package gonfs_test

import (
	"bytes"
	"fmt"
	"testing"
)

const (
	errPerm        = 1
	errNoEnt       = 2
	errAcces       = 13
	errExist       = 17
	errXDev        = 18
	errNotDir      = 20
	errIsDir       = 21
	errInval       = 22
	errFBig        = 27
	errROFS        = 30
	errNameTooLong = 63
	errNotEmpty    = 66
	errStale       = 70
	errBadHandle   = 10001
	errNotSync     = 10002
	errTooSmall    = 10005
	errBadType     = 10007
)

// TestHandlesLast follows one file by its handle through renames, a replaced name and a restart.
func TestHandlesLast(t *testing.T) {
	s := newSite(t, nil)
	c := s.dial()
	root := c.root()
	dir := c.mkdir(root, "dir", 0o755)
	fh := c.create(root, "file", 0o644)
	c.write(fh, 0, "content")
	if len(fh)%4 != 0 || len(fh) > 64 {
		t.Fatalf("a handle of %d bytes", len(fh))
	}
	before := c.getattr(fh)
	c.ok(14, pack(root, "file", dir, "moved"))
	c.ok(14, pack(root, "dir", root, "elsewhere"))
	other := c.create(root, "file", 0o644)
	c.write(other, 0, "another")
	s.restart()
	c = s.dial()
	if got := c.getattr(fh); got.ino != before.ino || got.size != 7 || got.fsid != before.fsid {
		t.Errorf("after the restart %+v, before %+v", got, before)
	}
	if got, eof := c.read(fh, 0, 100); got != "content" || !eof {
		t.Errorf("the moved file reads %q", got)
	}
	if !bytes.Equal(c.lookup(c.lookup(root, "elsewhere"), "moved"), fh) {
		t.Error("the same file has another handle now")
	}
	if up := c.lookup(dir, ".."); !bytes.Equal(up, root) {
		t.Errorf("the parent is %x, want %x", up, root)
	}
	if up := c.lookup(root, ".."); !bytes.Equal(up, root) {
		t.Error("there is something above the root")
	}
	c.ok(12, pack(dir, "moved"))
	c.want(errStale, 1, pack(fh))
	c.want(errStale, 6, pack(fh, uint64(0), 10))
	again := c.create(dir, "moved", 0o644)
	if bytes.Equal(again, fh) {
		t.Error("a new file has the handle of a removed one")
	}
}

// TestForgedHandles: a handle with any bit changed opens nothing. In the first 8 bytes it names another filesystem.
func TestForgedHandles(t *testing.T) {
	s := newSite(t, nil)
	c := s.dial()
	root := c.root()
	for i := range len(root) * 8 {
		forged := bytes.Clone(root)
		forged[i/8] ^= 1 << (i % 8)
		want := uint32(errBadHandle)
		if i < 64 {
			want = errStale
		}
		c.want(want, 1, pack(forged))
	}
	c.want(errBadHandle, 1, pack(""))
	c.want(errBadHandle, 4, pack(bytes.Repeat([]byte{7}, 64), 63))
}

// TestModes sends every mode bit there is, both ways, and sees POSIX numbers on the wire.
func TestModes(t *testing.T) {
	s := newSite(t, nil)
	c := s.dial()
	root := c.root()
	fh := c.create(root, "f", 0o4755)
	if m := c.getattr(fh).mode; m != 0o4755 {
		t.Errorf("created with %o", m)
	}
	for _, mode := range []int{0, 0o644, 0o4755, 0o2755, 0o1777, 0o7777} {
		c.ok(2, pack(fh, sattr(mode), 0))
		if m := c.getattr(fh).mode; m != uint32(mode) {
			t.Errorf("mode %o reads back as %o", mode, m)
		}
	}
	dir := c.mkdir(root, "d", 0o1777)
	if a := c.getattr(dir); a.mode != 0o1777 || a.typ != 2 || a.nlink != 2 {
		t.Errorf("directory %+v", a)
	}
	if a := c.getattr(made(c.ok(9, pack(root, "default", noSattr)))); a.mode != 0o755 {
		t.Errorf("default directory mode %o", a.mode)
	}
	link := made(c.ok(10, pack(root, "l", sattr(0o777), "target")))
	if a := c.getattr(link); a.typ != 5 || a.mode != 0o777 || a.size != 6 {
		t.Errorf("link %+v", a)
	}
	for name, want := range map[string]struct {
		typ  uint32
		args raw
	}{
		"blk":  {3, raw(pack(3, sattr(0o600), 8, 1))},
		"chr":  {4, raw(pack(4, sattr(0o600), 5, 300))},
		"sock": {6, raw(pack(6, sattr(0o600)))},
		"fifo": {7, raw(pack(7, sattr(0o600)))},
	} {
		a := c.getattr(made(c.ok(11, pack(root, name, want.args))))
		if a.typ != want.typ || a.mode != 0o600 || name == "chr" && (a.major != 5 || a.minor != 300) {
			t.Errorf("%s: %+v", name, a)
		}
	}
	c.want(errBadType, 11, pack(root, "bad", 1))
}

// TestSetattr sets everything at once, respects the guard, and keeps the three times apart.
func TestSetattr(t *testing.T) {
	s := newSite(t, nil)
	c := s.dial()
	fh := c.create(c.root(), "f", 0o644)
	all := raw(pack(1, 0o600, 1, 7, 1, 8, 1, uint64(5), 2, 100, 1, 2, 200, 2))
	after, _ := wcc(c.ok(2, pack(fh, all, 0)))
	a := c.getattr(fh)
	if a != after {
		t.Errorf("SETATTR says %+v, GETATTR %+v", after, a)
	}
	if a.mode != 0o600 || a.uid != 7 || a.gid != 8 || a.size != 5 || a.times[0] != 100 || a.times[1] != 1 ||
		a.times[2] != 200 || a.times[3] != 2 || a.times[4] < 1000 {
		t.Errorf("attributes %+v", a)
	}
	guard := raw(pack(1, int(a.times[4]), int(a.times[5])))
	c.ok(2, pack(fh, sattr(0o640), guard))
	c.want(errNotSync, 2, pack(fh, sattr(0o644), guard))
	if m := c.getattr(fh).mode; m != 0o640 {
		t.Errorf("mode %o after a refused change", m)
	}
}

// TestCreateModes: UNCHECKED keeps what is there, GUARDED refuses, EXCLUSIVE may be repeated by who made it.
func TestCreateModes(t *testing.T) {
	s := newSite(t, nil)
	c := s.dial()
	root := c.root()
	fh := c.create(root, "f", 0o644)
	c.write(fh, 0, "keep")
	c.want(errExist, 8, pack(root, "f", 1, noSattr))
	if !bytes.Equal(made(c.ok(8, pack(root, "f", 0, noSattr))), fh) {
		t.Error("UNCHECKED gave another file")
	}
	if got, _ := c.read(fh, 0, 10); got != "keep" {
		t.Errorf("UNCHECKED left %q", got)
	}
	c.ok(8, pack(root, "f", 0, raw(pack(0, 0, 0, 1, uint64(0), 0, 0))))
	if got := c.getattr(fh).size; got != 0 {
		t.Errorf("size %d after UNCHECKED with size 0", got)
	}
	x := made(c.ok(8, pack(root, "x", 2, uint64(42))))
	if !bytes.Equal(made(c.ok(8, pack(root, "x", 2, uint64(42)))), x) {
		t.Error("a repeated EXCLUSIVE gave another file")
	}
	c.want(errExist, 8, pack(root, "x", 2, uint64(43)))
}

// TestNames covers removal and renaming by the right procedure, with the right status for what cannot be done.
func TestNames(t *testing.T) {
	s := newSite(t, nil)
	c := s.dial()
	root := c.root()
	dir := c.mkdir(root, "d", 0o755)
	fh := c.create(root, "f", 0o644)
	c.create(dir, "in", 0o644)
	long := string(bytes.Repeat([]byte("x"), 256))
	for _, k := range []struct {
		want, proc uint32
		args       []byte
	}{
		{errIsDir, 12, pack(root, "d")},
		{errNotDir, 13, pack(root, "f")},
		{errNotEmpty, 13, pack(root, "d")},
		{errInval, 13, pack(root, ".")},
		{errExist, 13, pack(root, "..")},
		{errNoEnt, 12, pack(root, "none")},
		{errNotDir, 12, pack(fh, "x")},
		{errNoEnt, 3, pack(root, "none")},
		{errNotDir, 3, pack(fh, "x")},
		{errNameTooLong, 3, pack(root, long)},
		{errInval, 3, pack(root, "a/b")},
		{errInval, 3, pack(root, "")},
		{errInval, 8, pack(root, "nul\x00", 1, noSattr)},
		{errNameTooLong, 8, pack(root, long, 1, noSattr)},
		{errExist, 9, pack(root, "d", noSattr)},
		{errExist, 9, pack(root, "..", noSattr)},
		{errNoEnt, 14, pack(root, "none", root, "x")},
		{errNotEmpty, 14, pack(root, "e", root, "d")},
		{errInval, 14, pack(root, "d", dir, "below")},
		{errExist, 15, pack(fh, root, "f")},
		{errInval, 5, pack(fh)},
		{errIsDir, 6, pack(dir, uint64(0), 10)},
	} {
		if k.proc == 14 && k.want == errNotEmpty {
			c.mkdir(root, "e", 0o755)
		}
		c.want(k.want, k.proc, k.args)
	}
	c.ok(15, pack(fh, dir, "hard"))
	if n := c.getattr(fh).nlink; n != 2 {
		t.Errorf("%d links", n)
	}
	c.ok(12, pack(root, "f"))
	if !bytes.Equal(c.lookup(dir, "hard"), fh) {
		t.Error("the second name is another file")
	}
	sym := made(c.ok(10, pack(root, "sym", noSattr, "../any where")))
	d := c.ok(5, pack(sym))
	postOp(d)
	if got := string(d.Opaque(4096)); got != "../any where" {
		t.Errorf("link reads %q", got)
	}
}

// TestWcc: attributes before an operation are given when nothing came between, and every reply carries those after it.
func TestWcc(t *testing.T) {
	s := newSite(t, nil)
	c := s.dial()
	root := c.root()
	fh := c.create(root, "f", 0o644)
	d := c.ok(7, pack(fh, uint64(0), 3, 2, "abc"))
	a, atomic := wcc(d)
	if !atomic || a.size != 3 || a != c.getattr(fh) {
		t.Errorf("after WRITE %v %+v", atomic, a)
	}
	a, atomic = wcc(c.ok(12, pack(root, "f")))
	if !atomic || a != c.getattr(root) {
		t.Errorf("after REMOVE %v %+v", atomic, a)
	}
	st, d := c.nfs(12, pack(root, "f"))
	if a, _ := wcc(d); st != errNoEnt || a != c.getattr(root) {
		t.Errorf("after a failed REMOVE: %d %+v", st, a)
	}
}

func TestReadWrite(t *testing.T) {
	s := newSite(t, nil)
	c := s.dial()
	fh := c.create(c.root(), "f", 0o644)
	big := string(bytes.Repeat([]byte("0123456789abcdef"), 1<<16))
	c.write(fh, 0, big)
	c.write(fh, 1<<20, "tail")
	got, eof := c.read(fh, 0, 1<<20)
	if got != big || eof {
		t.Errorf("read %d bytes, eof %v", len(got), eof)
	}
	if got, eof := c.read(fh, 1<<20-2, 100); got != "eftail" || !eof {
		t.Errorf("the end reads %q, %v", got, eof)
	}
	// An absurd count is cut to what FSINFO offers, an absurd offset is past the end.
	if got, _ := c.read(fh, 0, -1); len(got) != 1<<20 {
		t.Errorf("a READ of 4 GiB gave %d bytes", len(got))
	}
	if got, eof := c.read(fh, 1<<64-1, 10); got != "" || !eof {
		t.Errorf("beyond the end: %q, %v", got, eof)
	}
	c.want(errFBig, 7, pack(fh, uint64(1<<63), 1, 2, "x"))
	c.want(errInval, 7, pack(fh, uint64(0), 9, 2, "x"))
	d := c.ok(21, pack(fh, uint64(0), 0))
	wcc(d)
	verf := d.Uint64()
	d = c.ok(7, pack(fh, uint64(0), 1, 0, "x"))
	wcc(d)
	d.Uint64()
	if got := d.Uint64(); got != verf || verf == 0 {
		t.Errorf("WRITE's verifier %x, COMMIT's %x", got, verf)
	}
	s.restart()
	c = s.dial()
	d = c.ok(21, pack(fh, uint64(0), 0))
	wcc(d)
	if d.Uint64() != verf {
		t.Error("another verifier, though every write was durable")
	}
}

// list reads a whole directory, with READDIR or READDIRPLUS, calling each after every page.
func list(c *client, dir []byte, plus bool, page int, each func(names []string)) []string {
	c.t.Helper()
	var names []string
	for cookie, eof := uint64(0), false; !eof; {
		args, proc := pack(dir, cookie, uint64(0), page), uint32(16)
		if plus {
			args, proc = pack(dir, cookie, uint64(0), 512, page), 17
		}
		d := c.ok(proc, args)
		postOp(d)
		d.Uint64()
		var fresh []string
		for d.Bool() {
			id := d.Uint64()
			name := string(d.Opaque(255))
			cookie = d.Uint64()
			if plus {
				a, _ := postOp(d)
				d.Bool()
				if fh := d.Opaque(64); a.ino != id || len(fh) == 0 {
					c.t.Fatalf("entry %q: attributes of %d, want %d; handle %x", name, a.ino, id, fh)
				}
			}
			fresh = append(fresh, name)
		}
		eof = d.Bool()
		if !d.Done() {
			c.t.Fatal("malformed listing")
		}
		names = append(names, fresh...)
		each(fresh)
	}
	return names
}

// TestReaddir lists a large directory while entries are removed between the pages: the others appear once each, by cookies of either length.
func TestReaddir(t *testing.T) {
	for _, short := range []bool{false, true} {
		t.Run(fmt.Sprint("short offsets ", short), func(t *testing.T) { readdirPages(t, short) })
	}
}

func readdirPages(t *testing.T, short bool) {
	s := newSite(t, func(s *site) { s.exports[0].ShortOffsets = short })
	c := s.dial()
	dir := c.mkdir(c.root(), "d", 0o755)
	const count = 1000
	for i := range count {
		c.create(dir, fmt.Sprintf("file-%04d", i), 0o644)
	}
	for _, plus := range []bool{false, true} {
		names := list(c, dir, plus, 8192, func([]string) {})
		requireAll(t, names, count)
	}
	names := list(c, dir, true, 4096, func(page []string) {
		for _, n := range page {
			if n != "." && n != ".." {
				c.ok(12, pack(dir, n))
			}
		}
	})
	requireAll(t, names, count)
	if left := list(c, dir, false, 8192, func([]string) {}); len(left) != 2 {
		t.Errorf("%d entries left", len(left))
	}
	c.want(errTooSmall, 16, pack(dir, uint64(0), uint64(0), 20))
	c.want(errNotDir, 16, pack(c.create(c.root(), "f", 0o644), uint64(0), uint64(0), 4096))
}

func requireAll(t *testing.T, names []string, count int) {
	t.Helper()
	seen := map[string]int{}
	for _, n := range names {
		seen[n]++
	}
	if len(seen) != count+2 || len(names) != count+2 {
		t.Fatalf("%d names, %d different, want %d", len(names), len(seen), count+2)
	}
}

func TestFilesystemInfo(t *testing.T) {
	s := newSite(t, nil)
	c := s.dial()
	root := c.root()
	d := c.ok(18, pack(root))
	postOp(d)
	total, free, avail := d.Uint64(), d.Uint64(), d.Uint64()
	files, ffree, favail := d.Uint64(), d.Uint64(), d.Uint64()
	d.Uint32()
	if !d.Done() || total == 0 || total > imageBytes || free > total || avail > free || ffree > files || favail > ffree {
		t.Errorf("FSSTAT %d %d %d %d %d %d, complete %v", total, free, avail, files, ffree, favail, d.Done())
	}
	d = c.ok(19, pack(root))
	postOp(d)
	for range 2 {
		if m, p := d.Uint32(), d.Uint32(); m != 1<<20 || p > m {
			t.Errorf("FSINFO offers %d, prefers %d", m, p)
		}
		d.Uint32()
	}
	d.Uint32()
	d.Uint64()
	d.Uint64()
	if props := d.Uint32(); props != 0x1b || !d.Done() {
		t.Errorf("FSINFO properties %#x", props)
	}
	d = c.ok(20, pack(root))
	postOp(d)
	if links, name := d.Uint32(), d.Uint32(); links < 1000 || name != 255 {
		t.Errorf("PATHCONF %d links, names of %d", links, name)
	}
}
