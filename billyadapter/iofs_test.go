package billyadapter_test

import (
	"fmt"
	"io"
	"io/fs"
	"slices"
	"testing"
	"testing/fstest"

	"github.com/go-git/go-billy/v5/util"

	"pmemfs/pmemfs/testpart"
)

func TestIOFS(t *testing.T) {
	testpart.NotRace(t)
	f := newFS(t)
	names := []string{"a", "empty", "dir/b", "dir/deep/er/c", "dir/z"}
	for i, n := range names {
		must(t, util.WriteFile(f, n, make([]byte, i*4096), 0o644))
	}
	must(t, f.Mkdir("hollow", 0o755))
	must(t, f.Symlink("dir/b", "link"))
	must(t, f.Symlink("/dir", "absolute"))
	if err := fstest.TestFS(f.IOFS(), append(names, "hollow", "link")...); err != nil {
		t.Fatal(err)
	}
}

// TestIOFSPages reads a directory in pieces while entries vanish from it: the rest is seen once each.
func TestIOFSPages(t *testing.T) {
	testpart.NotRace(t)
	f := newFS(t)
	const count = 1000
	for i := range count {
		must(t, util.WriteFile(f, fmt.Sprintf("d/%04d", i), nil, 0o644))
	}
	dir, err := f.IOFS().Open("d")
	must(t, err)
	defer func() { must(t, dir.Close()) }()
	var seen []string
	for {
		entries, err := dir.(fs.ReadDirFile).ReadDir(7)
		if err == io.EOF {
			break
		}
		must(t, err)
		for _, e := range entries {
			seen = append(seen, e.Name())
			must(t, f.Remove("d/"+e.Name()))
		}
	}
	slices.Sort(seen)
	if len(slices.Compact(seen)) != count {
		t.Fatalf("saw %d names of %d", len(seen), count)
	}
}
