package pmemfs

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/testpart"
)

// TestValues: what servers store is there after a restart, apart from all files, and bounded.
func TestValues(t *testing.T) {
	testpart.NotRace(t)
	path := filepath.Join(t.TempDir(), "image")
	if err := Format(path, FormatOptions{Size: 16 << 20}); err != nil {
		t.Fatal(err)
	}
	fs, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	before := fs.Info()
	if names, err := fs.Keys(); err != nil || len(names) != 0 {
		t.Errorf("a new image has keys %v, %v", names, err)
	}
	for _, err := range []error{fs.DeleteValue("none"), func() error { _, err := fs.Value("none"); return err }()} {
		if !errors.Is(err, ErrNotExist) {
			t.Errorf("none: %v", err)
		}
	}
	ok(fs.PutValue("a", []byte("one")))
	ok(fs.PutValue("b", make([]byte, ValueMax)))
	ok(fs.PutValue("a", []byte("two")))
	ok(fs.PutValue("c", nil))
	ok(fs.DeleteValue("c"))
	for name, value := range map[string][]byte{"": nil, "long": make([]byte, ValueMax+1), string(make([]byte, 3)): nil} {
		if err := fs.PutValue(name, value); !errors.Is(err, ErrRange) && !errors.Is(err, ErrInvalid) {
			t.Errorf("value %q of %d bytes: %v", name, len(value), err)
		}
	}
	if _, err := fs.Getattr(nil, Handle{Ino: layout.ValuesIno, Gen: 1 << 32}); !errors.Is(err, ErrStale) {
		t.Errorf("a client reaches the store: %v", err)
	}
	if after := fs.Info(); after.UsedInodes != before.UsedInodes {
		t.Errorf("%d inodes, %d before", after.UsedInodes, before.UsedInodes)
	}
	checkFS(t, fs)
	ok(fs.Close())
	fs, err = Open(path, Options{})
	ok(err)
	names, err := fs.Keys()
	slices.Sort(names)
	if err != nil || !slices.Equal(names, []string{"a", "b"}) {
		t.Errorf("after a restart: %v, %v", names, err)
	}
	if v, err := fs.Value("a"); err != nil || string(v) != "two" {
		t.Errorf("a is %q, %v", v, err)
	}
	for i := range KeysMax - 2 {
		ok(fs.PutValue(fmt.Sprintf("n%d", i), []byte{1}))
	}
	if err := fs.PutValue("one more", nil); !errors.Is(err, ErrNoSpace) {
		t.Errorf("more than %d: %v", KeysMax, err)
	}
	ok(fs.PutValue("a", []byte("three")))
	checkFS(t, fs)
	ok(fs.Close())
}

// TestValuesRepaired: a value whose neighbour is damaged is kept, and so are all when only their inode is.
func TestValuesRepaired(t *testing.T) {
	fs := memFS(t, 16<<20)
	for i := range 100 {
		if err := fs.PutValue(fmt.Sprintf("key%d", i), bytes.Repeat([]byte{7}, 600)); err != nil {
			t.Fatal(err)
		}
	}
	if err := fs.SyncAll(); err != nil {
		t.Fatal(err)
	}
	medium := bytes.Clone(fs.region.Bytes())
	slot := layout.BlockOffset(fs.super().InodeBoot) + layout.ValuesIno*layout.InodeSize
	closeFS(t, fs)
	medium[slot+100] ^= 1
	path := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(path, medium, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Repair(path, RepairOptions{}); err != nil {
		t.Fatal(err)
	}
	fs, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	names, err := fs.Keys()
	if err != nil || len(names) != 100 {
		t.Errorf("%d values are left, %v", len(names), err)
	}
	checkFS(t, fs)
	closeFS(t, fs)
}
