package main

import "testing"

func TestParseSize(t *testing.T) {
	for text, want := range map[string]int64{
		"1": 1, "4096": 4096, "64GiB": 64 << 30, "512MiB": 512 << 20, "1g": 1 << 30, "10GB": 10e9, " 2 tib ": 2 << 40,
		"100B": 100, "7EiB": 7 << 60, "3K": 3 << 10,
	} {
		if got, err := parseSize(text); err != nil || got != want {
			t.Errorf("%q is %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "0", "-1", "1.5GiB", "GiB", "many", "8EiB", "99999999999999999999", "1GiBs", "0x10"} {
		if got, err := parseSize(text); err == nil {
			t.Errorf("%q was taken for %d", text, got)
		}
	}
}

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
