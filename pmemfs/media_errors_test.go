package pmemfs

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/testpart"
)

// victim is a kind of object whose memory goes bad.
type victim struct {
	name   string
	blocks func(f *mediaFixture, fs *FS) []uint64
	hurts  func(f *mediaFixture, k key) bool // what cannot be read then; nil for nothing
	min    int                               // how much of it, at least
	max    int                               // at most
	object string                            // what the log calls it
	opens  string                            // why the image cannot be opened; empty if it can
	works  string                            // how changes go: "", "EIO" or "EROFS"
}

func one(b func(f *mediaFixture, fs *FS) uint64) func(f *mediaFixture, fs *FS) []uint64 {
	return func(f *mediaFixture, fs *FS) []uint64 { return []uint64{b(f, fs)} }
}

func fixed(b ...uint64) func(*mediaFixture, *FS) []uint64 {
	return func(*mediaFixture, *FS) []uint64 { return b }
}

// inBlockOf says that a key needs an inode that shares a block with ino.
func inBlockOf(ino uint64, k key) bool {
	return k.h.Ino/layout.InodesPerBlk == ino/layout.InodesPerBlk || k.ino/layout.InodesPerBlk == ino/layout.InodesPerBlk && k.ino != 0
}

func inodeBlock(t *testing.T, fs *FS, ino uint64) uint64 {
	off, err := fs.inodes.Offset(ino)
	if err != nil {
		t.Fatal(err)
	}
	return layout.BlockOf(off)
}

var victims = []victim{
	{name: "data block", blocks: one(func(f *mediaFixture, fs *FS) uint64 { return dataBlock(f.t, fs, f.big, 5) }),
		hurts: func(f *mediaFixture, k key) bool { return k.what == "data" && k.h == f.big && k.n == 5 }, min: 1, max: 1,
		object: "data block 5 of inode "},
	{name: "inode", blocks: one(func(f *mediaFixture, fs *FS) uint64 { return inodeBlock(f.t, fs, f.one.Ino) }),
		hurts: func(f *mediaFixture, k key) bool { return inBlockOf(f.one.Ino, k) }, min: 33, max: 33, object: "inodes "},
	{name: "root directory", blocks: one(func(f *mediaFixture, fs *FS) uint64 { return inodeBlock(f.t, fs, layout.RootIno) }),
		hurts: func(f *mediaFixture, k key) bool { return inBlockOf(layout.RootIno, k) }, min: 20, max: 10000, object: "inodes 16 to 31", works: eio},
	{name: "directory leaf", blocks: one(func(f *mediaFixture, fs *FS) uint64 { return nodeBlock(f.t, fs, f.dir.Ino, false, true) }),
		hurts: func(f *mediaFixture, k key) bool { return k.h == f.dir && (k.what == "name" || k.what == "list") }, min: 1, max: 100,
		object: "directory node at block "},
	{name: "directory root", blocks: one(func(f *mediaFixture, fs *FS) uint64 { return nodeBlock(f.t, fs, f.dir.Ino, false, false) }),
		hurts: func(f *mediaFixture, k key) bool { return k.h == f.dir && (k.what == "name" || k.what == "list") }, min: 401, max: 401,
		object: "directory node at block "},
	{name: "extent leaf", blocks: one(func(f *mediaFixture, fs *FS) uint64 { return nodeBlock(f.t, fs, f.frag.Ino, false, true) }),
		hurts: func(f *mediaFixture, k key) bool { return k.h == f.frag && k.what == "data" }, min: 50, max: 500, object: "extent node at block "},
	{name: "extent root", blocks: one(func(f *mediaFixture, fs *FS) uint64 { return nodeBlock(f.t, fs, f.frag.Ino, false, false) }),
		hurts: func(f *mediaFixture, k key) bool { return k.h == f.frag && k.what == "data" }, min: 599, max: 599, object: "extent node at block "},
	{name: "attribute leaf", blocks: one(func(f *mediaFixture, fs *FS) uint64 { return nodeBlock(f.t, fs, f.attrs.Ino, true, true) }),
		hurts: func(f *mediaFixture, k key) bool { return k.what == "xattr" }, min: 1, max: 40, object: "attribute node at block "},
	{name: "attribute value", blocks: one(longValue),
		hurts: func(f *mediaFixture, k key) bool { return k.what == "xattr" && k.name == "user.long" }, min: 1, max: 1, object: "value of attribute"},
	{name: "link target", blocks: one(func(f *mediaFixture, fs *FS) uint64 { return dataBlock(f.t, fs, f.link, 0) }),
		hurts: func(f *mediaFixture, k key) bool { return k.what == "link" }, min: 1, max: 1, object: "data block 0 of inode "},
	{name: "block bitmap", blocks: fixed(1), object: "bitmap of block group 0", works: eio},
	{name: "inode bitmap", blocks: one(func(f *mediaFixture, fs *FS) uint64 { return fs.super().InodeBoot - 1 }), object: "bitmap of inode group 0", works: eio},
	{name: "inode file", blocks: one(func(f *mediaFixture, fs *FS) uint64 { return fs.super().InodeBoot }), opens: "the inode file"},
	{name: "journal ring", blocks: ring, opens: "journal ring, block ", object: "journal ring, block ", works: "EROFS"},
	{name: "journal head A", blocks: fixed(layout.JournalHeadA), opens: "journal head, block 2", object: "journal head, block 2", works: "EROFS"},
	{name: "journal head B", blocks: fixed(layout.JournalHeadB), opens: "journal head, block 3", object: "journal head, block 3", works: "EROFS"},
	{name: "superblock", blocks: fixed(layout.SuperBlock)},
	{name: "backup superblock", blocks: one(func(f *mediaFixture, fs *FS) uint64 { return fs.super().Backup })},
	{name: "both superblocks", blocks: func(f *mediaFixture, fs *FS) []uint64 { return []uint64{layout.SuperBlock, fs.super().Backup} },
		opens: "both superblocks are unreadable"},
	{name: "free space", blocks: freeRun},
}

// longValue returns a block of the long attribute value.
func longValue(f *mediaFixture, fs *FS) uint64 {
	want := bytes.Repeat([]byte("long"), layout.BlockSize/4)
	for b := range fs.super().Blocks {
		if bytes.Equal(fs.region.Bytes()[layout.BlockOffset(b):layout.BlockOffset(b+1)], want) {
			return b
		}
	}
	f.t.Fatal("no block of the long attribute")
	return 0
}

// ring returns all blocks of the journal's ring.
func ring(f *mediaFixture, fs *FS) (blocks []uint64) {
	for b := range fs.super().RingBlocks {
		blocks = append(blocks, layout.JournalRing+b)
	}
	return blocks
}

// freeRun returns every second one of the free blocks.
func freeRun(f *mediaFixture, fs *FS) (blocks []uint64) {
	for b := range fs.super().Blocks {
		if free, err := fs.a.Blocks.Free(b); err != nil {
			f.t.Fatal(err)
		} else if free && b%2 == 0 && len(blocks) < 200 {
			blocks = append(blocks, b)
		}
	}
	return blocks
}

// TestMediaFaults lets the memory of each kind of object go bad, before the image is opened and while it is in use. What
// cannot be read is EIO and no more than it has to be, nothing reads as anything else, and the log says what was hit.
func TestMediaFaults(t *testing.T) {
	testpart.NotRace(t)
	for _, v := range victims {
		t.Run(v.name+"/before", func(t *testing.T) {
			f := newMediaFixture(t)
			fs, err := f.open()
			if err != nil {
				t.Fatal(err)
			}
			blocks := v.blocks(f, fs)
			closeFS(t, fs)
			fs, err = f.open(blocks...)
			if v.opens != "" {
				if err == nil || !strings.Contains(err.Error(), v.opens) {
					t.Errorf("open: %v, want %q", err, v.opens)
				}
				checkImage(t, f.path)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			v.run(f, fs)
		})
		t.Run(v.name+"/in use", func(t *testing.T) {
			f := newMediaFixture(t)
			fs, err := f.open()
			if err != nil {
				t.Fatal(err)
			}
			f.compare(fs, func(key) bool { return false })
			for _, b := range v.blocks(f, fs) {
				poison(t, fs.region, b)
			}
			v.run(f, fs)
		})
	}
}

// run uses a filesystem over bad memory and opens it again when the memory is well.
func (v *victim) run(f *mediaFixture, fs *FS) {
	t := f.t
	hurts := func(k key) bool { return v.hurts != nil && v.hurts(f, k) }
	if v.name == "inode file" {
		hurts = func(key) bool { return false } // its extents are known
	}
	if n := f.compare(fs, hurts); n < v.min || n > v.max {
		t.Errorf("%d answers are EIO, want %d to %d", n, v.min, v.max)
	}
	err := f.work(fs)
	switch {
	case v.works == "" && err != nil:
		t.Errorf("changes: %v", err)
	case v.works == eio && !errors.Is(err, ErrIO):
		t.Errorf("changes: %v, want EIO", err)
	case v.works == "EROFS" && !errors.Is(f.work(fs), ErrReadOnly):
		t.Errorf("changes: %v, want EROFS", err)
	}
	if n := f.compare(fs, hurts); n < v.min || n > v.max {
		t.Errorf("%d answers are EIO after changes, want %d to %d", n, v.min, v.max)
	}
	if log := f.log.String(); !strings.Contains(log, v.object) {
		t.Errorf("the log does not name %q:\n%s", v.object, log)
	}
	if err := fs.Close(); (err != nil) != (v.works == "EROFS") {
		t.Errorf("close: %v", err)
	}
	if t.Failed() {
		return
	}
	checkImage(t, f.path)
	again, err := f.open()
	if err != nil {
		t.Fatal(err)
	}
	f.compare(again, func(key) bool { return false })
	if err := f.work(again); err != nil {
		t.Errorf("changes when all is well again: %v", err)
	}
	closeFS(t, again)
	checkImage(t, f.path)
}

// work changes things beside those that are asked for, and puts them back.
func (f *mediaFixture) work(fs *FS) error {
	d := Handle{Ino: layout.RootIno, Gen: layout.RootGen}
	for i := range 3 {
		name := fmt.Appendf(nil, "work %d %d", i, fs.j.Epoch())
		a, err := fs.Mkdir(root, nil, d, name, nil)
		if err != nil {
			return fmt.Errorf("mkdir: %w", err)
		}
		for _, size := range []int{5, 4096, 100 << 10, 1 << 20} {
			file := fmt.Appendf(nil, "file of %d", size)
			b, err := fs.Create(root, nil, a.Handle, file, &CreateOptions{})
			if err != nil {
				return fmt.Errorf("create: %w", err)
			}
			p := bytes.Repeat([]byte{byte(size)}, size)
			if _, _, err := fs.Write(root, nil, b.Handle, p, 0); err != nil {
				return fmt.Errorf("write: %w", err)
			}
			got := make([]byte, size)
			if n, _, err := fs.Read(root, nil, b.Handle, got, 0); err != nil || n != size || !bytes.Equal(got, p) {
				return fmt.Errorf("read back: %d of %d bytes: %w", n, size, err)
			}
			if err := fs.Unlink(root, nil, a.Handle, file); err != nil {
				return fmt.Errorf("unlink: %w", err)
			}
		}
		if err := fs.Rmdir(root, nil, d, name); err != nil {
			return fmt.Errorf("rmdir: %w", err)
		}
		if err := fs.SyncAll(); err != nil {
			return fmt.Errorf("sync: %w", err)
		}
	}
	return nil
}
