package pmemfs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"pmemfs/pmemfs/internal/extent"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/pmem"
)

// poisonable returns a path for an image whose pages take the kernel's marker of poison, where there is such a place.
func poisonable(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "pmemfs")
	if err != nil {
		return filepath.Join(t.TempDir(), "img") // its pages are protected instead
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return filepath.Join(dir, "img")
}

// logged is a log that tests look into.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *logged) options() Options {
	return Options{NoBackground: true, Logger: slog.New(slog.NewTextHandler(io.Writer(l), nil))}
}

// key names one thing that can be asked of a filesystem.
type key struct {
	what string // attr, data, name, list, xattr, link
	h    Handle
	n    uint64 // block of data
	name string // of an entry or an attribute
	ino  uint64 // of the inode whose attributes are asked for, with attr and name
}

const eio = "EIO"

// ask returns the answer, eio when it is that.
func (k key) ask(t *testing.T, fs *FS) (answer string) {
	t.Helper()
	var err error
	switch k.what {
	case "attr":
		var a Attr
		a, err = fs.Getattr(nil, k.h)
		answer = fmt.Sprint(a)
	case "name":
		var a Attr
		a, err = fs.Lookup(root, nil, k.h, []byte(k.name))
		answer = fmt.Sprint(a)
	case "data":
		p := make([]byte, layout.BlockSize)
		var n int
		n, _, err = fs.Read(root, nil, k.h, p, k.n<<layout.BlockShift)
		answer = string(p[:n])
	case "list":
		err = fs.Readdir(root, nil, k.h, 0, true, func(e *DirEntry) bool {
			if !bytes.HasPrefix(e.Name, []byte("work")) {
				answer += string(e.Name) + "/"
			}
			return true
		})
	case "xattr":
		var v []byte
		v, err = fs.GetXattr(root, nil, k.h, []byte(k.name))
		answer = string(v)
	case "link":
		var v []byte
		v, err = fs.Readlink(nil, k.h)
		answer = string(v)
	}
	switch {
	case errors.Is(err, ErrIO):
		return eio
	case err != nil:
		t.Errorf("%s of %v %s%d: %v", k.what, k.h, k.name, k.n, err)
	}
	return answer
}

// mediaFixture is an image with one of every kind of object, and what can be asked of it.
type mediaFixture struct {
	t       *testing.T
	path    string
	answers map[key]string
	dir     Handle // of many names
	big     Handle // of 40 blocks
	frag    Handle // of 300 extents
	attrs   Handle // with 60 attributes
	link    Handle // whose target is in a block
	one     Handle // a file in dir
	log     logged
}

func newMediaFixture(t *testing.T) *mediaFixture {
	f := &mediaFixture{t: t, path: poisonable(t), answers: map[key]string{}}
	b := builder{t: t}
	b.ok(Format(f.path, FormatOptions{Size: 16 << 20}))
	fs, err := Open(f.path, Options{NoBackground: true, Durability: DurabilityProcess})
	b.ok(err)
	b.fs = fs
	f.dir = b.dir(fs.Root(), "dir")
	f.big = b.file(fs.Root(), "big", 0)
	for i := range uint64(40) {
		_, _, err := fs.Write(root, nil, f.big, bytes.Repeat([]byte{byte(i + 1)}, 4096), i<<12)
		b.ok(err)
	}
	for i := range 400 {
		h := b.file(f.dir, fmt.Sprintf("a file with a name of some length %d", i), 10)
		if i == 200 {
			f.one = h
		}
	}
	f.frag = b.file(fs.Root(), "frag", 0)
	for i := range uint64(300) {
		_, _, err := fs.Write(root, nil, f.frag, bytes.Repeat([]byte{byte(i)}, 4096), 2*i<<12)
		b.ok(err)
	}
	f.attrs = b.file(fs.Root(), "attrs", 1)
	for i := range 60 {
		name := fmt.Appendf(nil, "user.name%d", i)
		b.ok(fs.SetXattr(root, nil, f.attrs, name, bytes.Repeat(name, 1+i*2), 0))
	}
	b.ok(fs.SetXattr(root, nil, f.attrs, []byte("user.long"), bytes.Repeat([]byte("long"), 3000), 0))
	a, err := fs.Symlink(root, nil, fs.Root(), []byte("link"), bytes.Repeat([]byte("to"), 500), nil)
	b.ok(err)
	f.link = a.Handle
	f.survey(fs)
	closeFS(t, fs)
	return f
}

// survey asks everything there is to ask of a healthy filesystem.
func (f *mediaFixture) survey(fs *FS) {
	add := func(k key) { f.answers[k] = k.ask(f.t, fs) }
	for _, d := range []Handle{fs.Root(), f.dir} {
		add(key{what: "list", h: d})
		err := fs.Readdir(root, nil, d, 2, true, func(e *DirEntry) bool {
			add(key{what: "name", h: d, name: string(e.Name), ino: e.Ino})
			add(key{what: "attr", h: e.Attr.Handle, ino: e.Ino})
			return true
		})
		if err != nil {
			f.t.Fatal(err)
		}
	}
	for h, blocks := range map[Handle]uint64{f.big: 40, f.frag: 599, f.one: 1} {
		for i := range blocks {
			add(key{what: "data", h: h, n: i})
		}
	}
	add(key{what: "link", h: f.link})
	names, err := fs.ListXattr(root, nil, f.attrs)
	if err != nil {
		f.t.Fatal(err)
	}
	for _, name := range names {
		add(key{what: "xattr", h: f.attrs, name: string(name)})
	}
	for k, a := range f.answers {
		if a == eio {
			f.t.Fatalf("%v cannot be read on a healthy image", k)
		}
	}
}

// compare asks everything again: each answer must be the right one, or eio where hurts says so. It returns how many were eio.
func (f *mediaFixture) compare(fs *FS, hurts func(k key) bool) (hurt int) {
	f.t.Helper()
	for k, want := range f.answers {
		switch got := k.ask(f.t, fs); {
		case got == eio && hurts(k):
			hurt++
		case got == eio:
			f.t.Errorf("%s of %v %s%d cannot be read", k.what, k.h, k.name, k.n)
		case got != want:
			f.t.Errorf("%s of %v %s%d: wrong answer", k.what, k.h, k.name, k.n)
		}
	}
	return hurt
}

// open maps the image, poisons blocks of it, and mounts it.
func (f *mediaFixture) open(blocks ...uint64) (*FS, error) {
	f.t.Helper()
	region, err := pmem.Open(f.path, pmem.Options{Durability: pmem.Process})
	if err != nil {
		f.t.Fatal(err)
	}
	for _, b := range blocks {
		poison(f.t, region, b)
	}
	fs, err := mount(region, f.log.options())
	if err != nil {
		return nil, mapOpenErr(f.path, errors.Join(err, region.Close()))
	}
	return fs, nil
}

// dataBlock returns the image block of a file block.
func dataBlock(t *testing.T, fs *FS, h Handle, b uint64) uint64 {
	t.Helper()
	in, err := fs.inodes.View(nil, h.Ino)
	if err != nil {
		t.Fatal(err)
	}
	m := extent.Open(fs.j, nil, in)
	e, ok, err := m.Next(b)
	if err != nil || !ok || e.Logical > b {
		t.Fatalf("inode %d has no block %d: %v", h.Ino, b, err)
	}
	return e.Phys + b - e.Logical
}

// nodeBlock returns the root of an inode's tree, or the leaf at the end of it.
func nodeBlock(t *testing.T, fs *FS, ino uint64, attrs, leaf bool) uint64 {
	t.Helper()
	in, err := fs.inodes.View(nil, ino)
	if err != nil {
		t.Fatal(err)
	}
	block, height := in.DataRoot()
	if attrs {
		block, height = in.XattrRoot()
	}
	if height < 2 {
		t.Fatalf("the tree of inode %d has height %d", ino, height)
	}
	for ; leaf && height > 1; height-- {
		n := layout.Node(fs.region.Bytes()[layout.BlockOffset(block):layout.BlockOffset(block+1)])
		block = n.Child(n.Count() - 1)
	}
	return block
}

func truncateFile(t *testing.T, path string, size int64) {
	t.Helper()
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
}
