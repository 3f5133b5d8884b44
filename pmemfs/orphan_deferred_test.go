package pmemfs

import (
	"bytes"
	"errors"
	"os"
	"testing"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/pmem"
	"pmemfs/pmemfs/testpart"
)

// splitExtents is how many extents the files of these tests have: to free them takes three records.
const splitExtents = 600

// splitFile makes a file whose blocks do not touch.
func splitFile(t *testing.T, fs *FS, name string) Handle {
	t.Helper()
	b := builder{t: t, fs: fs}
	h := b.file(fs.Root(), name, 0)
	for i := range uint64(splitExtents) {
		_, _, err := fs.Write(root, nil, h, bytes.Repeat([]byte{0xa5}, layout.BlockSize), 2*i<<layout.BlockShift)
		b.ok(err)
	}
	b.ok(fs.SyncAll())
	return h
}

// lastLeaf returns the block of the extents at the end of a file, which the first record of a truncation does not look at.
func lastLeaf(t *testing.T, fs *FS, h Handle) uint64 {
	t.Helper()
	in, err := fs.inodes.View(nil, h.Ino)
	must(t, err)
	block, height := in.DataRoot()
	if height != 2 {
		t.Fatalf("%d levels of extents", height)
	}
	n := layout.Node(fs.region.Bytes()[layout.BlockOffset(block):layout.BlockOffset(block+1)])
	return n.Child(n.Count() - 1)
}

// growths are the ways in which a file may get blocks behind its end, or a larger size.
var growths = map[string]func(fs *FS, h Handle) error{
	"setattr": func(fs *FS, h Handle) error {
		_, err := fs.Setattr(root, nil, h, &SetAttr{Mask: SetSize, Size: 8 << 20})
		return err
	},
	"write": func(fs *FS, h Handle) error { _, _, err := fs.Write(root, nil, h, []byte("x"), 7<<20); return err },
	"large write": func(fs *FS, h Handle) error {
		_, _, err := fs.Write(root, nil, h, make([]byte, 9000), 7<<20)
		return err
	},
	"unstable": func(fs *FS, h Handle) error {
		_, _, _, err := fs.WriteUnstable(root, nil, h, []byte("x"), 7<<20)
		return err
	},
	"allocate": func(fs *FS, h Handle) error { return fs.Allocate(root, nil, h, 0, 8<<20, false) },
	"allocate behind the end": func(fs *FS, h Handle) error {
		return fs.Allocate(root, nil, h, 0, 8<<20, true)
	},
}

// TestTruncateDeferred lets memory go bad that only the second record of a truncation needs. The truncation has happened. The
// file does not grow before the rest is done, as its old bytes would be back, and is empty then.
func TestTruncateDeferred(t *testing.T) {
	testpart.NotRace(t)
	for name, grow := range growths {
		t.Run(name, func(t *testing.T) {
			fs, path := faulty(t, 32<<20)
			h := splitFile(t, fs, "f")
			heal := poison(t, fs.region, lastLeaf(t, fs, h))
			a, err := fs.Setattr(root, nil, h, &SetAttr{Mask: SetSize})
			if err != nil || a.Size != 0 {
				t.Fatalf("truncate: %+v, %v", a, err)
			}
			for range 2 {
				if err := grow(fs, h); !errors.Is(err, ErrIO) {
					t.Errorf("growing: %v, expected EIO", err)
				}
			}
			expect(t, fs, h, nil)
			heal()
			must(t, grow(fs, h))
			must(t, fs.Sync(h))
			if _, err := fs.Setattr(root, nil, h, &SetAttr{Mask: SetSize, Size: 8 << 20}); err != nil {
				t.Fatal(err)
			}
			got := make([]byte, 8<<20)
			if n, _, err := fs.Read(root, nil, h, got, 0); err != nil || n != len(got) || bytes.IndexByte(got, 0xa5) >= 0 {
				t.Errorf("%d bytes, %v; old bytes at %d", n, err, bytes.IndexByte(got, 0xa5))
			}
			if n := fs.deferred.n.Load(); n != 0 {
				t.Errorf("%d files are deferred", n)
			}
			closeFS(t, fs)
			checkImage(t, path)
		})
	}
}

// TestRemoveDeferred lets memory go bad that only the second record of a removal needs: the name is gone, so the call has
// succeeded. The space comes back when the memory does.
func TestRemoveDeferred(t *testing.T) {
	testpart.NotRace(t)
	for name, remove := range map[string]func(fs *FS) error{
		"unlink": func(fs *FS) error { return fs.Unlink(root, nil, fs.Root(), []byte("f")) },
		"rename over it": func(fs *FS) error {
			return fs.Rename(root, nil, fs.Root(), []byte("other"), fs.Root(), []byte("f"), 0)
		},
		"truncate, then unlink": func(fs *FS) error {
			a, err := fs.Lookup(root, nil, fs.Root(), []byte("f"))
			if err == nil {
				_, err = fs.Setattr(root, nil, a.Handle, &SetAttr{Mask: SetSize})
			}
			return errors.Join(err, fs.Unlink(root, nil, fs.Root(), []byte("f")))
		},
		"release": func(fs *FS) error {
			a, err := fs.Lookup(root, nil, fs.Root(), []byte("f"))
			return errors.Join(err, fs.Hold(a.Handle), fs.Unlink(root, nil, fs.Root(), []byte("f")), fs.Release(a.Handle))
		},
	} {
		for _, reopen := range []bool{false, true} {
			fs, path := faulty(t, 32<<20)
			before, err := fs.Statfs()
			must(t, err)
			h := splitFile(t, fs, "f")
			mkfile(t, fs, "other")
			heal := poison(t, fs.region, lastLeaf(t, fs, h))
			if err := remove(fs); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if a, err := fs.Lookup(root, nil, fs.Root(), []byte("f")); name != "rename over it" && !errors.Is(err, ErrNotExist) || err == nil && a.Handle == h {
				t.Errorf("%s: the name is there, %v", name, err)
			}
			heal()
			if reopen {
				closeFS(t, fs)
				fs, err = Open(path, Options{NoBackground: true})
				must(t, err)
			} else {
				must(t, fs.SyncAll())
			}
			if _, err := fs.Getattr(nil, h); !errors.Is(err, ErrStale) {
				t.Errorf("%s: the file is still there: %v", name, err)
			}
			after, err := fs.Statfs()
			must(t, err)
			if lost := int64(before.FreeBytes) - int64(after.FreeBytes); lost > layout.BlockSize { // a node of names
				t.Errorf("%s: %d bytes are lost", name, lost)
			}
			closeFS(t, fs)
			checkImage(t, path)
		}
	}
}

// TestRemoveRefused refuses the fence of the second record of a removal. The filesystem has failed, and the removal has happened.
func TestRemoveRefused(t *testing.T) {
	testpart.NotRace(t)
	fs := memFS(t, 32<<20)
	splitFile(t, fs, "f")
	fences := 0
	fs.region.SetPersistHook(pmem.Before(func(pmem.Range) error {
		if fences++; fences > 1 {
			return errors.New("refused by the test")
		}
		return nil
	}))
	if err := fs.Unlink(root, nil, fs.Root(), []byte("f")); err != nil || fences < 2 {
		t.Errorf("%v, %d fences", err, fences)
	}
	if err := fs.Unlink(root, nil, fs.Root(), []byte("f")); !errors.Is(err, ErrNotExist) && !errors.Is(err, ErrReadOnly) {
		t.Errorf("once more: %v", err)
	}
	medium := bytes.Clone(fs.region.Bytes())
	fs.region.SetPersistHook(nil)
	if err := fs.Close(); !errors.Is(err, ErrReadOnly) {
		t.Errorf("close: %v", err)
	}
	again := mountBytes(t, medium)
	if _, err := again.Lookup(root, nil, again.Root(), []byte("f")); !errors.Is(err, ErrNotExist) {
		t.Errorf("after a restart: %v", err)
	}
	checkFS(t, again)
	closeFS(t, again)
}

// TestOpenDeferred opens an image on which a truncation cannot be finished, as its extents are damaged: everything else works,
// and the file does not grow.
func TestOpenDeferred(t *testing.T) {
	testpart.NotRace(t)
	fs, path := faulty(t, 32<<20)
	h := splitFile(t, fs, "f")
	leaf := lastLeaf(t, fs, h)
	poison(t, fs.region, leaf)
	_, err := fs.Setattr(root, nil, h, &SetAttr{Mask: SetSize})
	must(t, err)
	closeFS(t, fs)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	_, err = f.WriteAt([]byte{0xff, 0xff}, layout.BlockOffset(leaf)+100)
	must(t, errors.Join(err, f.Close()))
	fs, err = Open(path, Options{NoBackground: true})
	must(t, err)
	for name, grow := range growths {
		if err := grow(fs, h); !errors.Is(err, ErrIO) {
			t.Errorf("%s: %v, expected EIO", name, err)
		}
	}
	expect(t, fs, h, nil)
	other := mkfile(t, fs, "other")
	for name, grow := range growths {
		if err := grow(fs, other); err != nil {
			t.Errorf("%s of another file: %v", name, err)
		}
	}
	closeFS(t, fs)
}
