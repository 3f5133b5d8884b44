package main

import (
	"strings"
	"testing"
)

// TestBenchRefused: what cannot be measured is refused in words.
func TestBenchRefused(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"engine --count x", `--count: "x" is no whole number`},
		{"engine --parallel 2,x", `--parallel: "x" is no whole number`},
		{"engine --count 99999999999999999999", "is too large a number"},
		{"engine --parallel 2 --processor-time", "not in that of processors"},
		{"dirtest --parallel 2 --processor-time", "not in that of processors"},
		{"engine --image-dir /nonexistent", "the folder for the image: stat /nonexistent"},
		{"engine --image-dir /dev/null", "the folder for the image: /dev/null is no folder"},
		{"durable /nonexistent", "the folder to measure in: stat /nonexistent"},
		{"engine --compare /nonexistent", "the folder to compare with: stat /nonexistent"},
		{"engine --image-size 4MiB --count 20000 --rounds 1", "--image-size"},
	} {
		if _, stderr := want(t, 1, append([]string{"bench"}, strings.Fields(c.args)...)...); !strings.Contains(stderr, c.want) || strings.Contains(stderr, "strconv") {
			t.Errorf("bench %s: %s", c.args, stderr)
		}
	}
	stdout, _ := want(t, 0, "bench", "dirtest", "--operations", "10", "--names", "5", "--rounds", "1", "--processor-time")
	if !strings.Contains(stdout, "processor seconds") {
		t.Errorf("the column of seconds:\n%s", stdout)
	}
}
