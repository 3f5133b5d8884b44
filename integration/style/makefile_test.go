package style

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pmemfs/integration/harness"
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

// TestVariables keeps what tests go by out of the server's own variables: every server that a test starts would refuse one that it does not
// know, and obey one that it does.
func TestVariables(t *testing.T) {
	ours := regexp.MustCompile(`(-e )?\bPMEMFS_[A-Z]\w*`)
	for _, name := range textFiles(t) {
		folder := path.Dir(filepath.ToSlash(name))
		if name != "Makefile" && name != "CONTRIBUTING.md" && folder != ".ci" && folder != "scripts" && folder != "scripts/tenminutes" {
			continue
		}
		text, err := os.ReadFile(filepath.Join(harness.Root(t), name))
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range ours.FindAllString(string(text), -1) {
			if !strings.HasPrefix(found, "-e ") { // what a container is told
				t.Errorf("%s: %s: begin it with TEST_PMEMFS_", name, found)
			}
		}
	}
}
