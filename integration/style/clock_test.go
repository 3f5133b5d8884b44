package style

import (
	"go/ast"
	"slices"
	"strings"
	"testing"
)

// wallClock lists the files of the servers that tell clients what time it is, or keep times on the medium.
var wallClock = []string{"server/portmap/rpcb.go"}

// TestMonotonic finds places of the servers that count on the wall clock: a time as a number has lost the monotonic one, and a clock that is set
// then ends, or keeps, what it should not.
func TestMonotonic(t *testing.T) {
	for _, f := range goFiles(t) {
		if f.isTest() || !strings.HasPrefix(f.folder(), "server") || slices.Contains(wallClock, f.path) {
			continue
		}
		ast.Inspect(f.tree, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) > 0 {
				return true
			}
			if fun, ok := call.Fun.(*ast.SelectorExpr); ok && slices.Contains([]string{"Unix", "UnixNano", "UnixMilli", "UnixMicro"}, fun.Sel.Name) {
				t.Errorf("%s: a time without its monotonic clock", f.at(n.Pos()))
			}
			return true
		})
	}
}
