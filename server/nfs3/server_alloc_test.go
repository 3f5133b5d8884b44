//go:build !race && !invariants

package nfs3_test

import (
	"testing"

	"pmemfs/server/rpc"
)

// TestNoAllocations holds the calls of a busy server to none.
func TestNoAllocations(t *testing.T) {
	f := newFixture(t)
	serve := f.srv.Program().Serve
	for name, r := range hotCalls(t, f) {
		e := rpc.NewEncoder(make([]byte, 0, 2<<20))
		n := testing.AllocsPerRun(200, func() {
			e.Truncate(0)
			if serve(r, e) != rpc.Success {
				t.Fatal("refused")
			}
		})
		if n >= 1 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
