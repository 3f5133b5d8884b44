package pmemfs

import (
	"errors"
	"maps"
	"testing"

	"pmemfs/pmemfs/internal/layout"
)

// TestRollbackPoisoned rolls back where the memory of an inode is bad: that one stays as it is, all others are what they were.
func TestRollbackPoisoned(t *testing.T) {
	s := snapped(t, false, false)
	fs := openFile(t, s.medium)
	linked, err := fs.Lookup(root, nil, mustLookup(t, fs, fs.Root(), "dir"), []byte("linked"))
	must(t, err)
	heal := poison(t, fs.region, layout.BlockOf(s.at(s.plain)))
	must(t, fs.RollbackSnapshot("three", false))
	heal()
	if _, err := fs.Getattr(nil, Handle{Ino: s.plain, Gen: s.inode(s.plain).Gen()}); err != nil {
		t.Errorf("the file with bad memory: %v", err)
	}
	if layout.BlockOf(s.at(linked.Ino)) != layout.BlockOf(s.at(s.plain)) {
		if a, err := fs.Getattr(nil, linked.Handle); err != nil || a.Mode == linked.Mode {
			t.Errorf("another file: %+v, %v", a, err)
		}
	}
	_, _, err = fs.Write(root, nil, linked.Handle, []byte("x"), 0)
	must(t, err)
	closeFS(t, fs)
}

// mustLookup returns the handle that a name has.
func mustLookup(t *testing.T, fs *FS, dir Handle, name string) Handle {
	t.Helper()
	a, err := fs.Lookup(root, nil, dir, []byte(name))
	must(t, err)
	return a.Handle
}

// TestRollbackBreaksOff breaks a rollback off in the middle: nobody changes what is half done, and the next open finishes it.
func TestRollbackBreaksOff(t *testing.T) {
	s := snapped(t, false, false)
	fs := openFile(t, s.medium)
	sn, err := fs.SnapshotNamed("three")
	must(t, err)
	want := pictureFrom(t, fs, fs.Root().In(sn.Epoch))
	block, _, _ := s.pastRun(s.plain, 0)
	heal := poison(t, fs.region, block)
	if err := fs.RollbackSnapshot("three", false); err == nil {
		t.Error("a rollback did not notice that a list cannot be read")
	}
	heal()
	if _, err := fs.Create(root, nil, fs.Root(), []byte("lost"), &CreateOptions{}); !errors.Is(err, ErrReadOnly) && !errors.Is(err, ErrIO) {
		t.Errorf("a change of what is half rolled back: %v", err)
	}
	path := fs.region.Path()
	if err := fs.Close(); err == nil {
		t.Error("a filesystem that has failed was closed as if it had not")
	}
	fs, err = Open(path, Options{NoBackground: true})
	must(t, err)
	if got := picture(t, fs); !maps.Equal(got, want) {
		t.Errorf("after the next open there are %d files, expected %d, or they differ", len(got), len(want))
	}
	checkFS(t, fs)
	closeFS(t, fs)
}

// TestRollbackHeld rolls back while a file is open that goes with that. Its number is used again by another, which goes when it has no name
// and nobody has it open.
func TestRollbackHeld(t *testing.T) {
	b := newBench(t, 16<<20)
	_, err := b.CreateSnapshot("one", "")
	b.must(err)
	create := func(name string) Handle {
		a, err := b.Create(superuser, nil, b.root, []byte(name), &CreateOptions{})
		b.must(err)
		return a.Handle
	}
	first := create("first")
	b.must(b.Hold(first))
	b.must(b.RollbackSnapshot("one", false))
	second := create("second")
	for i := 0; second.Ino != first.Ino && i < 1000; i++ {
		b.must(b.Unlink(superuser, nil, b.root, []byte("second")))
		second = create("second")
	}
	if second.Ino != first.Ino {
		t.Fatalf("inode %d is not used again", first.Ino)
	}
	b.must(b.Hold(second))
	b.must(b.Unlink(superuser, nil, b.root, []byte("second")))
	b.must(b.Release(second))
	b.must(b.Release(first))
	_, err = b.Getattr(nil, second)
	b.want("a file without a name that nobody has open", err, ErrStale)
}
