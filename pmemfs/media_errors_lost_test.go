package pmemfs

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/pmem"
	"pmemfs/pmemfs/testpart"
)

// lostFixture is a filesystem with a file of which block 1 has old content on the medium and, in a way of the test's, lost
// what a durable record said.
type lostFixture struct {
	t    *testing.T
	path string
	fs   *FS
	h    Handle
	bad  uint64
}

// newLostFixture makes the file, with old content that is at rest.
func newLostFixture(t *testing.T, d pmem.Domain) *lostFixture {
	f := &lostFixture{t: t, path: poisonable(t)}
	b := builder{t: t}
	b.ok(Format(f.path, FormatOptions{Size: 8 << 20}))
	region, err := pmem.Open(f.path, pmem.Options{Domain: d})
	b.ok(err)
	f.fs, err = mount(region, Options{NoBackground: true})
	b.ok(err)
	b.fs = f.fs
	f.h = b.file(f.fs.Root(), "file", 3*4096)
	b.ok(f.fs.SyncAll())
	f.bad = dataBlock(t, f.fs, f.h, 1)
	return f
}

// old returns the content of the bad block as the memory has it when it can be read.
func (f *lostFixture) old() []byte {
	off := layout.BlockOffset(f.bad)
	return bytes.Clone(f.fs.region.Bytes()[off : off+layout.BlockSize])
}

// write stores new content in block 1, durably.
func (f *lostFixture) write(c byte) error {
	_, _, err := f.fs.Write(root, nil, f.h, bytes.Repeat([]byte{c}, 4096), 4096)
	return err
}

// expectLost expects block 1 to be EIO and its neighbours to be well, now and after the next opens, when the memory can be
// read again; and block 1 to be as good as any once it has been written.
func (f *lostFixture) expectLost() {
	t := f.t
	t.Helper()
	for i := range 3 {
		p := make([]byte, 4096)
		if _, _, err := f.fs.Read(root, nil, f.h, p, 4096); !errors.Is(err, ErrIO) {
			t.Errorf("time %d: the lost block: %v, %x", i, err, p[0])
		}
		for _, off := range []uint64{0, 2 * 4096} {
			if _, _, err := f.fs.Read(root, nil, f.h, p, off); err != nil || p[0] != 0xa5 {
				t.Errorf("time %d: beside the lost block: %v, %x", i, err, p[0])
			}
		}
		if _, _, err := f.fs.Write(root, nil, f.h, []byte("part"), 4096+100); !errors.Is(err, ErrIO) {
			t.Errorf("time %d: a write to a part of the lost block: %v", i, err)
		}
		if m := f.fs.MediaErrors(); m.Lost != 1 {
			t.Errorf("time %d: %+v, expected a lost block", i, m)
		}
		closeFS(t, f.fs)
		r, err := Check(f.path, CheckOptions{})
		if err != nil || len(r.Faults) != 1 || r.LostBlocks != 1 || r.Faults[0].Offset != layout.BlockOffset(f.bad) {
			t.Errorf("time %d: check: %+v, %v", i, r, err)
		}
		f.open()
	}
	if err := f.write(3); err != nil {
		t.Errorf("a write over the lost block: %v", err)
	}
	for range 2 {
		expect(t, f.fs, f.h, slices.Concat(bytes.Repeat([]byte{0xa5}, 4096), bytes.Repeat([]byte{3}, 4096), bytes.Repeat([]byte{0xa5}, 4096)))
		if m := f.fs.MediaErrors(); m.Lost != 0 || m.Bad != 1 {
			t.Errorf("%+v, expected a bad block", m)
		}
		closeFS(t, f.fs)
		checkImage(t, f.path)
		f.open()
	}
	neverUsed(t, f.fs, f.bad)
	closeFS(t, f.fs)
}

func (f *lostFixture) open() {
	f.t.Helper()
	fs, err := Open(f.path, Options{NoBackground: true})
	if err != nil {
		f.t.Fatal(err)
	}
	f.fs = fs
}

// TestLostAtRecovery lets a block that the window says something about fault during recovery.
func TestLostAtRecovery(t *testing.T) {
	f := newLostFixture(t, pmem.PageCache)
	old := f.old()
	if err := f.write(2); err != nil {
		t.Fatal(err)
	}
	crashed := bytes.Clone(f.fs.region.Bytes())
	copy(crashed[layout.BlockOffset(f.bad):], old) // the store in place did not reach the medium
	closeFS(t, f.fs)
	if err := os.WriteFile(f.path, crashed, 0o600); err != nil {
		t.Fatal(err)
	}
	region, err := pmem.Open(f.path, pmem.Options{})
	if err != nil {
		t.Fatal(err)
	}
	poison(t, region, f.bad)
	if f.fs, err = mount(region, Options{NoBackground: true}); err != nil {
		t.Fatal(err)
	}
	f.expectLost()
}

// TestLostInPlace lets a block fault after its record is durable, before it is stored in place.
func TestLostInPlace(t *testing.T) {
	f := newLostFixture(t, pmem.PageCache)
	f.fs.region.SetPersistHook(pmem.Before(func(pmem.Range) error { poison(t, f.fs.region, f.bad); return nil }))
	if err := f.write(2); err != nil {
		t.Fatal(err)
	}
	f.fs.region.SetPersistHook(nil)
	f.expectLost()
}

// TestLostAtCheckpoint lets a block fault when a checkpoint flushes it.
func TestLostAtCheckpoint(t *testing.T) {
	if !cacheFlush() {
		t.Log("no cache-flush domain here: nothing else touches the lines that it makes durable")
		return
	}
	f := newLostFixture(t, pmem.CacheFlush)
	if err := f.write(2); err != nil {
		t.Fatal(err)
	}
	poison(t, f.fs.region, f.bad)
	if err := f.fs.SyncAll(); err != nil {
		t.Fatal(err)
	}
	f.expectLost()
}

// cacheFlush reports whether this machine has the domain.
func cacheFlush() bool {
	fs, err := OpenMemory(MinSize, DomainCacheFlush, Options{NoBackground: true})
	return err == nil && fs.Close() == nil
}

// TestLostCrash cuts the power at every fence from the record whose block is lost on: whatever the medium holds then, nobody
// gets the old content of the block, which its memory has when it is well again.
func TestLostCrash(t *testing.T) {
	testpart.NotRace(t)
	f := newLostFixture(t, pmem.PageCache)
	region := f.fs.region
	sure := bytes.Clone(region.Bytes())
	bad := pmem.Range{Off: layout.BlockOffset(f.bad), Len: layout.BlockSize}
	around := func(g pmem.Range, do func(from, to int64)) { // the memory of the bad block cannot be looked at
		do(g.Off, min(g.Off+g.Len, max(bad.Off, g.Off)))
		do(max(g.Off, min(bad.Off+bad.Len, g.Off+g.Len)), g.Off+g.Len)
	}
	var cuts [][]byte
	rng := rand.New(rand.NewPCG(1, 1))
	hook := func(g pmem.Range) error {
		if len(cuts) == 0 {
			poison(t, region, f.bad)
		}
		for range 8 {
			cut := bytes.Clone(sure)
			around(pmem.Range{Len: region.Size()}, func(from, to int64) {
				for ; from < to; from += layout.LineSize {
					if rng.IntN(2) == 0 {
						copy(cut[from:from+layout.LineSize], region.Bytes()[from:])
					}
				}
			})
			cuts = append(cuts, cut)
		}
		around(g, func(from, to int64) {
			if from < to {
				copy(sure[from:to], region.Bytes()[from:to])
			}
		})
		cuts = append(cuts, bytes.Clone(sure))
		return nil
	}
	region.SetPersistHook(pmem.Before(hook))
	if err := f.write(2); err != nil {
		t.Fatal(err)
	}
	acknowledged := len(cuts)
	if err := f.fs.SyncAll(); err != nil {
		t.Fatal(err)
	}
	region.SetPersistHook(nil)
	if fences := len(cuts) / 9; fences != 3 {
		t.Errorf("%d fences, expected the record's and two of the checkpoint", fences)
	}
	found := map[string]int{}
	for i, cut := range cuts {
		fs := mountBytes(t, cut)
		p := make([]byte, 4096)
		_, _, err := fs.Read(root, nil, f.h, p, 4096)
		switch {
		case errors.Is(err, ErrIO):
			found[eio]++
		case err == nil && bytes.Equal(p, bytes.Repeat([]byte{2}, 4096)):
			found["new"]++
		case err == nil && i < acknowledged-1 && bytes.Equal(p, bytes.Repeat([]byte{0xa5}, 4096)):
			found["old"]++
		default:
			t.Errorf("cut %d of %d: %v, %x", i, len(cuts), err, p[0])
		}
		closeFS(t, fs)
	}
	if found[eio] == 0 || found["new"] == 0 || found["old"] == 0 {
		t.Errorf("%v: not every outcome was seen", found)
	}
	closeFS(t, f.fs)
}

// TestLostNode lets a node of a directory fault at a checkpoint, which is about to bring its checksum up to date.
func TestLostNode(t *testing.T) {
	f := newMediaFixture(t)
	fs, err := f.open()
	if err != nil {
		t.Fatal(err)
	}
	name := bytes.Repeat([]byte("n"), 200)
	if _, err := fs.Create(root, nil, f.dir, name, &CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	f.survey(fs)
	at := key{what: "name", h: f.dir, name: string(name)}
	var dirty uint64
	for i := range fs.region.Size() >> layout.BlockShift {
		b := fs.region.Bytes()[layout.BlockOffset(uint64(i)):layout.BlockOffset(uint64(i+1))]
		if layout.IsNode(b) && bytes.Contains(b, name) {
			dirty = uint64(i)
		}
	}
	poison(t, fs.region, dirty)
	if err := fs.SyncAll(); err != nil {
		t.Errorf("checkpoint over a bad node: %v", err)
	}
	hurts := func(k key) bool { return k.h == f.dir && (k.what == "name" || k.what == "list") }
	for i := range 3 {
		if got := at.ask(t, fs); got != eio {
			t.Errorf("time %d: a name in the lost node is found", i)
		}
		if n := f.compare(fs, hurts); n < 20 || n > 100 {
			t.Errorf("time %d: %d answers are EIO", i, n)
		}
		if err := f.work(fs); err != nil {
			t.Errorf("time %d: changes: %v", i, err)
		}
		closeFS(t, fs)
		if fs, err = f.open(); err != nil {
			t.Fatal(err)
		}
	}
	closeFS(t, fs)
}

// TestBadOrphans lets the orphan index go bad with files in it: the image opens, and all but removing what is open works.
func TestBadOrphans(t *testing.T) {
	f := newMediaFixture(t)
	fs, err := f.open()
	if err != nil {
		t.Fatal(err)
	}
	b := builder{t: t, fs: fs}
	h := b.file(fs.Root(), "held", 10000)
	b.ok(fs.Hold(h))
	b.ok(fs.Unlink(root, nil, fs.Root(), []byte("held")))
	b.ok(fs.SyncAll())
	in, err := fs.inodes.View(nil, layout.OrphanIno)
	b.ok(err)
	block, _ := in.DataRoot()
	closeFS(t, fs)
	if fs, err = f.open(block); err != nil {
		t.Fatal(err)
	}
	f.compare(fs, func(key) bool { return false })
	b.ok(f.work(fs))
	if log := f.log.String(); !bytes.Contains([]byte(log), []byte("orphan index node at block")) {
		t.Errorf("the log does not name the orphan index:\n%s", log)
	}
	b.ok(fs.Hold(f.big))
	if err := fs.Unlink(root, nil, fs.Root(), []byte("big")); !errors.Is(err, ErrIO) {
		t.Errorf("unlink of an open file: %v", err)
	}
	closeFS(t, fs)
	checkImage(t, f.path)
	if fs, err = f.open(); err != nil {
		t.Fatal(err)
	}
	if _, err := fs.Getattr(nil, h); !errors.Is(err, ErrStale) {
		t.Errorf("an orphan after an open with a good index: %v", err)
	}
	closeFS(t, fs)
	checkImage(t, f.path)
}
