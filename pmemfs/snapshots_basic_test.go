package pmemfs

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/pmem"
)

func TestSnapshotBasics(t *testing.T) {
	fs, err := OpenMemory(64<<20, DomainVolatile, Options{NoBackground: true})
	if err != nil {
		t.Fatal(err)
	}
	root := fs.Root()
	c := &Cred{}
	d, err := fs.Mkdir(c, nil, root, []byte("dir"), nil)
	if err != nil {
		t.Fatal(err)
	}
	var files []Attr
	for i := range 300 {
		a, err := fs.Create(c, nil, d.Handle, fmt.Appendf(nil, "f%d", i), &CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := fs.Write(c, nil, a.Handle, bytes.Repeat([]byte{byte(i)}, 10000), 0); err != nil {
			t.Fatal(err)
		}
		files = append(files, a)
	}
	sn, err := fs.CreateSnapshot("one", "first")
	if err != nil {
		t.Fatal(err)
	}
	for i, a := range files {
		switch i % 4 {
		case 0:
			if err := fs.Unlink(c, nil, d.Handle, fmt.Appendf(nil, "f%d", i)); err != nil {
				t.Fatal(err)
			}
		case 1:
			if _, _, err := fs.Write(c, nil, a.Handle, []byte("changed"), 5000); err != nil {
				t.Fatal(err)
			}
		case 2:
			if _, _, err := fs.Write(c, nil, a.Handle, bytes.Repeat([]byte("X"), 9000), 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	sd := d.Handle.In(sn.Epoch)
	n := 0
	if err := fs.Readdir(c, nil, sd, 0, true, func(e *DirEntry) bool { n++; return e.HasAttr || n <= 2 }); err != nil || n != 302 {
		t.Errorf("readdir: %v, %d", err, n)
	}
	for i := range files {
		a, err := fs.Lookup(c, nil, sd, fmt.Appendf(nil, "f%d", i))
		if err != nil {
			t.Fatal(i, err)
		}
		buf := make([]byte, 20000)
		m, _, err := fs.Read(c, nil, a.Handle, buf, 0)
		if err != nil || !bytes.Equal(buf[:m], bytes.Repeat([]byte{byte(i)}, 10000)) {
			t.Fatal(i, m, err)
		}
		if _, _, err := fs.Write(c, nil, a.Handle, []byte("x"), 0); !errors.Is(err, ErrReadOnly) {
			t.Fatal(err)
		}
	}
	list, space, err := fs.Snapshots()
	if err != nil || len(list) != 1 || list[0].Alone != space.Data || space.Data == 0 {
		t.Errorf("%+v, %+v, %v", list, space, err)
	}
	if err := fs.DeleteSnapshot("one"); err != nil {
		t.Fatal(err)
	}
	for i := range files {
		if err := fs.Unlink(c, nil, d.Handle, fmt.Appendf(nil, "f%d", i)); err != nil && i%4 != 0 {
			t.Fatal(err)
		}
	}
	if list, space, err = fs.Snapshots(); err != nil || len(list) != 0 || space != (SnapshotSpace{}) {
		t.Errorf("%+v, %+v, %v", list, space, err)
	}
	if err := fs.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestCreateSnapshotsName makes a file of the name of the directory of snapshots, where its directory has been removed.
func TestCreateSnapshotsName(t *testing.T) {
	b := newBench(t, 16<<20)
	d, err := b.Mkdir(superuser, nil, b.root, []byte("d"), nil)
	b.must(err)
	call := &Call{Top: d.Handle}
	modes := []CreateMode{Unchecked, Guarded, Exclusive}
	for _, mode := range modes {
		if _, err := b.Create(superuser, call, d.Handle, []byte(SnapshotsName), &CreateOptions{Mode: mode}); !errors.Is(err, ErrExist) && !errors.Is(err, ErrIsDir) {
			t.Errorf("mode %d: %v", mode, err)
		}
	}
	b.must(b.Rmdir(superuser, nil, b.root, []byte("d")))
	for _, mode := range modes {
		done := make(chan error, 1)
		go func() {
			_, err := b.Create(superuser, call, d.Handle, []byte(SnapshotsName), &CreateOptions{Mode: mode})
			done <- err
		}()
		select {
		case err := <-done:
			if !errors.Is(err, ErrExist) && !errors.Is(err, ErrStale) {
				t.Errorf("mode %d in a directory that is gone: %v", mode, err)
			}
		case <-time.After(time.Minute):
			t.Fatalf("mode %d in a directory that is gone does not end", mode)
		}
	}
}

// TestSnapshotIndex: the index has the snapshots in their order, with holds and without what each alone has, and says what is being deleted.
func TestSnapshotIndex(t *testing.T) {
	fs, err := OpenMemory(64<<20, DomainVolatile, Options{NoBackground: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"b", "a"} {
		if _, err := fs.CreateSnapshot(name, "of "+name); err != nil {
			t.Fatal(err)
		}
	}
	if err := fs.HoldSnapshot("a", "tag"); err != nil {
		t.Fatal(err)
	}
	list, deleting := fs.SnapshotIndex()
	if len(list) != 2 || deleting != 0 || list[0].Name != "b" || list[0].Text != "of b" || len(list[0].Holds) != 0 || list[1].Name != "a" || len(list[1].Holds) != 1 {
		t.Errorf("%+v, %d", list, deleting)
	}
	if err := fs.snaps.Doom("b"); err != nil {
		t.Fatal(err)
	}
	if list, deleting := fs.SnapshotIndex(); len(list) != 1 || deleting != 1 {
		t.Errorf("%+v, %d", list, deleting)
	}
	if IsSnapshotName("a b") || !IsSnapshotName("a-b") {
		t.Error("names")
	}
	checkFS(t, fs)
}

// TestSnapshotDirChanges looks at the time of change of the directory of snapshots: it is another one whenever there are others, also after
// a restart.
func TestSnapshotDirChanges(t *testing.T) {
	fs := memFSWith(t, 16<<20, false)
	seen := map[int64]string{}
	look := func(what string) int64 {
		t.Helper()
		a, err := fs.Getattr(nil, fs.Root().In(SnapDir))
		must(t, err)
		if old, ok := seen[a.Ctime]; ok {
			t.Errorf("%s: the time of change is that of %s", what, old)
		}
		seen[a.Ctime] = what
		return a.Ctime
	}
	look("none")
	for _, name := range []string{"one", "two", "three"} {
		_, err := fs.CreateSnapshot(name, "")
		must(t, err)
		look(name)
	}
	must(t, fs.DeleteSnapshot("two"))
	last := look("without two")
	must(t, fs.SyncAll())
	again := mountBytes(t, bytes.Clone(fs.region.Bytes()))
	if a, err := again.Getattr(nil, again.Root().In(SnapDir)); err != nil || a.Ctime != last {
		t.Errorf("after a restart: %d, expected %d, %v", a.Ctime, last, err)
	}
	closeFS(t, again)
	must(t, fs.DeleteSnapshot("one"))
	look("without one")
	closeFS(t, fs)
}

// TestSnapshotNoWait reads in a snapshot, without waiting, what has changed, while a change of another file of the same shard becomes
// durable: the call says that it would have to wait.
func TestSnapshotNoWait(t *testing.T) {
	b := newBench(t, 16<<20)
	create := func(name string) Handle {
		a, err := b.Create(superuser, nil, b.root, []byte(name), &CreateOptions{})
		b.must(err)
		return a.Handle
	}
	f := create("f")
	_, err := b.CreateSnapshot("zero", "")
	b.must(err)
	shards := uint32(b.snaps.Shards())
	g := create("g")
	for i := 0; layout.ShardOf(g.Ino, shards) != layout.ShardOf(f.Ino, shards); i++ {
		g = create(fmt.Sprintf("g%d", i))
	}
	sn, err := b.CreateSnapshot("one", "")
	b.must(err)
	_, _, err = b.Write(superuser, nil, f, []byte("later"), 0)
	b.must(err)
	then, top := f.In(sn.Epoch), b.root.In(sn.Epoch)
	calls := func(want error) {
		t.Helper()
		_, err := b.Getattr(&Call{NoWait: true}, then)
		b.want("Getattr", err, want)
		_, err = b.Lookup(superuser, &Call{NoWait: true}, top, []byte("f"))
		b.want("Lookup", err, want)
		err = b.Readdir(superuser, &Call{NoWait: true}, top, 0, true, func(*DirEntry) bool { return true })
		b.want("Readdir", err, want)
	}
	calls(nil)
	fences := 0
	b.region.SetPersistHook(pmem.Before(func(pmem.Range) error {
		if fences++; fences == 1 {
			calls(ErrWouldBlock)
		}
		return nil
	}))
	_, _, err = b.Write(superuser, nil, g, []byte("x"), 0)
	b.must(err)
	b.region.SetPersistHook(nil)
	if fences == 0 {
		t.Error("nothing was fenced")
	}
	calls(nil)
}
