package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestRescue copies what can be read of a damaged image, and says of what not.
func TestRescue(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	image, src := filepath.Join(dir, "fs.img"), filepath.Join(dir, "src")
	if err := os.Mkdir(src, 0o755); err != nil {
		t.Fatal(err)
	}
	block := bytes.Repeat([]byte("damage me"), 456)[:4096]
	file := append(append(bytes.Repeat([]byte("a"), 4096), block...), []byte("end")...)
	for name, text := range map[string][]byte{"bad": file, "good": []byte("whole")} {
		if err := os.WriteFile(filepath.Join(src, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want(t, 0, "mkfs", image, "--size", "16MiB", "--data-checksums", "--from", src)
	text, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(text, block)
	if at < 0 {
		t.Fatal("the block is not in the image")
	}
	text[at+100] ^= 1
	if err := os.WriteFile(image, text, 0o644); err != nil {
		t.Fatal(err)
	}
	rescued := append(append(bytes.Repeat([]byte("a"), 4096), make([]byte, 4096)...), []byte("end")...)
	out := filepath.Join(dir, "out")
	_, said := wantSaid(t, exitDamage, "get", "-r", image+":/", out)
	if !strings.Contains(said, "./bad: 4096 bytes from byte 4096 on cannot be read") || !strings.Contains(said, "affected: 1 file") {
		t.Error(said)
	}
	for name, want := range map[string][]byte{"bad": rescued, "good": []byte("whole")} {
		if text, err := os.ReadFile(filepath.Join(out, name)); err != nil || !bytes.Equal(text, want) {
			t.Errorf("%s: %d bytes: %v", name, len(text), err)
		}
	}
	if text, _ := wantSaid(t, exitDamage, "cat", image+":/bad"); text != string(rescued) {
		t.Errorf("cat: %d bytes", len(text))
	}
	wantSaid(t, exitDamage, "tar", image, "-o", filepath.Join(dir, "x.tar"))
	s := serve(t, image)
	wantSaid(t, exitDamage, "tar", image, "-o", filepath.Join(dir, "y.tar"))
	s.stop()
	before, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	wantSaid(t, exitDamage, "cat", image+":/bad")
	if after, err := os.ReadFile(image); err != nil || !bytes.Equal(before, after) {
		t.Errorf("reading has changed the image: %v", err)
	}
}

// wantSaid is want of a command that says more than one line.
func wantSaid(t *testing.T, status int, args ...string) (stdout, stderr string) {
	t.Helper()
	got, stdout, stderr := command(args...)
	if got != status {
		t.Errorf("pmemfs %q: status %d, want %d\n%s", args, got, status, stderr)
	}
	return stdout, stderr
}
