package pmemfs

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/pmem"
	"pmemfs/pmemfs/internal/snapshot"
)

// TestSnapshotInstant writes one counter to two files in turn, in many goroutines, while snapshots are made, read and deleted: in each
// snapshot the second file is never ahead of the first one, nor behind it by more than the one write between.
func TestSnapshotInstant(t *testing.T) {
	fs, err := OpenMemory(128<<20, DomainVolatile, Options{})
	if err != nil {
		t.Fatal(err)
	}
	c := &Cred{}
	const pairs = 4
	var files [pairs][2]Handle
	for i := range files {
		for k := range files[i] {
			a, err := fs.Create(c, nil, fs.Root(), fmt.Appendf(nil, "f%d.%d", i, k), &CreateOptions{})
			if err != nil {
				t.Fatal(err)
			}
			files[i][k] = a.Handle
		}
	}
	var stop atomic.Bool
	var acked [pairs]atomic.Uint64
	var wg sync.WaitGroup
	for i := range files {
		wg.Go(func() { countInTurn(t, fs, i, files[i], &acked[i], &stop) })
	}
	read := func(h Handle) uint64 {
		var b [8]byte
		if n, _, err := fs.Read(c, nil, h, b[:], 0); err != nil || n != 8 && n != 0 {
			t.Errorf("%d bytes, %v", n, err)
		}
		return binary.LittleEndian.Uint64(b[:])
	}
	for round := range 15 {
		var least [pairs]uint64
		for i := range least {
			least[i] = acked[i].Load()
		}
		name := fmt.Sprint("s", round)
		sn, err := fs.CreateSnapshot(name, "")
		if err != nil {
			t.Fatal(err)
		}
		for i := range files {
			a, b := read(files[i][0].In(sn.Epoch)), read(files[i][1].In(sn.Epoch))
			if b > a || a > b+1 || b < least[i] {
				t.Errorf("round %d: %d and %d, after %d were acknowledged", round, a, b, least[i])
			}
		}
		if round >= 5 {
			if err := fs.DeleteSnapshot(fmt.Sprint("s", round-5+round%3)); err != nil && !errors.Is(err, ErrNotExist) {
				t.Fatal(err)
			}
		}
		for i := range least { // so that there is something new in each
			for acked[i].Load() == least[i] && !t.Failed() {
				runtime.Gosched()
			}
		}
	}
	stop.Store(true)
	wg.Wait()
	r, err := fs.Check()
	if err != nil || !r.Clean() {
		t.Errorf("check: %v, %+v", err, r)
	}
	if err := fs.Close(); err != nil {
		t.Fatal(err)
	}
}

// countInTurn writes a counter to two files in turn until it is stopped, with other changes in between, and says how far it has come.
func countInTurn(t *testing.T, fs *FS, i int, files [2]Handle, acked *atomic.Uint64, stop *atomic.Bool) {
	c := &Cred{}
	buf := make([]byte, 3*4096)
	name := fmt.Appendf(nil, "x%d", i)
	for n := uint64(1); !stop.Load(); n++ {
		for k := range files {
			size := len(buf)
			if n%2 == 0 {
				size = 100
			}
			binary.LittleEndian.PutUint64(buf, n)
			if _, _, err := fs.Write(c, nil, files[k], buf[:size], 0); err != nil {
				t.Error(err)
				return
			}
		}
		acked.Store(n)
		_, err := fs.Mkdir(c, nil, fs.Root(), name, nil)
		if err = errors.Join(err, fs.Rmdir(c, nil, fs.Root(), name)); err != nil {
			t.Error(err)
			return
		}
	}
}

// TestSnapshotReopened leaves snapshots, some being deleted, to another open.
func TestSnapshotReopened(t *testing.T) {
	path := t.TempDir() + "/fs.img"
	if err := Format(path, FormatOptions{Size: 32 << 20}); err != nil {
		t.Fatal(err)
	}
	c := &Cred{}
	var one Snapshot
	var h Handle
	for round := range 3 {
		fs, err := Open(path, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if round == 0 {
			a, err := fs.Create(c, nil, fs.Root(), []byte("f"), &CreateOptions{})
			if err != nil {
				t.Fatal(err)
			}
			h = a.Handle
			if _, _, err := fs.Write(c, nil, h, []byte("first"), 0); err != nil {
				t.Fatal(err)
			}
			if one, err = fs.CreateSnapshot("one", "text"); err != nil {
				t.Fatal(err)
			}
		}
		if _, _, err := fs.Write(c, nil, h, fmt.Appendf(nil, "then %d", round), 0); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 100)
		n, _, err := fs.Read(c, nil, h.In(one.Epoch), buf, 0)
		if err != nil || !bytes.Equal(buf[:n], []byte("first")) {
			t.Errorf("round %d: %q, %v", round, buf[:n], err)
		}
		list, _, err := fs.Snapshots()
		if err != nil || len(list) != 1+round || list[0].Text != "text" {
			t.Errorf("round %d: %+v, %v", round, list, err)
		}
		if _, err := fs.CreateSnapshot(fmt.Sprint("more", round), ""); err != nil {
			t.Fatal(err)
		}
		if round == 2 {
			for _, name := range []string{"one", "more0", "more1"} {
				if err := fs.DeleteSnapshot(name); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := fs.Close(); err != nil {
			t.Fatal(err)
		}
	}
	fs, err := Open(path, Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := fs.Read(c, nil, h.In(one.Epoch), make([]byte, 10), 0); !errors.Is(err, ErrStale) {
		t.Errorf("a deleted snapshot can be read: %v", err)
	}
	if _, err := fs.CreateSnapshot("no", ""); !errors.Is(err, ErrReadOnly) {
		t.Error(err)
	}
	if err := fs.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := Check(path, CheckOptions{})
	if err != nil || !r.Clean() {
		t.Errorf("check: %v, %+v", err, r)
	}
}

// TestRollbackBeside rolls back again and again while others change what they find: nobody is told anything but that it is gone.
func TestRollbackBeside(t *testing.T) {
	fs, err := OpenMemory(64<<20, DomainVolatile, Options{})
	if err != nil {
		t.Fatal(err)
	}
	c := &Cred{}
	var stop atomic.Bool
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for n := 0; !stop.Load(); n++ {
				name := fmt.Appendf(nil, "w%d.%d", i, n%7)
				a, err := fs.Create(c, nil, fs.Root(), name, &CreateOptions{})
				if err == nil {
					err = fs.Hold(a.Handle)
				}
				if err == nil {
					_, _, err = fs.Write(c, nil, a.Handle, bytes.Repeat(name, 1+n%3000), uint64(n%5)*4000)
					err = errors.Join(err, fs.Release(a.Handle))
				}
				if err == nil && n%3 == 0 {
					err = fs.Unlink(c, nil, fs.Root(), name)
				}
				if err != nil && !errors.Is(err, ErrStale) && !errors.Is(err, ErrNotExist) {
					t.Error(err)
					return
				}
			}
		})
	}
	for round := range 12 {
		name := fmt.Sprint("s", round%3)
		if err := fs.DeleteSnapshot(name); err != nil && !errors.Is(err, ErrNotExist) {
			t.Fatal(err)
		}
		if _, err := fs.CreateSnapshot(name, ""); err != nil {
			t.Fatal(err)
		}
		if err := fs.RollbackSnapshot(fmt.Sprint("s", (round+round%2)%3), true); err != nil && !errors.Is(err, ErrNotExist) {
			t.Fatal(err)
		}
	}
	stop.Store(true)
	wg.Wait()
	r, err := fs.Check()
	if err != nil || !r.Clean() {
		t.Errorf("check: %v, %+v", err, r)
	}
	if err := fs.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestFirstSnapshotSetup looks at what a first snapshot holds when its record has its place in the ring, and operations go on: the table that
// they keep things in is not in place yet, and must not come over what they store there.
func TestFirstSnapshotSetup(t *testing.T) {
	fs, err := OpenMemory(16<<20, DomainCacheFlush, Options{NoBackground: true})
	if err != nil {
		t.Fatal(err)
	}
	seen := false
	fs.region.SetPersistHook(func(pmem.Failpoint, pmem.Range) error {
		if fs.snaps.Shards() == 0 || seen {
			return nil
		}
		seen = true
		var was [layout.InodeSize]byte
		if ok, err := fs.snaps.Kept(layout.RootIno, 1, false, &was); err != snapshot.ErrBusy {
			t.Errorf("the table can be used before it is in place: %v, %v", ok, err)
		}
		return nil
	})
	if _, err := fs.CreateSnapshot("one", ""); err != nil {
		t.Fatal(err)
	}
	fs.region.SetPersistHook(nil)
	var was [layout.InodeSize]byte
	if ok, err := fs.snaps.Kept(layout.RootIno, 1, false, &was); ok || err != nil || !seen {
		t.Errorf("afterwards: %v, %v, %v", ok, err, seen)
	}
	if err := fs.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestRollbackRootless rolls back to a snapshot of which the root directory is lost.
func TestRollbackRootless(t *testing.T) {
	fs, err := OpenMemory(16<<20, DomainVolatile, Options{NoBackground: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fs.CreateSnapshot("one", ""); err != nil {
		t.Fatal(err)
	}
	in, err := fs.inodes.View(nil, layout.RootIno)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fs.CreateSnapshot("two", ""); err != nil {
		t.Fatal(err)
	}
	in.SetBirthEpoch(3) // as if it had been changed, and not kept
	in.Seal()
	if err := fs.RollbackSnapshot("one", true); !errors.Is(err, ErrIO) {
		t.Errorf("rolled back: %v", err)
	}
	if _, err := fs.SnapshotNamed("two"); err != nil {
		t.Errorf("what failed has deleted a newer snapshot: %v", err)
	}
	if _, err := fs.Create(&Cred{}, nil, fs.Root(), []byte("f"), &CreateOptions{}); err != nil {
		t.Errorf("it works no more: %v", err)
	}
	if err := fs.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestRollbackInterrupted opens an image of which a rollback has begun and got no further.
func TestRollbackInterrupted(t *testing.T) {
	path := t.TempDir() + "/fs.img"
	if err := Format(path, FormatOptions{Size: 16 << 20}); err != nil {
		t.Fatal(err)
	}
	fs, err := Open(path, Options{NoBackground: true})
	if err != nil {
		t.Fatal(err)
	}
	x := newChanger(t, fs, 1)
	for range 60 {
		x.step()
	}
	sn, err := fs.CreateSnapshot("one", "")
	if err != nil {
		t.Fatal(err)
	}
	want := treeAsText(t, fs, fs.Root())
	for range 60 {
		x.step()
	}
	if err := fs.snaps.Frozen(func() error { return fs.snaps.SetRollback(uint64(sn.Epoch)) }); err != nil {
		t.Fatal(err)
	}
	if err := fs.Close(); err != nil {
		t.Fatal(err)
	}
	if fs, err := Open(path, Options{ReadOnly: true}); err == nil {
		t.Error("it can be opened for reading, half rolled back", fs.Close())
	}
	if fs, err = Open(path, Options{NoBackground: true}); err != nil {
		t.Fatal(err)
	}
	sameTree(t, "after the open", treeAsText(t, fs, fs.Root()), want)
	if r, err := fs.Check(); err != nil || !r.Clean() {
		t.Errorf("check: %v, %+v", err, r)
	}
	if err := fs.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestSnapshotTableDamaged opens an image of which the table of snapshots is damaged: live files can be read, and nothing changes.
func TestSnapshotTableDamaged(t *testing.T) {
	path := t.TempDir() + "/fs.img"
	if err := Format(path, FormatOptions{Size: 8 << 20}); err != nil {
		t.Fatal(err)
	}
	fs, err := Open(path, Options{NoBackground: true})
	if err != nil {
		t.Fatal(err)
	}
	x := newChanger(t, fs, 3)
	for range 40 {
		x.step()
	}
	if _, err := fs.CreateSnapshot("one", ""); err != nil {
		t.Fatal(err)
	}
	want := treeAsText(t, fs, fs.Root())
	in, err := fs.inodes.View(nil, layout.SnapshotIno)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := in.DataRoot()
	if err := fs.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err == nil {
		_, err = f.WriteAt([]byte("damage"), layout.BlockOffset(block)+100)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	if fs, err = Open(path, Options{}); err != nil {
		t.Fatal(err)
	}
	sameTree(t, "without the table", treeAsText(t, fs, fs.Root()), want)
	if _, err := fs.Mkdir(&Cred{}, nil, fs.Root(), []byte("new"), nil); !errors.Is(err, ErrReadOnly) {
		t.Errorf("mkdir: %v", err)
	}
	if _, err := fs.CreateSnapshot("two", ""); !errors.Is(err, ErrReadOnly) {
		t.Errorf("create: %v", err)
	}
	if err := fs.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestBirthZero changes a file whose inode says, by damage, that it was born in epoch 0, in an image without snapshots.
func TestBirthZero(t *testing.T) {
	fs, err := OpenMemory(8<<20, DomainVolatile, Options{NoBackground: true})
	if err != nil {
		t.Fatal(err)
	}
	a, err := fs.Create(&Cred{}, nil, fs.Root(), []byte("f"), &CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	in, err := fs.inodes.View(nil, a.Ino)
	if err != nil {
		t.Fatal(err)
	}
	in.SetBirthEpoch(0)
	in.Seal()
	if _, _, err := fs.Write(&Cred{}, nil, a.Handle, []byte("text"), 0); err != nil {
		t.Fatal(err)
	}
	if err := fs.Close(); err != nil {
		t.Fatal(err)
	}
}
