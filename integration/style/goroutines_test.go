package style

import (
	"go/ast"
	"strings"
	"testing"
)

// bare lists folders whose goroutines may end the process: their process is a test's or a benchmark's own.
var bare = []string{"integration", "cmd/benchserver", "cmd/pmemfs/internal/bench", "pmemfs/crashtest", "server/ninetest", "pmemfs/internal/alloctest"}

// wrapper is the package in which goroutines start.
const wrapper = "pmemfs/safego"

// TestGoroutines finds goroutines that are started outside of the wrapper, by go statements, sync.WaitGroup or timers. A panic in such
// a one would end the process, with every client's connection.
func TestGoroutines(t *testing.T) {
	seen := 0
	for _, f := range goFiles(t) {
		if f.isTest() || f.folder() == wrapper || isBare(f.folder()) || strings.HasPrefix(f.folder(), "examples/") { // which are programs of their own
			continue
		}
		ast.Inspect(f.tree, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				t.Errorf("%s: a goroutine outside of %s", f.at(n.Pos()), wrapper)
			case *ast.CallExpr:
				if safe, starts := startsGoroutine(n); safe {
					seen++
				} else if starts {
					t.Errorf("%s: a goroutine outside of %s", f.at(n.Pos()), wrapper)
				}
			}
			return true
		})
	}
	if seen == 0 {
		t.Error("no goroutine found at all: the test looks for the wrong thing")
	}
}

func isBare(folder string) bool {
	for _, each := range bare {
		if folder == each || strings.HasPrefix(folder, each+"/") {
			return true
		}
	}
	return false
}

// startsGoroutine tells calls that start a goroutine from others, and those that do so safely. A group's Go has a name as its first argument, so
// one with a single argument is a sync.WaitGroup's.
func startsGoroutine(call *ast.CallExpr) (safe, starts bool) {
	fun, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false, false
	}
	if fun.Sel.Name != "Go" && fun.Sel.Name != "AfterFunc" {
		return false, false
	}
	if on, ok := fun.X.(*ast.Ident); ok && on.Name == "safego" {
		return true, true
	}
	if fun.Sel.Name == "Go" {
		return len(call.Args) == 2, true
	}
	return false, true
}
