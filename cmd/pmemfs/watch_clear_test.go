package main

import "testing"

// TestInTheClear tells where a token can go.
func TestInTheClear(t *testing.T) {
	for admin, want := range map[string]bool{
		"127.0.0.1:9049": false, "[::1]:9049": false, "localhost:9049": false, "http://127.0.0.9:1/": false, "https://example.net:9049": false, "HTTPS://10.0.0.5:9049": false,
		"10.0.0.5:9049": true, "example.net:9049": true, "http://example.net": true, "[fe80::1]:9049": true, "127.0.0.1:1@example.net": true, "http://%zz": true, "": true,
	} {
		if got := inTheClear(admin); got != want {
			t.Errorf("%q: %v", admin, got)
		}
	}
}
