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

// TestStates: what servers keep is there after a restart, apart from all files, and bounded.
func TestStates(t *testing.T) {
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
	if names, err := fs.States(); err != nil || len(names) != 0 {
		t.Errorf("a new image has states %v, %v", names, err)
	}
	for _, err := range []error{fs.DropState("none"), func() error { _, err := fs.State("none"); return err }()} {
		if !errors.Is(err, ErrNotExist) {
			t.Errorf("none: %v", err)
		}
	}
	ok(fs.SetState("a", []byte("one")))
	ok(fs.SetState("b", make([]byte, StateValueMax)))
	ok(fs.SetState("a", []byte("two")))
	ok(fs.SetState("c", nil))
	ok(fs.DropState("c"))
	for name, value := range map[string][]byte{"": nil, "long": make([]byte, StateValueMax+1), string(make([]byte, 3)): nil} {
		if err := fs.SetState(name, value); !errors.Is(err, ErrRange) && !errors.Is(err, ErrInvalid) {
			t.Errorf("state %q of %d bytes: %v", name, len(value), err)
		}
	}
	if _, err := fs.Getattr(Handle{layout.StateIno, 1 << 32}); !errors.Is(err, ErrStale) {
		t.Errorf("a client reaches the states: %v", err)
	}
	if after := fs.Info(); after.UsedInodes != before.UsedInodes {
		t.Errorf("%d inodes, %d before", after.UsedInodes, before.UsedInodes)
	}
	checkFS(t, fs)
	ok(fs.Close())
	fs, err = Open(path, Options{})
	ok(err)
	names, err := fs.States()
	slices.Sort(names)
	if err != nil || !slices.Equal(names, []string{"a", "b"}) {
		t.Errorf("after a restart: %v, %v", names, err)
	}
	if v, err := fs.State("a"); err != nil || string(v) != "two" {
		t.Errorf("a is %q, %v", v, err)
	}
	for i := range StatesMax - 2 {
		ok(fs.SetState(fmt.Sprintf("n%d", i), []byte{1}))
	}
	if err := fs.SetState("one more", nil); !errors.Is(err, ErrNoSpace) {
		t.Errorf("more than %d: %v", StatesMax, err)
	}
	ok(fs.SetState("a", []byte("three")))
	checkFS(t, fs)
	ok(fs.Close())
}

// TestStatesRepaired: a state whose neighbour is damaged is kept, and so are all when only their inode is.
func TestStatesRepaired(t *testing.T) {
	fs := memFS(t, 16<<20)
	for i := range 100 {
		if err := fs.SetState(fmt.Sprintf("state%d", i), bytes.Repeat([]byte{7}, 600)); err != nil {
			t.Fatal(err)
		}
	}
	if err := fs.SyncAll(); err != nil {
		t.Fatal(err)
	}
	medium := bytes.Clone(fs.region.Bytes())
	slot := layout.BlockOffset(fs.sb.InodeBoot) + layout.StateIno*layout.InodeSize
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
	names, err := fs.States()
	if err != nil || len(names) != 100 {
		t.Errorf("%d states are left, %v", len(names), err)
	}
	checkFS(t, fs)
	closeFS(t, fs)
}
