package main

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// picture is a folder's content: of each name what it is, whose, when it was changed, and what is in it.
func picture(t *testing.T, dir string) map[string]string {
	t.Helper()
	seen := make(map[string]string)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		st, err := os.Lstat(path)
		if err != nil {
			return err
		}
		text := fmt.Sprint(st.Mode(), " ", st.Sys().(*syscall.Stat_t).Ino)
		switch {
		case st.Mode().IsRegular():
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			text += fmt.Sprintf(" %s %x", st.ModTime(), sha256.Sum256(b))
		case st.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			text += " -> " + target
		}
		seen[path] = text
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return seen
}

// foreignFolder fills the current folder with images, whole and damaged, and with what is nobody's.
func foreignFolder(t *testing.T) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	want(t, 0, "mkfs", "good.img", "--size", "16MiB")
	want(t, 0, "mkfs", "damaged.img", "--size", "16MiB")
	image, err := os.ReadFile("damaged.img")
	must(err)
	for i := 0; i < 4096; i++ {
		image[i], image[len(image)-4096+i] = 0xee, 0xee
	}
	must(os.WriteFile("damaged.img", image, 0o600))
	must(os.WriteFile("cut.img", image[:100000], 0o600))
	must(os.Mkdir("folder", 0o755))
	for _, name := range []string{"foreign", "none.img.new", "good.img.new", ".none.img.draft", "folder/file", "damaged.img.new"} {
		must(os.WriteFile(name, []byte("foreign "+name), 0o644))
	}
	must(os.WriteFile("empty", nil, 0o600))
	must(os.WriteFile("holes", []byte("foreign"), 0o600))
	must(os.Truncate("holes", 1<<20))
	must(os.WriteFile("damaged-holes.img", image, 0o600))
	must(os.Truncate("damaged-holes.img", 64<<20))
	for name, target := range map[string]string{"link": "foreign", "dangling": "nothing", "to-good": "good.img", "loop": "loop"} {
		must(os.Symlink(target, name))
	}
	for name, text := range map[string]string{
		"bad.toml": "image = \"none.img\"\nnope = 1\n", "empty.toml": "image = \"\"\n", "clients.toml": "image = \"none.img\"\n[[export]]\nclients = []\n",
		"good.toml": "image = \"none.img\"\nnfs = \"127.0.0.1:0\"\n",
	} {
		must(os.WriteFile(name, []byte(text), 0o600))
	}
}

// failures are command lines that fail over such a folder, where somebody listens at busy.
func failures(busy string) [][]string {
	return [][]string{
		{"serve", "good.img", "--nfs", busy},
		{"serve", "none.img", "--nfs", busy, "--size", "16MiB"},
		{"serve", "good.img", "--nfs", "127.0.0.1:0", "--portmap", busy},
		{"serve", "none.img", "--nfs", "127.0.0.1:0", "--9p", busy, "--size", "16MiB"},
		{"serve", "good.img", "--nfs", "127.0.0.1:0", "--9p", "unix:" + "foreign"},
		{"serve", "good.img", "--nfs", "127.0.0.1:0", "--9p", "unix:" + "folder"},
		{"serve", "good.img", "--nfs", ""},
		{"serve", "none.img", "--nfs", "127.0.0.1:0", "--size", "1KiB"},
		{"serve", "none.img", "--nfs", "127.0.0.1:0", "--size", "8EiB"},
		{"serve", "none.img", "--nfs", "127.0.0.1:0", "--clients", ""},
		{"serve", "none.img", "--nfs", "127.0.0.1:0", "--export", "/docs", "--size", "16MiB"},
		{"serve", "none.img", "--nfs", "127.0.0.1:0", "--root-owner", "x"},
		{"serve", "none.img", "--nfs", "127.0.0.1:0", "--9p-users", "none"},
		{"serve", "none/none.img", "--nfs", "127.0.0.1:0", "--size", "16MiB"},
		{"serve", "foreign", "--nfs", "127.0.0.1:0"},
		{"serve", "link", "--nfs", "127.0.0.1:0"},
		{"serve", "dangling", "--nfs", "127.0.0.1:0", "--size", "16MiB"},
		{"serve", "loop", "--nfs", "127.0.0.1:0"},
		{"serve", "folder", "--nfs", "127.0.0.1:0"},
		{"serve", "empty", "--nfs", "127.0.0.1:0"},
		{"serve", "cut.img", "--nfs", "127.0.0.1:0"},
		{"serve", "holes", "--nfs", "127.0.0.1:0"},
		{"serve", "damaged-holes.img", "--nfs", "127.0.0.1:0"},
		{"serve", "none.img", "--nfs", "127.0.0.1:0", "--read-only", "--sparse", "--clients", ""},
		{"serve", "damaged.img", "--nfs", "127.0.0.1:0"},
		{"serve", "--config", "bad.toml"},
		{"serve", "--config", "empty.toml"},
		{"serve", "--config", "clients.toml"},
		{"serve", "--config", "none.toml"},
		{"serve", "--config", "good.toml", "--nfs", busy, "--size", "16MiB"},
		{"serve", "good.img", "more.img"},
		{"mkfs", "good.img", "--size", "16MiB"},
		{"mkfs", "to-good", "--size", "16MiB"},
		{"mkfs", "foreign", "--size", "16MiB"},
		{"mkfs", "link", "--size", "16MiB"},
		{"mkfs", "dangling", "--size", "16MiB"},
		{"mkfs", "folder", "--size", "16MiB", "--force"},
		{"mkfs", "loop", "--size", "16MiB", "--force"},
		{"mkfs", "good.img", "--size", "1KiB", "--force"},
		{"mkfs", "good.img", "--size", "7EiB", "--force"},
		{"mkfs", "link", "--size", "7EiB", "--force"},
		{"mkfs", "empty", "--size", "7EiB"},
		{"mkfs", "none.img", "--size", "7EiB"},
		{"mkfs", "none.img", "--size", "x"},
		{"mkfs", "none.img"},
		{"mkfs", "none.img", "--size", "16MiB", "--label", string(make([]byte, 300))},
		{"mkfs"},
		{"check", "foreign"}, {"check", "none.img"}, {"check", "folder"}, {"check", "damaged.img"}, {"check", "cut.img"}, {"check"},
		{"check", "--repair", "foreign"}, {"check", "--repair", "none.img"}, {"check", "--repair", "folder"}, {"check", "--repair", "link"},
		{"check", "--repair", "empty"}, {"check", "--repair", "damaged.img"}, {"check", "--repair", "--data", "damaged.img"},
		{"scrub", "foreign"}, {"scrub", "none.img"}, {"scrub", "folder"}, {"scrub", "damaged.img"}, {"scrub", "cut.img"},
		{"info", "foreign"}, {"info", "none.img"}, {"info", "folder"}, {"info", "cut.img"}, {"info", "dangling"},
		{"bench", "engine", "--compare", "none"}, {"bench", "engine", "--compare", ".", "--compare", "foreign"}, {"bench", "dirtest", "--compare", "foreign"},
		{"bench", "engine", "--image-dir", "none"}, {"bench", "durable", "none"}, {"bench", "durable", "foreign"},
		{"config", "check", "bad.toml"}, {"config", "check", "none.toml"}, {"config", "check", "folder"}, {"config", "check", "good.img"}, {"config", "check"},
		{"config", "show", "--config", "bad.toml"}, {"config", "show", "good.img"}, {"config", "show", "none.img"}, {"config", "show", "good.img", "--nfs", ":1"},
		{"config", "nothing"}, {"reload", "good.img"}, {"reload", "none.img"}, {"reload", "foreign"}, {"reload"},
		{"bench", "nothing"}, {"nope"}, {"help", "nope"},
	}
}

// TestFailuresChangeNothing runs every command in every way of failing over a folder of images and of files that are none of its business.
func TestFailuresChangeNothing(t *testing.T) {
	t.Chdir(t.TempDir())
	foreignFolder(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	busy := l.Addr().String()

	before := picture(t, ".")
	for _, args := range failures(busy) {
		var out output
		if status := run(t.Context(), args, &out, &out); status == 0 {
			t.Errorf("pmemfs %.80q does not fail\n%s", args, &out)
		}
		after := picture(t, ".")
		for path, was := range before {
			if after[path] != was {
				t.Errorf("pmemfs %.80q: %s was %s and is %s", args, path, was, after[path])
			}
		}
		for path := range after {
			if before[path] == "" {
				t.Errorf("pmemfs %.80q left %s", args, path)
			}
		}
		if t.Failed() {
			t.Fatalf("it said\n%s", &out)
		}
	}
}
