package pmemfstest

import (
	"testing"

	"pmemfs/pmemfs"
	"pmemfs/pmemfs/internal/hook"
)

// Poison lets the memory of the block at byte offset off of a file go bad: every access to it faults, as with poisoned memory, until heal
// is called or the filesystem is closed. Nobody may be using the block meanwhile. The test fails where there is no block, or where it
// cannot be healed.
func Poison(t testing.TB, fs *pmemfs.FS, h pmemfs.Handle, off uint64) (heal func()) {
	t.Helper()
	end, err := hook.Poison(fs, h.Ino, h.Gen, off)
	if err != nil {
		t.Fatalf("poison: %v", err)
	}
	return func() {
		t.Helper()
		if err := end(); err != nil {
			t.Fatalf("heal: %v", err)
		}
	}
}
