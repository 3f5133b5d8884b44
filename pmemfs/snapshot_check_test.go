package pmemfs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
)

// checkedTree makes an image with data checksums, a tree that is deep and wide in it, and a snapshot of it, after which the live tree goes.
func checkedTree(t *testing.T) *FS {
	t.Helper()
	path := t.TempDir() + "/fs.img"
	if err := Format(path, FormatOptions{Size: 32 << 20, DataChecksums: true}); err != nil {
		t.Fatal(err)
	}
	fs, err := Open(path, Options{NoBackground: true})
	if err != nil {
		t.Fatal(err)
	}
	c, must := &Cred{}, func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	dir := fs.Root()
	for i := range 50 {
		d, err := fs.Mkdir(c, nil, dir, fmt.Appendf(nil, "d%d", i), nil)
		must(err)
		dir = d.Handle
	}
	for i := range 200 {
		a, err := fs.Create(c, nil, dir, fmt.Appendf(nil, "f%d", i), &CreateOptions{})
		must(err)
		_, _, err = fs.Write(c, nil, a.Handle, bytes.Repeat(fmt.Appendf(nil, "content of %3d;", i), 700), uint64(i)<<20)
		must(err)
	}
	_, err = fs.Symlink(c, nil, dir, []byte("link"), []byte("target"), &SetAttr{})
	must(err)
	_, err = fs.CreateSnapshot("one", "")
	must(err)
	for i := range 100 {
		must(fs.Unlink(c, nil, dir, fmt.Appendf(nil, "f%d", i)))
	}
	return fs
}

// TestCheckSnapshot reads a snapshot whole, finds the one byte of it that is damaged, and says in which file.
func TestCheckSnapshot(t *testing.T) {
	fs := checkedTree(t)
	var told int64
	r, err := fs.CheckSnapshot(t.Context(), "one", SnapshotCheckOptions{Progress: func(done, total int64) {
		if done < told || done > total {
			t.Errorf("%d of %d, after %d", done, total, told)
		}
		told = done
	}})
	if err != nil || !r.Clean() || !r.Complete || r.Dirs != 51 || r.Files != 200 || r.Others != 1 || r.Bytes < 200*700*15 || uint64(told) != r.Bytes {
		t.Errorf("%+v, %v", r, err)
	}
	if err := fs.SyncAll(); err != nil {
		t.Fatal(err)
	}
	medium := fs.region.Bytes()
	at := bytes.LastIndex(medium, []byte("content of   7;content of   7;"))
	if at < 0 {
		t.Fatal("the content is not on the medium")
	}
	medium[at] ^= 1
	r, err = fs.CheckSnapshot(t.Context(), "one", SnapshotCheckOptions{})
	if err != nil || len(r.Findings) != 1 || !bytes.HasSuffix([]byte(r.Findings[0].Path), []byte("/d49/f7")) || !r.Complete {
		t.Errorf("with a damaged byte: %+v, %v", r, err)
	}
	medium[at] ^= 1
	if err := fs.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestCheckSnapshotEnds ends with its context and with the snapshot, and is refused where there is none.
func TestCheckSnapshotEnds(t *testing.T) {
	fs := checkedTree(t)
	ctx, cancel := context.WithCancel(t.Context())
	r, err := fs.CheckSnapshot(ctx, "one", SnapshotCheckOptions{Rate: 1, Progress: func(int64, int64) { cancel() }})
	if !errors.Is(err, context.Canceled) || r == nil || r.Complete || r.Bytes == 0 {
		t.Errorf("cancelled: %+v, %v", r, err)
	}
	deleted := false
	_, err = fs.CheckSnapshot(t.Context(), "one", SnapshotCheckOptions{Progress: func(int64, int64) {
		if !deleted {
			deleted = true
			if err := fs.DeleteSnapshot("one"); err != nil {
				t.Error(err)
			}
		}
	}})
	if !errors.Is(err, ErrStale) {
		t.Errorf("deleted meanwhile: %v", err)
	}
	if _, err := fs.CheckSnapshot(t.Context(), "one", SnapshotCheckOptions{}); !errors.Is(err, ErrNotExist) {
		t.Errorf("no such snapshot: %v", err)
	}
	if err := fs.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestCheckSnapshotDeep checks a tree that a client has made very deep, with names as long as can be: what it takes grows with the depth, and not with its
// square.
func TestCheckSnapshotDeep(t *testing.T) {
	fs := checkedTree(t)
	defer fs.Close()
	const depth = 1000
	dir := fs.Root()
	for range depth {
		d, err := fs.Mkdir(&Cred{}, nil, dir, bytes.Repeat([]byte{'n'}, NameMax), nil)
		if err != nil {
			t.Fatal(err)
		}
		dir = d.Handle
	}
	a, err := fs.Create(&Cred{}, nil, dir, []byte("file"), &CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := fs.Write(&Cred{}, nil, a.Handle, []byte("deep content"), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := fs.CreateSnapshot("deep", ""); err != nil {
		t.Fatal(err)
	}
	if err := fs.SyncAll(); err != nil {
		t.Fatal(err)
	}
	fs.region.Bytes()[bytes.LastIndex(fs.region.Bytes(), []byte("deep content"))] ^= 1
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	r, err := fs.CheckSnapshot(t.Context(), "deep", SnapshotCheckOptions{})
	runtime.ReadMemStats(&after)
	taken := after.TotalAlloc - before.TotalAlloc
	if err != nil || len(r.Findings) != 1 || len(r.Findings[0].Path) > snapshotPathMax+len(".../") || !bytes.HasPrefix([]byte(r.Findings[0].Path), []byte(".../nnn")) ||
		!bytes.HasSuffix([]byte(r.Findings[0].Path), []byte("n/file")) {
		t.Errorf("%+v, %v", r, err)
	}
	if taken > depth*depth*NameMax/8 {
		t.Errorf("%d bytes are taken for a tree of %d directories", taken, depth)
	}
}
