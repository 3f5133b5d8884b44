package style

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"pmemfs/integration/harness"
)

// goFile is one parsed Go file; its path is relative to the module's root.
type goFile struct {
	path   string
	source []byte
	tree   *ast.File
	set    *token.FileSet
}

func (f goFile) isTest() bool { return strings.HasSuffix(f.path, "_test.go") }

// folder is the package's folder, with slashes.
func (f goFile) folder() string { return filepath.ToSlash(filepath.Dir(f.path)) }

// at says where a node is, for a message.
func (f goFile) at(pos token.Pos) string {
	return strings.TrimPrefix(f.set.Position(pos).String(), string(filepath.Separator))
}

// textFiles returns the module's files, relative to its root, without what
// git ignores and without .git itself.
func textFiles(t *testing.T) []string {
	t.Helper()
	root := harness.Root(t)
	var files []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			switch name {
			case ".git", "bin", "dist", ".cache":
				return filepath.SkipDir
			}
			return nil
		}
		switch filepath.Ext(name) {
		case ".img", ".prof", ".test", ".png":
			return nil
		}
		files = append(files, name)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// goFiles parses every Go file of the module, for every platform.
func goFiles(t *testing.T) []goFile {
	t.Helper()
	root := harness.Root(t)
	var files []goFile
	for _, name := range textFiles(t) {
		if filepath.Ext(name) != ".go" {
			continue
		}
		source, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		set := token.NewFileSet()
		tree, err := parser.ParseFile(set, name, source, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		files = append(files, goFile{name, source, tree, set})
	}
	if len(files) == 0 {
		t.Fatal("no Go files found")
	}
	return files
}

// command runs a tool in the module's root and fails the test with what it
// said if it does not succeed.
func command(t *testing.T, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = harness.Root(t)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// functions returns the names of a file's functions that are no methods.
func functions(tree *ast.File) (names []string) {
	for _, d := range tree.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil {
			names = append(names, f.Name.Name)
		}
	}
	return names
}
