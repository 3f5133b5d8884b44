package pmemfs

import (
	"errors"
	"os"
	"strings"
	"testing"
)

// TestImageRemoved removes an image whose fences are no system calls: whoever looks for it ends all changes.
func TestImageRemoved(t *testing.T) {
	b := builder{t: t}
	path := t.TempDir() + "/img"
	b.ok(Format(path, FormatOptions{Size: 8 << 20}))
	var log logged
	o := log.options()
	o.Durability = DurabilityProcess
	fs, err := Open(path, o)
	b.ok(err)
	b.ok(create(fs, "one"))
	b.ok(fs.LookForImage())
	b.ok(os.Rename(path, path+".moved"))
	b.ok(fs.LookForImage())
	b.ok(fs.LookForImage())
	b.ok(create(fs, "two"))
	b.ok(os.Rename(path+".moved", path))
	b.ok(fs.LookForImage())
	if m := fs.MediaErrors(); m.Misplaced != 2 {
		t.Errorf("%d looks did not find it, want 2", m.Misplaced)
	}
	b.ok(os.Remove(path))
	b.ok(fs.LookForImage())
	if err := create(fs, "three"); !errors.Is(err, ErrReadOnly) || !strings.Contains(err.Error(), "no name left") {
		t.Errorf("a change of a removed image: %v", err)
	}
	if _, err := fs.Lookup(root, nil, fs.Root(), []byte("two")); err != nil {
		t.Errorf("a look at it: %v", err)
	}
	for text, n := range map[string]int{"no longer at its path": 1, "where it was again": 1, "has been removed: nothing": 1, "level=ERROR": 3} {
		if got := strings.Count(log.String(), text); got != n {
			t.Errorf("the log says %q %d times, want %d:\n%s", text, got, n, log.String())
		}
	}
	if err := fs.Close(); !errors.Is(err, ErrReadOnly) {
		t.Errorf("close: %v", err)
	}
	if err := fs.LookForImage(); !errors.Is(err, ErrClosed) {
		t.Errorf("a look after Close: %v", err)
	}
}
