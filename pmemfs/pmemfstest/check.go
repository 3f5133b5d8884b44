// Package pmemfstest helps tests of packages that use pmemfs: every test that opened a filesystem ends by checking it.
package pmemfstest

import (
	"testing"

	"pmemfs/pmemfs"
)

// shown is how many faults a failing test prints.
const shown = 20

// CheckImage fails the test for each fault of the image at path, which must not be open. It only reads.
func CheckImage(t testing.TB, path string) {
	t.Helper()
	r, err := pmemfs.Check(path, pmemfs.CheckOptions{})
	report(t, r, err)
}

// CheckFS fails the test for each fault of an open filesystem, whose calls wait while its medium is copied.
func CheckFS(t testing.TB, fs *pmemfs.FS) {
	t.Helper()
	r, err := fs.Check()
	report(t, r, err)
}

func report(t testing.TB, r *pmemfs.CheckReport, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("check: %v", err)
		return
	}
	for i, f := range r.Faults {
		if i == shown {
			t.Errorf("check: %d more faults", len(r.Faults)-i+r.Suppressed)
			break
		}
		t.Errorf("check: %v", f)
	}
}
