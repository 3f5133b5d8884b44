package main

import (
	"encoding/json"
	"runtime"
	"strings"
	"testing"

	"pmemfs/pmemfs"
)

// TestVersion prints what a build is made of, in all forms.
func TestVersion(t *testing.T) {
	release = "1.2.3"
	t.Cleanup(func() { release = "" })
	out, _ := want(t, 0, "version", "--json")
	var r buildReport
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if r.Version != "1.2.3" || r.Go != runtime.Version() || r.Settings["GOOS"] != runtime.GOOS || r.Settings["GOARCH"] != runtime.GOARCH {
		t.Errorf("%+v", r)
	}
	if r.Format.Version != 1 || len(r.Format.Features) != len(pmemfs.KnownFormat().Features) {
		t.Errorf("format %+v", r.Format)
	}
	out, _ = want(t, 0, "version")
	for _, text := range []string{"1.2.3", runtime.Version(), "GOOS=" + runtime.GOOS, "quotas", "snapshots"} {
		if !strings.Contains(out, text) {
			t.Errorf("%q is not in\n%s", text, out)
		}
	}
	out, _ = want(t, 0, "--version")
	if !strings.Contains(out, "1.2.3 ") {
		t.Errorf("--version: %s", out)
	}
	want(t, 1, "version", "--output", "xml")
	want(t, 1, "version", "1")
}

// TestVersionRevision tells a commit from what was made of it.
func TestVersionRevision(t *testing.T) {
	for _, c := range []struct {
		report buildReport
		want   string
	}{
		{buildReport{}, ""},
		{buildReport{Modified: true}, ""},
		{buildReport{Commit: "12ab"}, "12ab"},
		{buildReport{Commit: "12ab", Modified: true}, "12ab-modified"},
	} {
		if got := c.report.revision(); got != c.want {
			t.Errorf("%+v: %q", c.report, got)
		}
	}
}
