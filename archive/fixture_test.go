package archive

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"

	"pmemfs/archive/tarball"
	"pmemfs/pmemfs"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func nobody(int64, int64) {}

// open makes a filesystem in memory, which is checked in the end.
func open(t testing.TB) *pmemfs.FS {
	t.Helper()
	fs, err := pmemfs.OpenMemory(32<<20, pmemfs.DomainVolatile, pmemfs.Options{})
	must(t, err)
	t.Cleanup(func() {
		r, err := fs.Check()
		must(t, err)
		if !r.Clean() {
			t.Errorf("check: %v", r.Faults)
		}
		must(t, fs.Close())
	})
	return fs
}

// tarOf is an archive of entries; the data of each is what its Target says if it is regular.
func tarOf(t testing.TB, entries ...tarball.Entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tarball.NewWriter(&b)
	for _, e := range entries {
		data := ""
		if e.Type == tarball.Regular {
			data, e.Target = e.Target, ""
			if e.Size == 0 {
				e.Size = uint64(len(data))
			}
		}
		must(t, w.Begin(&e))
		_, err := w.Write([]byte(data))
		must(t, err)
	}
	must(t, w.Close())
	return b.Bytes()
}

// fill copies an archive into a filesystem.
func fill(fs *pmemfs.FS, path string, fresh bool, text []byte) error {
	_, err := Import(context.Background(), fs, ImportRequest{path}, fresh, tarball.NewReader(bytes.NewReader(text)))
	return err
}

// dump is an archive of what is at a path.
func dump(t testing.TB, fs *pmemfs.FS, req ExportRequest) ([]byte, Report) {
	t.Helper()
	var b bytes.Buffer
	r, err := Export(context.Background(), fs, req, tarball.NewWriter(&b), nobody)
	must(t, err)
	return b.Bytes(), r
}

// content reads a file by its path.
func content(t testing.TB, fs *pmemfs.FS, path string) string {
	t.Helper()
	text, _ := dump(t, fs, ExportRequest{Path: path, Follow: true})
	r := tarball.NewReader(bytes.NewReader(text))
	if _, err := r.Next(); errors.Is(err, io.EOF) {
		return ""
	}
	data, err := io.ReadAll(r)
	must(t, err)
	return string(data)
}
