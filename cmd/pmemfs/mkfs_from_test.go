package main

import (
	"bytes"
	"compress/gzip"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pmemfs/archive/tarball"
)

// TestMkfsFrom begins images with a folder, and with archives in every way that GNU tar and bsdtar make them.
func TestMkfsFrom(t *testing.T) {
	t.Parallel()
	src, dir := tree(t), t.TempDir()
	image := filepath.Join(dir, "fs.img")
	sources := map[string]string{"folder": src}
	archive := func(name, program string, args ...string) {
		path := filepath.Join(dir, name+".tar")
		tool(t, nil, program, append(args, "-cf", path, "-C", src, ".")...)
		sources[name] = path
	}
	archive("pax", "tar", "-S", "--format=pax", "--acls", "--xattrs", "--numeric-owner")
	archive("pax 0.1", "tar", "-S", "--format=pax", "--sparse-version=0.1", "--acls", "--xattrs", "--numeric-owner")
	archive("pax 0.0", "tar", "-S", "--format=pax", "--sparse-version=0.0", "--acls", "--xattrs", "--numeric-owner")
	archive("gzip", "tar", "-zS", "--format=pax", "--acls", "--xattrs", "--numeric-owner")
	archive("bsdtar", "bsdtar", "--format=pax", "--acls", "--xattrs", "--numeric-owner")
	for name, from := range sources {
		want(t, 0, "mkfs", image, "--force", "--from", from)
		want(t, 0, "check", image)
		out := filepath.Join(dir, "out "+name)
		want(t, 0, "get", "-r", image+":/", out)
		same(t, name, src, out)
	}
	// GNU's own format has neither attributes nor fractions of seconds, but holes and long names.
	archive("gnu", "tar", "-S", "--format=gnu")
	want(t, 0, "mkfs", image, "--force", "--from", sources["gnu"])
	if out, _ := want(t, 0, "stat", image+":/sparse", "--json"); !strings.Contains(out, `"size": 209715200`) {
		t.Error(out)
	}
}

// TestMkfsFromRefused makes no image of what is wrong, and leaves nothing behind.
func TestMkfsFromRefused(t *testing.T) {
	dir := t.TempDir()
	image := filepath.Join(dir, "fs.img")
	write := func(name string, text []byte) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	var b bytes.Buffer
	w := tarball.NewWriter(&b)
	e := tarball.Entry{Name: "../out", Type: tarball.Dir}
	if err := errors.Join(w.Begin(&e), w.Close()); err != nil {
		t.Fatal(err)
	}
	dots := write("dots.tar", b.Bytes())
	b.Reset()
	w = tarball.NewWriter(&b)
	e = tarball.Entry{Name: "zeros", Type: tarball.Regular, Mode: 0o644, Size: 100 << 20}
	if err := errors.Join(w.Begin(&e)); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if _, err := w.Write(make([]byte, 1<<20)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	var z bytes.Buffer
	g := gzip.NewWriter(&z)
	if _, err := g.Write(b.Bytes()); err != nil {
		t.Fatal(err)
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	bomb := write("bomb.tar.gz", z.Bytes())
	broken := write("broken.tar.gz", z.Bytes()[:z.Len()/2])
	for _, c := range []struct {
		said string
		args []string
	}{
		{`entry "../out/", offset 0`, []string{"--from", dots}},
		{"choose a larger --size", []string{"--from", bomb, "--size", "16MiB"}},
		{"unexpected EOF", []string{"--from", broken}},
		{"--from - needs --size", []string{"--from", "-"}},
		{"--from is empty", []string{"--from", ""}},
		{"no such file", []string{"--from", filepath.Join(dir, "none")}},
		{"no tar archive", []string{"--from", write("text", []byte("no archive"))}},
		{"zstd -dc", []string{"--from", write("zstd", []byte("\x28\xb5\x2f\xfdxxxx"))}},
	} {
		if _, said := want(t, 1, append([]string{"mkfs", image}, c.args...)...); !strings.Contains(said, c.said) {
			t.Errorf("%q: %s", c.args, said)
		}
		if left, err := filepath.Glob(filepath.Join(dir, "*.img")); err != nil || len(left) > 0 {
			t.Errorf("%q: left %v %v", c.args, left, err)
		}
	}
}
