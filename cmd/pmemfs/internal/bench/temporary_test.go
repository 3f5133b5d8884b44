package bench

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"pmemfs/pmemfs"
)

// TestTemporaryDescriptors: where too few descriptors are free nothing is made, since it could not be removed.
func TestTemporaryDescriptors(t *testing.T) {
	dir := t.TempDir()
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	few := limit
	few.Cur = descriptorsMin
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &few); err != nil {
		t.Fatal(err)
	}
	_, err := makeTemporary(dir, "the folder")
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(err, unix.EMFILE) || !strings.Contains(err.Error(), "ulimit -n") {
		t.Errorf("with few descriptors: %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left behind %v, %v", left, err)
	}
	path, err := makeTemporary(dir, "the folder")
	if err != nil {
		t.Fatal(err)
	}
	if filepath.Dir(path) != dir {
		t.Errorf("it is made as %s", path)
	}
}

func TestTemporaryErrors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for parent, want := range map[string]string{"": "no folder is named", file: "is no folder", file + "x": "no such file"} {
		if _, err := makeTemporary(parent, "the folder for the image"); err == nil ||
			!strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "the folder for the image") {
			t.Errorf("%q: %v", parent, err)
		}
	}
	ts := targets{image: Image{Bytes: 4096}, folders: []Folder{{Path: "/full"}}}
	for i, want := range []string{"image of 4096 bytes is full: a larger --image-size", "/full is full"} {
		for _, cause := range []error{pmemfs.ErrNoSpace, unix.ENOSPC} {
			if err := ts.explain(i, fmt.Errorf("create: %w", cause)); !errors.Is(err, cause) || !strings.Contains(err.Error(), want) {
				t.Errorf("target %d: %v", i, err)
			}
		}
	}
	if err := ts.explain(0, nil); err != nil {
		t.Error(err)
	}
}
