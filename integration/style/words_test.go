package style

import (
	"go/ast"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pmemfs/integration/harness"
)

// unwanted are words that do not belong in a committed file. They are put
// together from halves so that this file does not find itself.
var unwanted = []struct {
	pattern *regexp.Regexp
	why     string
}{
	{regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|X` + `XX|HA` + `CK)\b`), "unfinished work is finished or not committed"},
	{regexp.MustCompile(`/wo` + `rk/|/ro` + `ot/|/ho` + `me/[a-z]`), "a path of one machine"},
	{regexp.MustCompile(`(?i)[a-z]*set` + `tle[ds]?\b`), "it had seven meanings: flush, commit, resolve ... (CONTRIBUTING.md, Glossary)"},
	{regexp.MustCompile(`\b(kept|lap` + `se|hur` + `ry)[A-Z]\w*`), "dirty data, write-back (CONTRIBUTING.md, Glossary)"},
	{regexp.MustCompile(`inode chap` + `ter`), "inode group (CONTRIBUTING.md, Glossary)"},
	{regexp.MustCompile(`pro` + `xy\.golang\.org|deb\.debian` + `\.org`), "a host of one build environment"},
}

// TestWords reads every file for words that do not belong there.
func TestWords(t *testing.T) {
	for _, name := range textFiles(t) {
		text, err := os.ReadFile(filepath.Join(harness.Root(t), name))
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(text), "\n") {
			for _, word := range unwanted {
				if found := word.pattern.FindString(line); found != "" {
					t.Errorf("%s:%d: %q: %s", name, i+1, found, word.why)
				}
			}
		}
	}
}

// pmemFolder is the only package that may look at memory as it is.
const pmemFolder = "pmemfs/internal/pmem"

// assemblyFolders are the packages with instructions that Go has not: those that store, and those that compute and touch no memory but
// the bytes that they are given.
var assemblyFolders = []string{pmemFolder, "pmemfs/internal/crc32c"}

// TestUnsafe keeps unsafe, cgo and mappings in one package, and assembly in two.
func TestUnsafe(t *testing.T) {
	for _, name := range textFiles(t) {
		folder := filepath.ToSlash(filepath.Dir(name))
		if filepath.Ext(name) == ".s" && !slices.Contains(assemblyFolders, folder) {
			t.Errorf("%s: assembly outside %v", name, assemblyFolders)
		}
	}
	for _, f := range goFiles(t) {
		for _, imported := range f.tree.Imports {
			switch path := strings.Trim(imported.Path.Value, `"`); {
			case path == "C":
				t.Errorf("%s: cgo", f.at(imported.Pos()))
			case path == "unsafe" && f.folder() != pmemFolder:
				t.Errorf("%s: unsafe outside %s", f.at(imported.Pos()), pmemFolder)
			}
		}
		if f.folder() == pmemFolder || f.folder() == "integration/guest" { // which maps files of the mount under test
			continue
		}
		ast.Inspect(f.tree, func(n ast.Node) bool {
			if call, ok := n.(*ast.SelectorExpr); ok && strings.HasPrefix(call.Sel.Name, "Mmap") {
				t.Errorf("%s: %s outside %s", f.at(n.Pos()), call.Sel.Name, pmemFolder)
			}
			return true
		})
	}
}

// TestNothingSkipped forbids the calls that make a test pass without running. pmemfs/testpart may leave a test to another part.
func TestNothingSkipped(t *testing.T) {
	receivers := map[string]bool{"t": true, "b": true, "tb": true, "f": true, "T": true}
	for _, f := range goFiles(t) {
		if path.Dir(f.path) == "pmemfs/testpart" {
			continue
		}
		ast.Inspect(f.tree, func(n ast.Node) bool {
			call, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			receiver, ok := call.X.(*ast.Ident)
			if !ok || !receivers[receiver.Name] {
				return true
			}
			switch call.Sel.Name {
			case "Skip", "Skipf", "SkipNow":
				t.Errorf("%s: a skipped test shows nothing", f.at(n.Pos()))
			}
			return true
		})
	}
}
