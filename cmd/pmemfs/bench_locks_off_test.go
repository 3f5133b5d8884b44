//go:build !locktimes

package main

import (
	"strings"
	"testing"
)

func TestBenchLocksOff(t *testing.T) {
	if _, stderr := want(t, 1, "bench", "locks"); !strings.Contains(stderr, "make bench-locks") {
		t.Errorf("%s", stderr)
	}
}
