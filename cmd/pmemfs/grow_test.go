package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pmemfs/pmemfs"
)

// TestGrow makes an image larger, while nobody serves it and while somebody does, and says the same of both.
func TestGrow(t *testing.T) {
	image := filepath.Join(t.TempDir(), "fs.img")
	want(t, 0, "mkfs", image, "--size", "16MiB")
	if stdout, _ := want(t, 0, "grow", image, "--size", "32MiB"); !strings.Contains(stdout, "32 MiB, was 16 MiB") {
		t.Errorf("grow says %s", stdout)
	}
	if stdout, _ := want(t, 0, "grow", image, "--size", "32MiB"); !strings.Contains(stdout, "32 MiB already") {
		t.Errorf("grow again says %s", stdout)
	}
	want(t, 0, "check", image)
	s := serve(t, image)
	m := s.mount()
	write := func(name string, n int) {
		t.Helper()
		f, err := m.OpenFile(name, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(make([]byte, n)); err != nil {
			t.Error(err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	write("/before", 20<<20)
	if stdout, _ := want(t, 0, "grow", image, "--size", "300MiB"); !strings.Contains(stdout, "300 MiB, was 32 MiB") {
		t.Errorf("grow says %s", stdout)
	}
	write("/after", 100<<20)
	if i := infoOf(t, image); i.SizeBytes != 300<<20 || i.Server == nil {
		t.Errorf("info says %+v", i)
	}
	refused := map[string][]string{
		"cannot become smaller":                            {"--size", "100MiB"},
		"is a multiple of 4096":                            {"--size", "400000001"},
		"the last group of blocks":                         {"--size", fmt.Sprint(3*126<<20 + 4096)},
		"give the size that":                               nil,
		"nobody has it open":                               {"--size", "4EiB"},
		"such as 64GiB":                                    {"--size", "much"},
		"unknown flag: --bigger: pmemfs grow --help shows": {"--bigger"},
		"unknown shorthand flag: 'x'":                      {"-x"},
	}
	for says, args := range refused {
		if _, stderr := want(t, 1, append([]string{"grow", image}, args...)...); !strings.Contains(stderr, says) {
			t.Errorf("grow %q: %s; want %q", args, stderr, says)
		}
	}
	s.stop()
	want(t, 0, "check", "--data", image)
	var r pmemfs.GrowResult
	stdout, _ := want(t, 0, "grow", image, "--size", "400MiB", "--json", "--sparse")
	if err := json.Unmarshal([]byte(stdout), &r); err != nil || r.OldBytes != 300<<20 || r.NewBytes != 400<<20 {
		t.Errorf("as JSON: %s, %v", stdout, err)
	}
	if err := os.Truncate(image, 500<<20); err != nil {
		t.Fatal(err)
	}
	if stdout, _ := want(t, 0, "grow", image, "--sparse"); !strings.Contains(stdout, "500 MiB, was 400 MiB") {
		t.Errorf("to what it has become: %s", stdout)
	}
	want(t, 0, "check", image)
	s = serve(t, image, "--sparse")
	f, err := s.mount().Open("/after")
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, f); err != nil || n != 100<<20 {
		t.Errorf("read %d bytes: %v", n, err)
	}
	s.stop()
}
