package style

import (
	"go/ast"
	"strings"
	"testing"
)

// TestLockOrder demands that the package comment of an engine package with a lock says in which order its locks are taken.
func TestLockOrder(t *testing.T) {
	locks, says := map[string]string{}, map[string]bool{}
	for _, f := range goFiles(t) {
		folder := f.folder()
		if f.isTest() || folder != "pmemfs" && !strings.HasPrefix(folder, "pmemfs/internal/") || folder == "pmemfs/internal/volumetest" {
			continue
		}
		if f.tree.Doc != nil && strings.Contains(f.tree.Doc.Text(), "# Lock order\n") {
			says[folder] = true
		}
		ast.Inspect(f.tree, func(n ast.Node) bool {
			field, ok := n.(*ast.Field)
			if !ok {
				return true
			}
			typ := field.Type
			if star, ok := typ.(*ast.StarExpr); ok {
				typ = star.X
			}
			if s, ok := typ.(*ast.SelectorExpr); ok && (s.Sel.Name == "Mutex" || s.Sel.Name == "RWMutex") {
				locks[folder] = f.at(n.Pos())
			}
			return true
		})
	}
	for folder, where := range locks {
		if !says[folder] {
			t.Errorf("%s: package %s has a lock, and its comment has no section \"Lock order\"", where, folder)
		}
	}
	if len(locks) < 6 {
		t.Errorf("only %d packages with locks were found", len(locks))
	}
}
