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
