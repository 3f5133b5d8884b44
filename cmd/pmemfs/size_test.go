package main

import "testing"

func TestSizeString(t *testing.T) {
	for n, want := range map[size]string{1 << 30: "1GiB", 3 << 20: "3MiB", 1000: "1000", 0: "0"} {
		if got := n.String(); got != want {
			t.Errorf("%d is written %q, want %q", int64(n), got, want)
		}
	}
	for n, want := range map[uint64]string{0: "0 B", 1023: "1023 B", 1536: "1.5 KiB", 1 << 30: "1 GiB"} {
		if got := formatBytes(n); got != want {
			t.Errorf("%d is shown as %q, want %q", n, got, want)
		}
	}
}
