package server_test

import (
	"bytes"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pmemfs/pmemfs"
	"pmemfs/server"
)

// TestImagesRefused: images that cannot be served together are refused by name. Nothing is made by then, nothing listens, and what was in order is.
func TestImagesRefused(t *testing.T) {
	dir := t.TempDir()
	made := several(dir, []string{"/a"}, []string{"/b"})
	s, err := server.Open(made)
	must(t, err)
	must(t, s.Close())
	first, second := made.Images[0].Path, made.Images[1].Path
	hard, soft, twin, foreign := filepath.Join(dir, "hard"), filepath.Join(dir, "soft"), filepath.Join(dir, "copy"), filepath.Join(dir, "foreign")
	must(t, os.Link(first, hard))
	must(t, os.Symlink(first, soft))
	b, err := os.ReadFile(first)
	must(t, err)
	must(t, os.WriteFile(twin, b, 0o600))
	must(t, os.WriteFile(foreign, bytes.Repeat([]byte("no image\n"), 1<<20), 0o600))
	for name, k := range map[string]struct {
		change func(*server.Config)
		says   []string
	}{
		"one path":         {func(c *server.Config) { c.Images[1].Path = first }, []string{first, "are the same file"}},
		"a hard link":      {func(c *server.Config) { c.Images[1].Path = hard }, []string{first, hard, "are the same file"}},
		"a symbolic link":  {func(c *server.Config) { c.Images[1].Path = soft }, []string{first, soft, "are the same file"}},
		"a new one, twice": {func(c *server.Config) { c.Images[0].Path, c.Images[1].Path = dir+"/new", dir+"/./new" }, []string{"are the same file"}},
		"a copy":           {func(c *server.Config) { c.Images[1].Path = twin }, []string{first, twin, "have one identity"}},
		"one export":       {func(c *server.Config) { c.Images[1].Exports[0].Name = "/a" }, []string{first, second, `export "/a" is of two images`}},
		"one socket": {func(c *server.Config) { c.Images[0].Control, c.Images[1].Control = dir+"/s", dir+"/s" },
			[]string{first, second, dir + "/s"}},
		"go-nfs": {func(c *server.Config) { c.NFSStack = server.StackGoNFS }, []string{"serves one image", "native"}},
		"none":   {func(c *server.Config) { c.Images = nil }, []string{"no image is named"}},
		"many": {func(c *server.Config) {
			for len(c.Images) < 65 {
				c.Images = append(c.Images, c.Images[0])
			}
		}, []string{"65 images are too many"}},
		"few waiters":    {func(c *server.Config) { c.Images[1].Limits.Waiters = -1 }, []string{second, "waiters"}},
		"many waiters":   {func(c *server.Config) { c.Images[1].Limits.Waiters = 5000 }, []string{second, "waiters"}},
		"a bad schedule": {func(c *server.Config) { c.Images[1].Scrub.Every = -1 }, []string{second}},
		"no image":       {func(c *server.Config) { c.Images[2].Path = foreign }, []string{foreign, "pmemfs image"}},
		"no room for it": {func(c *server.Config) { c.Images[2].Path, c.Images[1].New.Size = dir+"/none/new", imageBytes }, []string{"no such file"}},
		"its socket": {func(c *server.Config) { c.Images[2].Path, c.Images[2].Control = dir+"/third", dir+"/none/s" },
			[]string{"cannot listen for commands"}},
	} {
		c := several(dir, []string{"/a"}, []string{"/b"}, []string{"/c"})
		c.Images[2].Path = filepath.Join(dir, "third")
		free, err := net.Listen("tcp", "127.0.0.1:0")
		must(t, err)
		c.NFS = free.Addr().String()
		must(t, free.Close())
		k.change(&c)
		s, err := server.Open(c)
		if err == nil {
			t.Errorf("%s: served", name)
			must(t, s.Close())
			continue
		}
		for _, text := range k.says {
			if !strings.Contains(err.Error(), text) {
				t.Errorf("%s: %v; want %q", name, err, text)
			}
		}
		for _, path := range []string{dir + "/third", dir + "/new"} {
			if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: %s was made: %v", name, path, err)
			}
		}
		if conn, err := net.Dial("tcp", c.NFS); err == nil {
			conn.Close()
			t.Errorf("%s: something listens", name)
		}
		for _, path := range []string{first, second} {
			if info, err := pmemfs.ReadInfo(path); err != nil || !info.Clean || info.InUse {
				t.Errorf("%s: %s: %+v, %v", name, path, info, err)
			}
		}
	}
	if left, err := filepath.Glob(dir + "/*.sock"); err != nil || len(left) > 0 {
		t.Errorf("sockets are left: %q, %v", left, err)
	}
}
