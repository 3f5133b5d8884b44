//go:build !race && !invariants

package server

import (
	"bytes"
	"runtime"
	"testing"

	"pmemfs/server/traffic"
)

// TestNoAllocations holds the calls that there are most of, counted and answered by the transport, to no allocations.
func TestNoAllocations(t *testing.T) {
	table := traffic.New()
	for _, h := range hotCases(t, table) {
		h.config.Traffic = table
		call := benchServer(t, h.config)
		const depth, times = 16, 500
		together := bytes.Repeat(h.call, depth)
		call(h.first, together, times) // what is kept for the next is made here
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		call(h.first, together, times)
		runtime.ReadMemStats(&after)
		// A connection and its session take some.
		if n := float64(after.Mallocs-before.Mallocs) / (depth * times); n > 0.1 {
			t.Errorf("%s: %.2f allocations a call", h.name, n)
		}
	}
	if r := table.Report(); r.Calls < 8*2*16*500 || r.Errors != 0 {
		t.Errorf("%d calls were counted, with %d errors", r.Calls, r.Errors)
	}
}
