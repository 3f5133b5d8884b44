package pmemfs

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"pmemfs/pmemfs/internal/layout"
)

// badBlocks returns the blocks on the list of bad blocks.
func badBlocks(t *testing.T, fs *FS) (blocks []uint64) {
	t.Helper()
	if err := fs.media.EachBad(func(start, n uint64) error {
		for b := start; b < start+n; b++ {
			blocks = append(blocks, b)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return blocks
}

// expect fails the test unless a file holds certain bytes.
func expect(t *testing.T, fs *FS, h Handle, want []byte) {
	t.Helper()
	got := make([]byte, len(want)+1)
	n, eof, err := fs.Read(root, nil, h, got, 0)
	if err != nil || !eof || !bytes.Equal(got[:n], want) {
		t.Errorf("read %d bytes, %v, %v, expected other content of %d bytes", n, eof, err, len(want))
	}
}

// TestWriteOverBad writes over a block whose memory is bad, in every way there is. Where all of the block is written, or
// all that counts, the write succeeds elsewhere and the block is bad for ever; else it is EIO and changes nothing.
func TestWriteOverBad(t *testing.T) {
	const size = 8*4096 + 1000 // the last block is partly used
	for _, c := range []struct {
		name     string
		bad      uint64 // file block
		off, len int
		fails    bool
	}{ // whoever replaces many blocks does not look at the old ones; that one is bad is known since it was read
		{"a whole block", 3, 3 * 4096, 4096, false},
		{"a part of a block", 3, 3*4096 + 10, 100, true},
		{"the beginning of a block", 3, 3 * 4096, 4095, true},
		{"across two blocks", 3, 3*4096 - 100, 200, true},
		{"many blocks", 3, 4096, 6 * 4096, false},
		{"many blocks and parts", 3, 100, 7 * 4096, false},
		{"a part at the head of many", 1, 4096 + 100, 4 * 4096, true},
		{"all of the last block", 8, 8 * 4096, 1000, false},
		{"the last block and more", 8, 8 * 4096, 3000, false},
		{"a part of the last block", 8, 8 * 4096, 999, true},
		{"all of it", 0, 0, size, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := poisonable(t)
			if err := Format(path, FormatOptions{Size: 8 << 20}); err != nil {
				t.Fatal(err)
			}
			var log logged
			fs, err := Open(path, log.options())
			if err != nil {
				t.Fatal(err)
			}
			b := builder{t: t, fs: fs}
			h := b.file(fs.Root(), "file", size)
			want := bytes.Repeat([]byte{0xa5}, size)
			b.ok(fs.SyncAll())
			bad := dataBlock(t, fs, h, c.bad)
			heal := poison(t, fs.region, bad)
			if c.len > 4096 {
				if _, _, err := fs.Read(root, nil, h, make([]byte, 10), c.bad<<layout.BlockShift); !errors.Is(err, ErrIO) {
					t.Errorf("read of the bad block: %v", err)
				}
			}
			p := bytes.Repeat([]byte{0x17}, c.len)
			n, _, err := fs.Write(root, nil, h, p, uint64(c.off))
			if c.fails {
				if !errors.Is(err, ErrIO) || n != 0 {
					t.Errorf("%d bytes written, %v, expected EIO", n, err)
				}
				if bad := badBlocks(t, fs); len(bad) != 0 {
					t.Errorf("blocks %v are bad though nothing has happened", bad)
				}
				heal()
				expect(t, fs, h, want)
			} else {
				if err != nil || n != len(p) {
					t.Fatalf("%d bytes written, %v\n%s", n, err, log.String())
				}
				want = append(append(slices.Clone(want[:c.off]), p...), want[min(c.off+len(p), len(want)):]...)
				expect(t, fs, h, want)
			}
			closeFS(t, fs)
			checkImage(t, path)
			fs, err = Open(path, log.options())
			if err != nil {
				t.Fatal(err)
			}
			expect(t, fs, h, want)
			if !c.fails {
				neverUsed(t, fs, bad)
			}
			closeFS(t, fs)
			checkImage(t, path)
		})
	}
}

// neverUsed expects exactly one bad block, and that a file that fills the filesystem does not get it, nor a freed one.
func neverUsed(t *testing.T, fs *FS, bad uint64) {
	t.Helper()
	if got := badBlocks(t, fs); !slices.Equal(got, []uint64{bad}) {
		t.Errorf("bad blocks %v, expected %d", got, bad)
	}
	if m := fs.MediaErrors(); m.Bad != 1 || m.Lost != 0 {
		t.Errorf("%+v, expected one bad block", m)
	}
	b := builder{t: t, fs: fs}
	for range 2 {
		h := b.file(fs.Root(), "full", 0)
		off := uint64(0)
		for _, size := range []int{1 << 20, 4096} {
			var err error
			for ; err == nil; off += uint64(size) {
				_, _, err = fs.Write(root, nil, h, make([]byte, size), off)
			}
			if off -= uint64(size); !errors.Is(err, ErrNoSpace) {
				t.Fatal(err)
			}
		}
		for i := range off >> layout.BlockShift {
			if dataBlock(t, fs, h, i) == bad {
				t.Fatalf("block %d, which is bad, has been handed out", bad)
			}
		}
		b.ok(fs.Unlink(root, nil, fs.Root(), []byte("full")))
		b.ok(fs.SyncAll())
	}
}

// TestFreedUnseen frees blocks that are bad without anybody having noticed. Whoever is to be given them does.
func TestFreedUnseen(t *testing.T) {
	path := poisonable(t)
	if err := Format(path, FormatOptions{Size: 8 << 20}); err != nil {
		t.Fatal(err)
	}
	fs, err := Open(path, Options{NoBackground: true})
	if err != nil {
		t.Fatal(err)
	}
	b := builder{t: t, fs: fs}
	h := b.file(fs.Root(), "file", 1<<20)
	b.ok(fs.SyncAll())
	bad := dataBlock(t, fs, h, 100)
	poison(t, fs.region, bad)
	b.ok(fs.Unlink(root, nil, fs.Root(), []byte("file")))
	b.ok(fs.SyncAll())
	full := b.file(fs.Root(), "full", 0)
	for off := uint64(0); err == nil; off += 64 << 10 {
		_, _, err = fs.Write(root, nil, full, make([]byte, 64<<10), off)
	}
	if !errors.Is(err, ErrNoSpace) {
		t.Error(err)
	}
	b.ok(fs.Unlink(root, nil, fs.Root(), []byte("full")))
	b.ok(fs.SyncAll())
	neverUsed(t, fs, bad)
	closeFS(t, fs)
	checkImage(t, path)
}

// TestTruncatedData takes the end of the image away beneath a file: what lies before it can be read, and written.
func TestTruncatedData(t *testing.T) {
	f := newMediaFixture(t)
	fs, err := f.open()
	if err != nil {
		t.Fatal(err)
	}
	cut := uint64(0)
	for i := range uint64(40) {
		cut = max(cut, dataBlock(t, fs, f.big, i))
	}
	closeFS(t, fs)
	if fs, err = f.open(); err != nil {
		t.Fatal(err)
	}
	truncateFile(t, f.path, layout.BlockOffset(cut))
	n := f.compare(fs, func(k key) bool { return k.what != "list" || k.h == f.dir })
	if n == 0 || n == len(f.answers) {
		t.Errorf("%d of %d answers are EIO", n, len(f.answers))
	}
	if got := (key{what: "data", h: f.big, n: 39}).ask(t, fs); got != eio {
		t.Error("a block that is gone can be read")
	}
	if got := (key{what: "data", h: f.big, n: 0}).ask(t, fs); got == eio {
		t.Error("a block that is there cannot be read")
	}
	if err := fs.Close(); err != nil && !errors.Is(err, ErrReadOnly) {
		t.Errorf("close: %v", err)
	}
	if _, err := Open(f.path, Options{}); !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrNotImage) {
		t.Errorf("open of what is left: %v", err)
	}
}

// TestReadStopsShort reads over a bad block: what comes before it is an answer, the block itself EIO, and what follows one
// again.
func TestReadStopsShort(t *testing.T) {
	f := newMediaFixture(t)
	fs, err := f.open()
	if err != nil {
		t.Fatal(err)
	}
	poison(t, fs.region, dataBlock(t, fs, f.big, 7))
	p := make([]byte, 40<<12)
	if n, eof, err := fs.Read(root, nil, f.big, p, 100); n != 7<<12-100 || eof || err != nil || p[0] != 1 || p[n-1] != 7 {
		t.Errorf("a read up to the block: %d bytes, %v, %v", n, eof, err)
	}
	if n, _, err := fs.Read(root, nil, f.big, p, 7<<12+5); n != 0 || !errors.Is(err, ErrIO) || !strings.Contains(err.Error(), "data block 7 of inode") {
		t.Errorf("a read in the block: %d bytes, %v", n, err)
	}
	if n, eof, err := fs.Read(root, nil, f.big, p, 8<<12); n != 32<<12 || !eof || err != nil || p[0] != 9 {
		t.Errorf("a read behind the block: %d bytes, %v, %v", n, eof, err)
	}
	if m := fs.MediaErrors(); m.Data == 0 || m.Metadata != 0 {
		t.Errorf("%+v, expected faults of data", m)
	}
	closeFS(t, fs)
	checkImage(t, f.path)
}

// TestBadBitmapLeavesGroups lets the bitmap of one block group go bad: files are made and removed in the others.
func TestBadBitmapLeavesGroups(t *testing.T) {
	for _, loaded := range []bool{false, true} {
		fs := memFS(t, 3*layout.GroupBlocks*layout.BlockSize)
		b := builder{t: t, fs: fs}
		if loaded {
			b.file(fs.Root(), "before", 1<<20)
			b.ok(fs.SyncAll())
		}
		poison(t, fs.region, layout.BitmapBlock(0))
		for i, name := range []string{"a", "b", "c", "d"} {
			a, err := fs.Create(root, nil, fs.Root(), []byte(name), &CreateOptions{})
			if err == nil {
				_, _, err = fs.Write(root, nil, a.Handle, make([]byte, 1<<20), 0)
			}
			// The first one of a group whose picture is loaded comes upon the fault.
			if err != nil && (i > 0 || !loaded) {
				t.Errorf("%s: %v", name, err)
			}
		}
		b.ok(fs.Unlink(root, nil, fs.Root(), []byte("d")))
		if loaded {
			if err := fs.Unlink(root, nil, fs.Root(), []byte("before")); !errors.Is(err, ErrIO) {
				t.Errorf("a file whose blocks are in the group is removed: %v", err)
			}
		}
		b.ok(fs.SyncAll())
		closeFS(t, fs)
	}
}
