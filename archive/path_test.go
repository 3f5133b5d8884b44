package archive

import (
	"errors"
	"testing"

	"pmemfs/archive/tarball"
	"pmemfs/pmemfs"
)

// TestLocate follows paths.
func TestLocate(t *testing.T) {
	fs := open(t)
	link := func(name, to string) tarball.Entry {
		return tarball.Entry{Name: name, Type: tarball.Symlink, Target: to, Mode: 0o777}
	}
	must(t, fill(fs, "/", true, tarOf(t, tarball.Entry{Name: "d/f", Type: tarball.Regular, Target: "x"}, link("abs", "/d"), link("rel", "d/../d/f"), link("d/up", "../abs/f"),
		link("loop", "loop"), link("out", "../../../../d"), link("gone", "nowhere"))))
	_, err := fs.CreateSnapshot("s", "")
	must(t, err)
	_, err = Remove(t.Context(), fs, RemoveRequest{Path: "/d/f"})
	must(t, err)
	for _, c := range []struct {
		path, snapshot string
		follow         bool
		kind           string
		err            error
	}{
		{"/", "", false, "dir", nil}, {"", "", false, "dir", nil}, {"/d//./", "", false, "dir", nil}, {"/d/f", "", false, "", pmemfs.ErrNotExist}, {"/d/f", "s", false, "file", nil},
		{"/abs", "s", false, "symlink", nil}, {"/abs", "s", true, "dir", nil}, {"/abs/", "s", false, "dir", nil}, {"/abs/f", "s", false, "file", nil}, {"/rel", "s", true, "file", nil},
		{"/d/up", "s", true, "file", nil}, {"/loop", "s", false, "symlink", nil}, {"/loop", "s", true, "", pmemfs.ErrInvalid}, {"/out", "s", true, "dir", nil},
		{"/gone", "s", true, "", pmemfs.ErrNotExist}, {"/d/f/g", "s", false, "", pmemfs.ErrNotDir}, {"/d/f/", "s", false, "", pmemfs.ErrNotDir}, {"/../d/f", "s", false, "file", nil},
		{"/d", "none", false, "", pmemfs.ErrNotExist}, {"/a\x00b", "", false, "", pmemfs.ErrInvalid}, {"/no/way", "", false, "", pmemfs.ErrNotExist},
	} {
		l, err := List(fs, ListRequest{Path: c.path, Snapshot: c.snapshot, Follow: c.follow})
		if !errors.Is(err, c.err) || l.File.Type != c.kind {
			t.Errorf("%q in %q: %q %v, want %q %v", c.path, c.snapshot, l.File.Type, err, c.kind, c.err)
		}
	}
	for path, says := range map[string]string{
		"/no/such/way": `"/no": no such file or directory`, "/d/no/way": `"/d/no": no such file or directory`, "/abs/../d/no/way": `"/d/no": no such file or directory`,
		"/gone/a": `"/nowhere": no such file or directory`, "/no": `"/no": no such file or directory`, "/abs/f/g/h": `"/d/f": not a directory`,
	} {
		if _, err := List(fs, ListRequest{Path: path, Snapshot: map[bool]string{true: "s"}[path[1] == 'a']}); err == nil || err.Error() != says {
			t.Errorf("%q: %v, want %s", path, err, says)
		}
	}
	if _, err := List(fs, ListRequest{Path: "/d", Snapshot: "none"}); err == nil || err.Error() != `no snapshot has the name "none"` {
		t.Errorf("a snapshot that is not there: %v", err)
	}
}
