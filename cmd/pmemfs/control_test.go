package main

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"pmemfs/pmemfs"
	"pmemfs/server/control"
)

// TestPerform has an operation carried out by whoever has the image: this process, a server, or nobody who can be asked.
func TestPerform(t *testing.T) {
	image := filepath.Join(t.TempDir(), "fs.img")
	want(t, 0, "mkfs", image, "--size", "16MiB")
	info := func() (control.InfoReply, error) {
		return perform(t.Context(), controlFlags{}, image, pmemfs.Options{}, control.Info, control.None{})
	}
	if i, err := info(); err != nil || i.Server != nil || i.SizeBytes != 16<<20 {
		t.Errorf("by this process: %+v, %v", i, err)
	}
	s := serve(t, image)
	if i, err := info(); err != nil || i.Server == nil || i.SizeBytes != 16<<20 {
		t.Errorf("by the server: %+v, %v", i, err)
	}
	s.stop()
	fs, err := pmemfs.Open(image, pmemfs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var unreachable *control.UnreachableError
	if _, err := info(); !errors.As(err, &unreachable) || !strings.Contains(err.Error(), image+".sock") {
		t.Errorf("by nobody: %v", err)
	}
	if err := fs.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := perform(t.Context(), controlFlags{}, image+".none", pmemfs.Options{}, control.Info, control.None{}); err == nil {
		t.Error("an image that does not exist")
	}
}
