package pmemfstest_test

import (
	"os"
	"path/filepath"
	"testing"

	"pmemfs/pmemfs"
	"pmemfs/pmemfs/pmemfstest"
)

// failures counts what a helper says about a test.
type failures struct {
	testing.TB
	n int
}

func (f *failures) Helper()               {}
func (f *failures) Errorf(string, ...any) { f.n++ }

func TestHelpers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "img")
	if err := pmemfs.Format(path, pmemfs.FormatOptions{Size: 8 << 20}); err != nil {
		t.Fatal(err)
	}
	pmemfstest.CheckImage(t, path)
	fs, err := pmemfs.Open(path, pmemfs.Options{Durability: pmemfs.DurabilityProcess})
	if err != nil {
		t.Fatal(err)
	}
	pmemfstest.CheckFS(t, fs)
	f := failures{TB: t}
	pmemfstest.CheckImage(&f, path)
	if f.n != 1 {
		t.Errorf("an open image: %d failures", f.n)
	}
	if err := fs.Close(); err != nil {
		t.Fatal(err)
	}
	p, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	p[100] ^= 1
	if err := os.WriteFile(path, p, 0o600); err != nil {
		t.Fatal(err)
	}
	f.n = 0
	if pmemfstest.CheckImage(&f, path); f.n != 1 {
		t.Errorf("a damaged superblock: %d failures", f.n)
	}
}
