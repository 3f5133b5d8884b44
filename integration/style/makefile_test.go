package style

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestFuzzTargets demands that `make fuzz` runs every fuzz target of the source, and no other.
func TestFuzzTargets(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	listed := regexp.MustCompile(`\./[\w/]+:Fuzz\w+`).FindAllString(string(text), -1)
	var found []string
	for _, f := range goFiles(t) {
		for _, name := range functions(f.tree) {
			if f.isTest() && strings.HasPrefix(name, "Fuzz") {
				found = append(found, "./"+path.Dir(f.path)+":"+name)
			}
		}
	}
	slices.Sort(listed)
	slices.Sort(found)
	if !slices.Equal(listed, found) {
		t.Errorf("make fuzz runs %v, the source has %v", listed, found)
	}
}
