package style

import (
	"path"
	"strings"
	"testing"
)

// TestNamesOfTests asks that a test can be found from what it tests: what tests x.go is in x_test.go or x_..._test.go. Fixtures, what
// is exported to tests, examples, benchmarks and fuzz targets may be of the whole package, and a folder of tests alone names its files
// as it likes.
func TestNamesOfTests(t *testing.T) {
	sources := map[string][]string{}
	for _, f := range goFiles(t) {
		if name := strings.TrimSuffix(path.Base(f.path), ".go"); !f.isTest() && name != "doc" {
			sources[f.folder()] = append(sources[f.folder()], name)
		}
	}
	for _, f := range goFiles(t) {
		name := strings.TrimSuffix(path.Base(f.path), "_test.go")
		if !f.isTest() || len(sources[f.folder()]) == 0 || ofPackage(name) {
			continue
		}
		found := false
		for _, source := range sources[f.folder()] {
			found = found || name == source || strings.HasPrefix(name, source+"_")
		}
		if !found {
			t.Errorf("%s: there is no %s.go, nor another source that the name begins with", f.path, strings.Split(name, "_")[0])
		}
	}
}

// ofPackage reports whether a test file may concern all of its package.
func ofPackage(name string) bool {
	for _, kind := range []string{"fixture", "example", "bench", "fuzz", "export"} {
		if name == kind || strings.HasPrefix(name, kind+"_") {
			return true
		}
	}
	return false
}
