package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestParseTarget reads IMAGE@SNAPSHOT:PATH where names have the signs themselves.
func TestParseTarget(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, name := range []string{"x.img", "a:b.img", "u@host.img", "y", "y@s"} {
		if err := os.WriteFile(name, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir("folder", 0o755); err != nil {
		t.Fatal(err)
	}
	for arg, want := range map[string]target{
		"x.img":                 {"x.img", "", "/", false},
		"x.img:":                {"x.img", "", "/", true},
		"x.img:a/b:c@d":         {"x.img", "", "/a/b:c@d", true},
		"x.img@s:/a":            {"x.img", "s", "/a", true},
		"x.img@s":               {"x.img", "s", "/", false},
		"a:b.img:/c":            {"a:b.img", "", "/c", true},
		"u@host.img@s:c":        {"u@host.img", "s", "/c", true},
		"u@host.img:c":          {"u@host.img", "", "/c", true},
		"./x.img://a//b":        {"./x.img", "", "/a//b", true},
		filepath.Join(".", "y"): {"y", "", "/", false},
	} {
		if got, err := parseTarget(arg); err != nil || got != want {
			t.Errorf("%q: %+v %v, want %+v", arg, got, err, want)
		}
	}
	for arg, want := range map[string]string{"": "no image", ":/a": "no image", "none.img:/a": "none.img: no such file", "none@s:/a": "none: no such file", "y@s": "both files exist", "folder:/a": "directory"} {
		if got, err := parseTarget(arg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %+v %v", arg, got, err)
		}
	}
	for _, arg := range []string{"x.img@s:/a", "x.img"} {
		if _, err := liveTarget(arg); err == nil {
			t.Errorf("%q may be changed", arg)
		}
	}
}
