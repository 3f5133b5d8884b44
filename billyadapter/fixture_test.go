package billyadapter_test

import (
	"path/filepath"
	"testing"

	"pmemfs/billyadapter"
	"pmemfs/pmemfs"
)

const imageBytes = 64 << 20

// newEngine formats and opens an image, and checks it when the test is over. The image does not survive a power cut:
// these tests make some hundred thousand changes and none of them is about that.
func newEngine(t testing.TB) *pmemfs.FS {
	t.Helper()
	path := filepath.Join(t.TempDir(), "image")
	if err := pmemfs.Format(path, pmemfs.FormatOptions{Size: imageBytes, RootMode: 0o755}); err != nil {
		t.Fatalf("format: %v", err)
	}
	eng, err := pmemfs.Open(path, pmemfs.Options{Durability: pmemfs.DurabilityProcess})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		if err := eng.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		checkImage(t, path)
	})
	return eng
}

func checkImage(t testing.TB, path string) {
	t.Helper()
	report, err := pmemfs.Check(path, pmemfs.CheckOptions{})
	if err != nil {
		t.Errorf("check: %v", err)
		return
	}
	for _, f := range report.Faults {
		t.Errorf("check: offset %d: %s: expected %s, found %s", f.Offset, f.Object, f.Expected, f.Found)
	}
}

func newFS(t testing.TB) *billyadapter.FS {
	t.Helper()
	return billyadapter.New(newEngine(t), pmemfs.Cred{})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
