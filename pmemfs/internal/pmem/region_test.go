package pmem

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func init() {
	helpers["locked"] = func(path string) error {
		for _, o := range []Options{{}, {ReadOnly: true}, {Private: true}} {
			if _, err := Open(path, o); !errors.Is(err, ErrLocked) {
				return fmt.Errorf("%+v: %v, want ErrLocked", o, err)
			}
		}
		r, err := Open(path, Options{NoLock: true, ReadOnly: true})
		if err != nil {
			return err
		}
		return r.Close()
	}
	helpers["free"] = func(path string) error {
		r, err := Open(path, Options{})
		if err != nil {
			return err
		}
		return r.Close()
	}
}

func TestLock(t *testing.T) {
	r := image(t, 4096, Options{})
	path := r.Path()
	if err := helpers["locked"](path); err != nil {
		t.Errorf("same process: %v", err)
	}
	runHelper(t, helper(t, "locked", path))
	if err := CreateFile(path, 4096, CreateOptions{Force: true}); !errors.Is(err, ErrLocked) {
		t.Errorf("replacing an image in use: %v, want ErrLocked", err)
	}
	mustClose(t, r)
	mustClose(t, r)
	runHelper(t, helper(t, "free", path))

	first, second := mustOpen(t, path, Options{ReadOnly: true}), mustOpen(t, path, Options{Private: true})
	if _, err := Open(path, Options{}); !errors.Is(err, ErrLocked) {
		t.Errorf("writing an image that is read: %v, want ErrLocked", err)
	}
	mustClose(t, first)
	mustClose(t, second)
	mustOpen(t, path, Options{})
}

// TestFileHolds checks that what was persisted is in the file, in every domain and on both kinds of filesystem, and
// is found again by the next open.
func TestFileHolds(t *testing.T) {
	dirs := []string{t.TempDir()}
	if shm, err := os.MkdirTemp("/dev/shm", "pmem-test-"); err == nil {
		t.Cleanup(func() {
			if err := os.RemoveAll(shm); err != nil {
				t.Error(err)
			}
		})
		dirs = append(dirs, shm)
	} else if !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	for _, dir := range dirs {
		for _, d := range allDomains() {
			path := filepath.Join(dir, d.String())
			if err := CreateFile(path, 100_001, CreateOptions{}); err != nil {
				t.Fatal(err)
			}
			r := mustOpen(t, path, Options{Domain: d})
			want := make([]byte, 100_001)
			copy(want[99_990:], "last bytes.")
			copy(want[4097:], bytes.Repeat([]byte("bulk"), 5000))
			r.Write(99_990, want[99_990:])
			if err := errors.Join(r.Persist(testSite, []Range{{99_990, 11}}),
				proof(r.WriteThrough(testThrough, []Segment{{4097, want[4097 : 4097+20000]}}))); err != nil {
				t.Fatal(err)
			}
			mustClose(t, r)
			got, err := os.ReadFile(path)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s: file differs, %v", path, err)
			}
			if again := mustOpen(t, path, Options{ReadOnly: true}); !bytes.Equal(again.Bytes(), want) || again.Size() != 100_001 {
				t.Errorf("%s: mapped again, content differs", path)
			}
		}
	}
}

func TestPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "image")
	want := bytes.Repeat([]byte("original"), 1024)
	if err := os.WriteFile(path, want, 0o400); err != nil {
		t.Fatal(err)
	}
	r := mustOpen(t, path, Options{Private: true})
	r.Write(5, []byte("changed"))
	r.Zero(4096, 100)
	if err := errors.Join(r.Persist(testSite, []Range{{0, 8192}}), proof(r.WriteThrough(testThrough, []Segment{{3000, make([]byte, 5000)}}))); err != nil {
		t.Error(err)
	}
	if string(r.Bytes()[5:12]) != "changed" || r.Domain() != Volatile {
		t.Errorf("private mapping holds %q, domain %s", r.Bytes()[5:12], r.Domain())
	}
	mustClose(t, r)
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
		t.Errorf("the file changed, %v", err)
	}
}

func TestReadOnlyAndClosed(t *testing.T) {
	w := image(t, 8192, Options{})
	path := w.Path()
	checkUnusable(t, mustOpen(t, path, Options{ReadOnly: true, NoLock: true}), ErrReadOnly)
	if err := panicOf(func() { mustOpen(t, path, Options{ReadOnly: true, NoLock: true}).Write(0, []byte{1}) }); !errors.Is(err, ErrReadOnly) {
		t.Errorf("Write to a read-only region panics with %v", err)
	}
	mustClose(t, w)
	checkUnusable(t, w, ErrClosed)
	if w.Bytes() != nil {
		t.Error("a closed region has bytes")
	}
}

func checkUnusable(t *testing.T, r *Region, want error) {
	t.Helper()
	d, werr := r.WriteThrough(testThrough, []Segment{{0, []byte{1}}})
	z, zerr := r.ZeroThrough(testThrough, nil)
	for _, err := range []error{r.Persist(testSite, nil), werr, zerr} {
		if !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
	if d.Valid() || z.Valid() {
		t.Error("a refused store has a proof")
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	empty, full := filepath.Join(dir, "empty"), filepath.Join(dir, "full")
	for path, content := range map[string]string{empty: "", full: "content"} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		path string
		o    Options
		want error
	}{
		{filepath.Join(dir, "none"), Options{}, fs.ErrNotExist},
		{dir, Options{}, ErrFileType},
		{"/dev/null", Options{}, ErrFileType},
		{"/dev/null", Options{ReadOnly: true, NoLock: true}, ErrFileType},
		{empty, Options{}, ErrSize},
		{empty, Options{ReadOnly: true}, ErrSize},
		{full, Options{Domain: 99}, ErrDomain},
		{full, Options{Durability: 99}, ErrOptions},
		{full, Options{ReadOnly: true, Private: true}, ErrOptions},
	}
	for _, test := range tests {
		_, err := Open(test.path, test.o)
		if !errors.Is(err, test.want) || strings.Count(err.Error(), test.path) != 1 {
			t.Errorf("Open(%s, %+v): %v, want %v and the path once", test.path, test.o, err, test.want)
		}
	}
	mustOpen(t, full, Options{}) // the refusals left no lock behind
	for _, size := range []int64{0, -1, -1 << 63, 1<<63 - 1} {
		if _, err := NewMemory(size, Volatile); !errors.Is(err, ErrSize) {
			t.Errorf("NewMemory(%d): %v, want ErrSize", size, err)
		}
	}
	if _, err := NewMemory(4096, 17); !errors.Is(err, ErrDomain) {
		t.Errorf("NewMemory in an unknown domain: %v, want ErrDomain", err)
	}
}
