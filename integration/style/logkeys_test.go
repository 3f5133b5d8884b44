package style

import (
	"go/ast"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"pmemfs/integration/harness"
)

// logLevels are the methods of a logger.
var logLevels = []string{"Debug", "Info", "Warn", "Error"}

// documentedKey is a row of the table of keys.
var documentedKey = regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|")

// TestLogKeys holds the keys of the log to those that docs/logs.md lists: whoever reads the log by a program relies on them. It has no two names for one
// thing.
func TestLogKeys(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(harness.Root(t), "docs/logs.md"))
	if err != nil {
		t.Fatal(err)
	}
	var documented []string
	for _, m := range documentedKey.FindAllSubmatch(text, -1) {
		documented = append(documented, string(m[1]))
	}
	used := make(map[string]bool)
	for _, f := range goFiles(t) {
		if f.isTest() || !timed(f.folder()) {
			continue
		}
		ast.Inspect(f.tree, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			for _, key := range keysOf(call) {
				used[key] = true
				if !slices.Contains(documented, key) {
					t.Errorf("%s: docs/logs.md does not list the key %q", f.at(call.Pos()), key)
				}
			}
			return true
		})
	}
	for _, key := range documented {
		if !used[key] {
			t.Errorf("docs/logs.md lists the key %q, which no line of the log has", key)
		}
	}
	if !slices.IsSorted(documented) {
		t.Error("the keys of docs/logs.md are not in order")
	}
}

// keysOf are the keys of a call of a logger; none of other calls.
func keysOf(call *ast.CallExpr) (keys []string) {
	fun, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || !slices.Contains(logLevels, fun.Sel.Name) || len(call.Args) == 0 {
		return nil
	}
	if _, ok := textOf(call.Args[0]); !ok {
		return nil
	}
	for i := 1; i < len(call.Args); i += 2 {
		if key, ok := textOf(call.Args[i]); ok {
			keys = append(keys, key)
		}
	}
	return keys
}

func textOf(e ast.Expr) (string, bool) {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(lit.Value)
	return text, err == nil
}
