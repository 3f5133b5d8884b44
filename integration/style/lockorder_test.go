package style

import (
	"go/ast"
	"slices"
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

// untimed are the files whose locks no build times: they are taken where memory is bad, once in a while, or in tests.
var untimed = []string{
	"pmemfs/internal/alloc/bad_blocks.go", "pmemfs/internal/media/media.go",
	"pmemfs/internal/scrub/scrub.go", "pmemfs/internal/pmem/record.go", "pmemfs/internal/volumetest/volume.go",
}

// lockMakers are the packages that locks are made of.
var lockMakers = []string{"pmemfs/internal/critical", "pmemfs/internal/latch"}

// TestLocksTimed demands that the locks of the engine are those of package critical, so that what all calls share shows in bench locks.
func TestLocksTimed(t *testing.T) {
	timed := 0
	for _, f := range goFiles(t) {
		folder := f.folder()
		if f.isTest() || folder != "pmemfs" && !strings.HasPrefix(folder, "pmemfs/internal/") || slices.Contains(lockMakers, folder) {
			continue
		}
		ast.Inspect(f.tree, func(n ast.Node) bool {
			s, ok := n.(*ast.SelectorExpr)
			if !ok || s.Sel.Name != "Mutex" && s.Sel.Name != "RWMutex" {
				return true
			}
			switch from, ok := s.X.(*ast.Ident); {
			case ok && from.Name == "critical":
				timed++
			case ok && from.Name == "sync" && !slices.Contains(untimed, f.path):
				t.Errorf("%s: a lock that no build times: take one of pmemfs/internal/critical, and name it", f.at(n.Pos()))
			}
			return true
		})
	}
	if timed < 10 {
		t.Errorf("only %d locks are timed", timed)
	}
}
