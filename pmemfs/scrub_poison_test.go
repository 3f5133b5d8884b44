package pmemfs

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pmemfs/pmemfs/internal/layout"
)

// openFile writes a medium to a file and opens it there, where memory can be poisoned.
func openFile(t *testing.T, medium []byte) *FS {
	t.Helper()
	path := filepath.Join(t.TempDir(), "img")
	if err := os.WriteFile(path, medium, 0o600); err != nil {
		t.Fatal(err)
	}
	fs, err := Open(path, Options{NoBackground: true})
	if err != nil {
		t.Fatal(err)
	}
	return fs
}

// TestScrubFindsPoison poisons the memory of every kind of object of an open filesystem, one at a time: a scrub names it and
// goes on to the end, and finds nothing any more when the memory is well again.
func TestScrubFindsPoison(t *testing.T) {
	bothWays(t, func(t *testing.T, sums bool) {
		s := operateWith(t, false, sums)
		fs := openFile(t, s.medium)
		s.medium = fs.region.Bytes()
		list := s.targets()
		if !sums {
			plain := s.inode(s.plain).InlineExtent(0).Phys
			list = append(list, target{object: "data at byte 4096 of " + inodeObject(s.plain), off: layout.BlockOffset(plain + 1)})
		}
		for _, d := range list {
			heal := poison(t, fs.region, layout.BlockOf(d.off))
			r := mustScrub(t, fs, ScrubOptions{})
			heal()
			want := strings.Replace(d.object, "journal head in", "journal head,", 1)
			if !slices.ContainsFunc(r.Findings, func(f ScrubFinding) bool { return f.Object == want && !f.Repaired && f.Problem != "" }) {
				t.Errorf("%s poisoned: found %d: %v", d.object, len(r.Findings), r.Findings[:min(len(r.Findings), 5)])
			}
			if again := mustScrub(t, fs, ScrubOptions{}); !again.Clean() {
				t.Fatalf("%s is well again: found %v", d.object, again.Findings)
			}
		}
		if m := fs.MediaErrors(); m.Data == 0 || m.Metadata == 0 {
			t.Errorf("what was found is not counted: %+v", m)
		}
		checkFS(t, fs)
		closeFS(t, fs)
	})
}

// TestPoisonedSums poisons a part of a table of checksums: what it covers cannot be read, and can be written, elsewhere;
// everything else goes on.
func TestPoisonedSums(t *testing.T) {
	s := operateWith(t, false, true)
	fs := openFile(t, s.medium)
	c := &Cred{}
	a, err := fs.Create(c, nil, fs.Root(), []byte("new"), &CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 40<<10)
	if _, _, err := fs.Write(c, nil, a.Handle, p, 0); err != nil {
		t.Fatal(err)
	}
	phys := layout.Inode(fs.region.Bytes()[s.at(a.Ino) : s.at(a.Ino)+layout.InodeSize]).InlineExtent(0).Phys
	table := layout.BlockOf(fs.super().Sums().Offset(phys))
	if layout.BlockOf(fs.super().Sums().Offset(phys+10)) != table {
		t.Fatal("the file lies across two blocks of the table")
	}
	heal := poison(t, fs.region, table)
	if _, _, err := fs.Read(c, nil, a.Handle, p, 0); !errors.Is(err, ErrIO) || !strings.Contains(err.Error(), "checksums of block group 0") {
		t.Errorf("read: %v", err)
	}
	for i, n := range []int{100, 4096, 40 << 10} {
		if _, _, err := fs.Write(c, nil, a.Handle, p[:n], 0); (err == nil) != (i > 0) || err != nil && !errors.Is(err, ErrIO) {
			t.Errorf("write of %d bytes: %v", n, err)
		}
	}
	if _, _, err := fs.Read(c, nil, a.Handle, p, 0); err != nil {
		t.Errorf("read of what was written elsewhere: %v", err)
	}
	for i := range 50 {
		b := builder{t: t, fs: fs}
		b.file(fs.Root(), "more"+decimal(uint64(i)), 20_000)
	}
	if r := mustScrub(t, fs, ScrubOptions{}); r.Clean() {
		t.Error("a scrub finds nothing")
	}
	heal()
	if r := mustScrub(t, fs, ScrubOptions{}); !r.Clean() {
		t.Errorf("the memory is well again: found %v", r.Findings)
	}
	checkFS(t, fs)
	closeFS(t, fs)
}
