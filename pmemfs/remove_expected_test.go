package pmemfs

import (
	"errors"
	"strconv"
	"sync"
	"testing"
)

// TestExpected lets calls be about one file, while its name is its own and when it is another's.
func TestExpected(t *testing.T) {
	f := newFixture(t, false)
	c, call := &Cred{}, new(Call)
	newFile := func(name string, isDir bool) Handle {
		t.Helper()
		var a Attr
		var err error
		if isDir {
			a, err = f.fs.Mkdir(&Cred{}, nil, f.root, []byte(name), nil)
		} else {
			a, err = f.fs.Create(&Cred{}, nil, f.root, []byte(name), &CreateOptions{})
		}
		if err != nil {
			t.Fatal(err)
		}
		return a.Handle
	}
	a, b, d := newFile("a", false), newFile("b", false), newFile("d", true)
	for _, k := range []struct {
		what string
		run  func() error
		only Handle
	}{
		{"unlink", func() error { return f.fs.Unlink(c, call, f.root, []byte("a")) }, a},
		{"rename", func() error { return f.fs.Rename(c, call, f.root, []byte("b"), f.root, []byte("n"), 0) }, b},
		{"rename of a directory", func() error { return f.fs.Rename(c, call, f.root, []byte("d"), f.root, []byte("m"), 0) }, d},
		{"rmdir", func() error { return f.fs.Rmdir(c, call, f.root, []byte("m")) }, d},
	} {
		for _, other := range []Handle{f.root, f.file, {Ino: k.only.Ino, Gen: k.only.Gen + 1}} {
			call.Reset()
			call.Expected = other
			before := f.fs.Counters().Fences
			if err := k.run(); err != error(ErrStale) {
				t.Errorf("%s of another file: %v", k.what, err)
			}
			if n := f.fs.Counters().Fences - before; n != 0 {
				t.Errorf("%s of another file costs %d fences", k.what, n)
			}
		}
		call.Expected = k.only
		if err := k.run(); err != nil {
			t.Errorf("%s: %v", k.what, err)
		}
		call.Reset()
		if err := k.run(); !errors.Is(err, ErrNotExist) {
			t.Errorf("%s once more: %v", k.what, err)
		}
	}
}

// TestExpectedRaces has files removed under a name that others take at that moment: those must stay.
func TestExpectedRaces(t *testing.T) {
	f := newFixture(t, false)
	name := []byte("x")
	for i := range 300 {
		other := []byte("other" + strconv.Itoa(i))
		mine, err := f.fs.Create(&Cred{}, nil, f.root, name, &CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := f.fs.Create(&Cred{}, nil, f.root, other, &CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := f.fs.Rename(&Cred{}, nil, f.root, other, f.root, name, 0); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			err := f.fs.Unlink(&Cred{}, &Call{Expected: mine.Handle}, f.root, name)
			if err != nil && err != error(ErrStale) {
				t.Error(err)
			}
		})
		wg.Wait()
		if got, err := f.fs.Lookup(&Cred{}, nil, f.root, name); err != nil || got.Handle != theirs.Handle {
			t.Fatalf("round %d: the name is %v's, %v; want %v's", i, got.Handle, err, theirs.Handle)
		}
		if err := f.fs.Unlink(&Cred{}, nil, f.root, name); err != nil {
			t.Fatal(err)
		}
	}
}
