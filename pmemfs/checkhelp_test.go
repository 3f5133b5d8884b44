package pmemfs

import (
	"testing"

	"pmemfs/pmemfs/internal/check"
)

// checkImage fails the test for each fault of the image at path, which is not open.
func checkImage(t testing.TB, path string) {
	t.Helper()
	r, err := Check(path, CheckOptions{Data: true})
	reportFaults(t, r, err)
}

// checkFS fails the test for each fault of an open filesystem.
func checkFS(t testing.TB, fs *FS) {
	t.Helper()
	r, err := fs.Check()
	reportFaults(t, r, err)
}

// checkMedium fails the test for each fault of a copy of a medium, as a crash leaves it.
func checkMedium(t testing.TB, medium []byte) *CheckReport {
	t.Helper()
	found, err := check.RunImage(check.Image{Bytes: medium, Data: true}, nil)
	r := checkReport(found)
	reportFaults(t, r, err)
	return r
}

func reportFaults(t testing.TB, r *CheckReport, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("check: %v", err)
		return
	}
	for i, f := range r.Faults {
		if i == 20 {
			t.Errorf("check: %d more faults", len(r.Faults)-i+r.Suppressed)
			break
		}
		t.Errorf("check: %v", f)
	}
	if r.Stopped != "" {
		t.Errorf("check: stopped: %s", r.Stopped)
	}
}
