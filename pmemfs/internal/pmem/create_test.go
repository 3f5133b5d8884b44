package pmem

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestCreateFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "image")
	const size = allocateStep + 12345
	var steps []int64
	progress := func(done, total int64) {
		if total != size {
			t.Errorf("progress of %d bytes, want %d", total, int64(size))
		}
		steps = append(steps, done)
	}
	if err := CreateFile(path, size, CreateOptions{Progress: progress}); err != nil {
		t.Fatal(err)
	}
	if want := []int64{allocateStep, size}; !slices.Equal(steps, want) {
		t.Errorf("progress %v, want %v", steps, want)
	}
	checkAllocated(t, path, size)

	if err := CreateFile(path, 4096, CreateOptions{}); !errors.Is(err, ErrExists) || strings.Count(err.Error(), path) != 1 {
		t.Errorf("existing file: %v, want ErrExists and the path once", err)
	}
	checkAllocated(t, path, size)
	if err := os.WriteFile(path, []byte("old content"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := CreateFile(path, 8192, CreateOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	checkAllocated(t, path, 8192)
	if got, err := os.ReadFile(path); err != nil || !slices.Equal(got, make([]byte, 8192)) {
		t.Errorf("the replaced file is not zero, %v", err)
	}
}

func TestCreateFileRefuses(t *testing.T) {
	dir := t.TempDir()
	for _, test := range []struct {
		path string
		size int64
		want error
	}{
		{filepath.Join(dir, "a"), 0, ErrSize},
		{filepath.Join(dir, "a"), -5, ErrSize},
		{filepath.Join(dir, "none", "a"), 4096, fs.ErrNotExist},
		{dir, 4096, ErrFileType},
		{"/dev/null", 4096, ErrFileType},
	} {
		err := CreateFile(test.path, test.size, CreateOptions{Force: true})
		if !errors.Is(err, test.want) || strings.Count(err.Error(), test.path) != 1 {
			t.Errorf("CreateFile(%s, %d): %v, want %v and the path once", test.path, test.size, err, test.want)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// checkZeros checks that a file consists of so many zero bytes.
func checkZeros(path string, size int) error {
	got, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if !slices.Equal(got, make([]byte, size)) {
		return fmt.Errorf("%s is not %d zero bytes", path, size)
	}
	return nil
}

// TestDraft looks at a folder while a file is made in it, and after that was given up.
func TestDraft(t *testing.T) {
	for name, nameless := range map[string]bool{"as the system can": true, "with a name": false} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "image")
			if err := os.WriteFile(filepath.Join(dir, "image.new"), []byte("foreign"), 0o600); err != nil {
				t.Fatal(err)
			}
			begin := func(force bool) *Draft {
				t.Helper()
				d, err := NewDraft(path, 4096, CreateOptions{Force: force})
				if err != nil {
					t.Fatal(err)
				}
				if !nameless && d.name == "" {
					d.name = d.randomName()
					if err := linkNameless(d.f, d.name); err != nil {
						t.Fatal(err)
					}
				}
				if err := os.WriteFile(d.Path(), []byte("made"), 0); err != nil {
					t.Fatal(err)
				}
				return d
			}
			has := func(what string, want ...string) {
				t.Helper()
				var got []string
				list, err := os.ReadDir(dir)
				if err != nil {
					t.Fatal(err)
				}
				drafts := 0
				for _, e := range list {
					if strings.HasSuffix(e.Name(), ".draft") {
						drafts++
						continue
					}
					b, err := os.ReadFile(filepath.Join(dir, e.Name()))
					if err != nil {
						t.Fatal(err)
					}
					got = append(got, e.Name()+" "+string(b))
				}
				open := strings.HasPrefix(what, "meanwhile")
				if !slices.Equal(got, want) || drafts > 0 && !open || open && (drafts > 0) == nameless {
					t.Errorf("%s: %q and %d drafts, want %q", what, got, drafts, want)
				}
			}
			d := begin(false)
			has("meanwhile", "image.new foreign")
			if err := d.Discard(); err != nil {
				t.Fatal(err)
			}
			has("given up", "image.new foreign")

			first, second := begin(false), begin(false)
			if err := first.Publish(); err != nil {
				t.Fatal(err)
			}
			has("meanwhile: the first is published", "image made", "image.new foreign")
			if err := second.Publish(); !errors.Is(err, ErrExists) {
				t.Errorf("the second of two: %v", err)
			}
			has("published once", "image made", "image.new foreign")

			link := filepath.Join(dir, "link")
			for _, err := range []error{os.WriteFile(path, []byte("old"), 0), os.Chmod(path, 0o640), os.Symlink("image", link)} {
				if err != nil {
					t.Fatal(err)
				}
			}
			path = link
			d = begin(true)
			has("meanwhile: to be replaced", "image old", "image.new foreign", "link old")
			if _, err := NewDraft(path, 4096, CreateOptions{Force: true}); !errors.Is(err, ErrLocked) {
				t.Errorf("replaced by two: %v", err)
			}
			if err := d.Publish(); err != nil {
				t.Fatal(err)
			}
			has("replaced", "image made", "image.new foreign", "link made")
			if st, err := os.Stat(path); err != nil || st.Mode() != 0o640 {
				t.Errorf("mode %v, %v", st.Mode(), err)
			}
			if err := os.Remove(filepath.Join(dir, "image")); err != nil {
				t.Fatal(err)
			}
			if _, err := NewDraft(path, 4096, CreateOptions{}); !errors.Is(err, ErrExists) {
				t.Errorf("a link to nothing: %v", err)
			}
		})
	}
}
