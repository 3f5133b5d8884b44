package integration

import (
	"bytes"
	"crypto/sha256"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"pmemfs/integration/harness"
)

// goodImage makes a small formatted image with a file in it.
func goodImage(t *testing.T, dir string) string {
	t.Helper()
	image := filepath.Join(dir, "good.img")
	server := harness.Serve(t, image, "--size", "64MiB", "--squash", "none")
	harness.WriteFile(t, harness.Mount(t, server.Addr(), 0), "file", "content")
	server.Stop()
	return image
}

// badImages are the ways in which a file can be no image of ours. Each makes
// its bytes from those of a good image.
var badImages = []struct {
	name string
	make func(good []byte) []byte
}{
	{"empty", func([]byte) []byte { return nil }},
	{"one byte", func([]byte) []byte { return []byte{0} }},
	{"text", func([]byte) []byte { return bytes.Repeat([]byte("Not an image.\n"), 100_000) }},
	{"zeros", func(good []byte) []byte { return make([]byte, len(good)) }},
	{"noise", func(good []byte) []byte {
		noise := make([]byte, 1<<20)
		source := rand.NewChaCha8([32]byte{1})
		if _, err := source.Read(noise); err != nil {
			panic(err) // documented never to happen
		}
		return noise
	}},
	{"foreign filesystem", func([]byte) []byte {
		ext4 := make([]byte, 4<<20)
		copy(ext4[1024+56:], []byte{0x53, 0xef}) // the magic number of an ext4 superblock
		return ext4
	}},
	{"truncated to half", func(good []byte) []byte { return good[:len(good)/2] }},
	{"truncated to a page", func(good []byte) []byte { return good[:4096] }},
	{"one byte short", func(good []byte) []byte { return good[:len(good)-1] }},
}

// TestBadImages lets every command meet files that are no images, or no longer
// whole: one clear line, a status that is not 0, and the file as it was.
func TestBadImages(t *testing.T) {
	good, err := os.ReadFile(goodImage(t, t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range badImages {
		t.Run(bad.name, func(t *testing.T) {
			dir := t.TempDir()
			image := filepath.Join(dir, "bad.img")
			content := bad.make(good)
			if err := os.WriteFile(image, content, 0o644); err != nil {
				t.Fatal(err)
			}
			for _, args := range [][]string{
				{"serve", image, "--nfs", "127.0.0.1:" + strconv.Itoa(harness.FreePort(t))},
				{"info", image},
				{"check", image},
			} {
				r := harness.Run(t, dir, args...)
				if r.Status == 0 {
					t.Errorf("%s: status 0\n%s", args[0], r.Stdout)
				}
				oneLine(t, r, image)
				sameContent(t, image, content)
			}
		})
	}
}

// TestMkfsRefuses checks that mkfs never overwrites anything unasked, be it
// an image or something else, and leaves nothing behind when it fails.
func TestMkfsRefuses(t *testing.T) {
	dir := t.TempDir()
	image := goodImage(t, dir)
	text := filepath.Join(dir, "letter.txt")
	if err := os.WriteFile(text, []byte("Dear reader"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{image, text} {
		before, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		r := harness.Run(t, dir, "mkfs", path, "--size", "64MiB")
		if r.Status == 0 {
			t.Errorf("mkfs over %s without --force: status 0", path)
		}
		oneLine(t, r, path)
		sameContent(t, path, before)
		harness.MustRun(t, dir, "mkfs", path, "--size", "64MiB", "--force")
		harness.Check(t, path)
	}
	for _, size := range []string{"0", "1KiB", "-5", "many", "16EiB", "8000PiB", ""} {
		path := filepath.Join(dir, "new.img")
		r := harness.Run(t, dir, "mkfs", path, "--size", size)
		if r.Status == 0 {
			t.Errorf("mkfs --size %q: status 0", size)
		}
		if _, err := os.Stat(path); !os.IsNotExist(err) {
			t.Errorf("mkfs --size %q left a file behind, %v", size, err)
		}
	}
	if r := harness.Run(t, dir, "mkfs", dir, "--size", "64MiB", "--force"); r.Status == 0 {
		t.Error("mkfs of a folder: status 0")
	}
}

func sameContent(t *testing.T, path string, want []byte) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if sha256.Sum256(got) != sha256.Sum256(want) {
		t.Errorf("%s was changed", path)
	}
}
