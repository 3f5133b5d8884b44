package style

import (
	"go/ast"
	"slices"
	"strings"
	"testing"
)

// wallClock lists the files that tell clients what time it is, or keep times on the medium, or compare them with such times.
var wallClock = []string{"server/portmap/rpcb.go", "pmemfs/clock.go", "pmemfs/crashtest/trace.go", "billyadapter/change.go",
	"pmemfs/internal/scrub/pass.go", "server/control_socket.go", "server/running.go", "server/jobs/jobs.go", "server/schedule/keep.go",
	"server/metrics/metrics.go", "server/traffic/snapshot.go", "server/events/events.go", "server/tracing/otlp.go",
	"cmd/pmemfs/put.go"}

// timed are the folders that must not count on the wall clock.
func timed(folder string) bool {
	return slices.ContainsFunc([]string{"server", "pmemfs", "cmd", "billyadapter"}, func(top string) bool {
		return folder == top || strings.HasPrefix(folder, top+"/")
	})
}

// TestMonotonic finds places that count on the wall clock: a time as a number has lost the monotonic one, and a clock that is set
// then ends, or keeps, what it should not.
func TestMonotonic(t *testing.T) {
	for _, f := range goFiles(t) {
		if f.isTest() || !timed(f.folder()) || slices.Contains(wallClock, f.path) {
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
