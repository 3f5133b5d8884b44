package pmemfs

import "testing"

// CheckImage fails the test for each fault of the image at path, which is not open.
func CheckImage(t testing.TB, path string) {
	t.Helper()
	r, err := Check(path, CheckOptions{})
	reportFaults(t, r, err)
}

// CheckFS fails the test for each fault of an open filesystem.
func CheckFS(t testing.TB, fs *FS) {
	t.Helper()
	r, err := fs.Check()
	reportFaults(t, r, err)
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
