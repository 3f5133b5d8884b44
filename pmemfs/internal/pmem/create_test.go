package pmem

import (
	"errors"
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

// drafts is a folder in which a test makes a file.
type drafts struct {
	t        *testing.T
	dir      string
	path     string
	nameless bool // as the system can; otherwise with a name
}

func (x *drafts) begin(force bool) *Draft {
	x.t.Helper()
	d, err := NewDraft(x.path, 4096, CreateOptions{Force: force})
	if err != nil {
		x.t.Fatal(err)
	}
	if !x.nameless && d.name == "" {
		d.name = d.randomName()
		if err := linkNameless(d.f, d.name); err != nil {
			x.t.Fatal(err)
		}
	}
	if err := os.WriteFile(d.Path(), []byte("made"), 0); err != nil {
		x.t.Fatal(err)
	}
	return d
}

// has compares what the folder has, drafts excepted, of which there may be some while one is open.
func (x *drafts) has(what string, open bool, want ...string) {
	x.t.Helper()
	list, err := os.ReadDir(x.dir)
	if err != nil {
		x.t.Fatal(err)
	}
	var got []string
	drafts := 0
	for _, e := range list {
		if strings.HasSuffix(e.Name(), ".draft") {
			drafts++
			continue
		}
		b, err := os.ReadFile(filepath.Join(x.dir, e.Name()))
		if err != nil {
			x.t.Fatal(err)
		}
		got = append(got, e.Name()+" "+string(b))
	}
	if !slices.Equal(got, want) || drafts > 0 && (!open || x.nameless) {
		x.t.Errorf("%s: %q and %d drafts, want %q", what, got, drafts, want)
	}
}

// TestDraft looks at a folder while a file is made in it, and after that was given up.
func TestDraft(t *testing.T) {
	for name, nameless := range map[string]bool{"as the system can": true, "with a name": false} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			x := &drafts{t, dir, filepath.Join(dir, "image"), nameless}
			if err := os.WriteFile(filepath.Join(dir, "image.new"), []byte("foreign"), 0o600); err != nil {
				t.Fatal(err)
			}
			d := x.begin(false)
			x.has("meanwhile", true, "image.new foreign")
			if err := d.Discard(); err != nil {
				t.Fatal(err)
			}
			x.has("given up", false, "image.new foreign")

			first, second := x.begin(false), x.begin(false)
			if err := first.Publish(); err != nil {
				t.Fatal(err)
			}
			x.has("the first is published", true, "image made", "image.new foreign")
			if err := second.Publish(); !errors.Is(err, ErrExists) {
				t.Errorf("the second of two: %v", err)
			}
			x.has("published once", false, "image made", "image.new foreign")
		})
	}
}

// TestDraftReplaces replaces a file by way of a link to it.
func TestDraftReplaces(t *testing.T) {
	dir := t.TempDir()
	image, link := filepath.Join(dir, "image"), filepath.Join(dir, "link")
	x := &drafts{t, dir, link, false}
	for _, err := range []error{os.WriteFile(image, []byte("old"), 0o600), os.Chmod(image, 0o640), os.Symlink("image", link)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	d := x.begin(true)
	x.has("to be replaced", true, "image old", "link old")
	if _, err := NewDraft(link, 4096, CreateOptions{Force: true}); !errors.Is(err, ErrLocked) {
		t.Errorf("replaced by two: %v", err)
	}
	if err := d.Publish(); err != nil {
		t.Fatal(err)
	}
	x.has("replaced", false, "image made", "link made")
	if st, err := os.Stat(link); err != nil || st.Mode() != 0o640 {
		t.Errorf("mode %v, %v", st.Mode(), err)
	}
	if err := os.Remove(image); err != nil {
		t.Fatal(err)
	}
	if _, err := NewDraft(link, 4096, CreateOptions{}); !errors.Is(err, ErrExists) {
		t.Errorf("a link to nothing: %v", err)
	}
}
