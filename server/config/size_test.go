package config_test

import (
	"testing"

	"pmemfs/server/config"
)

func TestParseSize(t *testing.T) {
	for text, want := range map[string]int64{
		"1": 1, "4096": 4096, "64GiB": 64 << 30, "512MiB": 512 << 20, "1g": 1 << 30, "10GB": 10e9, " 2 tib ": 2 << 40,
		"100B": 100, "7EiB": 7 << 60, "3K": 3 << 10,
	} {
		if got, err := config.ParseSize(text); err != nil || got != want {
			t.Errorf("%q is %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "0", "-1", "1.5GiB", "GiB", "many", "8EiB", "99999999999999999999", "1GiBs", "0x10"} {
		if got, err := config.ParseSize(text); err == nil {
			t.Errorf("%q was taken for %d", text, got)
		}
	}
}
