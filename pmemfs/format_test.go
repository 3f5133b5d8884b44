package pmemfs

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/pmem"
)

// formatted formats a file of the smallest size and returns its path.
func formatted(t *testing.T, o FormatOptions) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "img")
	o.Size = max(o.Size, MinSize)
	if err := Format(path, o); err != nil {
		t.Fatal(err)
	}
	return path
}

// slurp returns a file's content, which a refusal must not change.
func slurp(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestFormatDefaults(t *testing.T) {
	path := formatted(t, FormatOptions{Size: 16 << 20, Label: "a label", RootUID: 5, RootGID: 6, RootMode: 0o1777})
	before := slurp(t, path)
	info, err := ReadInfo(path)
	if err != nil || info.Label != "a label" || !info.Clean || info.InUse || info.ReplayRecords != 0 || info.SizeBytes != 16<<20 {
		t.Errorf("%+v, %v", info, err)
	}
	if !bytes.Equal(slurp(t, path), before) {
		t.Error("looking at an image changes it")
	}
	f, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	a, err := f.Getattr(nil, f.Root())
	if err != nil || a.UID != 5 || a.GID != 6 || a.Mode != 0o1777 || a.Nlink != 2 || a.Type != TypeDir || a.Ino != layout.RootIno {
		t.Errorf("root directory: %+v, %v", a, err)
	}
	if busy, err := ReadInfo(path); err != nil || !busy.InUse {
		t.Errorf("in use: %+v, %v", busy, err)
	}
	first := f.Verifier()
	closeFS(t, f)
	if f, err = Open(path, Options{}); err != nil {
		t.Fatal(err)
	}
	if f.Verifier() != first {
		t.Error("the write verifier is another one though nothing was lost")
	}
	closeFS(t, f)
	checkImage(t, path)
}

// TestFormatRefuses asks Format for what it must not do; what is there stays as it is.
func TestFormatRefuses(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	foreign, img := file("foreign", bytes.Repeat([]byte("data"), 5000)), formatted(t, FormatOptions{})
	ok := FormatOptions{Size: MinSize}
	for _, c := range []struct {
		what, path string
		o          FormatOptions
		want       error
	}{
		{"an image", img, ok, fs.ErrExist},
		{"foreign data", foreign, ok, fs.ErrExist},
		{"one byte", file("byte", []byte("x")), ok, fs.ErrExist},
		{"a directory", dir, ok, ErrIsDir},
		{"below nothing", filepath.Join(dir, "no", "img"), ok, fs.ErrNotExist},
		{"too small", filepath.Join(dir, "new"), FormatOptions{Size: MinSize - 1}, ErrInvalid},
		{"no size", filepath.Join(dir, "new"), FormatOptions{}, ErrInvalid},
		{"too small, by force", img, FormatOptions{Size: 5, Force: true}, ErrInvalid},
		{"label too long", filepath.Join(dir, "new"), FormatOptions{Size: MinSize, Label: strings.Repeat("l", 33)}, ErrInvalid},
	} {
		before, _ := os.ReadFile(c.path)
		if err := Format(c.path, c.o); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, expected %v", c.what, err, c.want)
		}
		if after, _ := os.ReadFile(c.path); !bytes.Equal(before, after) {
			t.Errorf("%s: refused, and changed", c.what)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "new")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a refused format left a file: %v", err)
	}
	empty := file("empty", nil) // holds nothing to lose
	for _, path := range []string{img, foreign, empty} {
		if err := Format(path, FormatOptions{Size: MinSize, Force: path != empty}); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		checkImage(t, path)
	}
}

// TestLocked opens, formats and checks an image that is in use.
func TestLocked(t *testing.T) {
	path := formatted(t, FormatOptions{})
	f, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(path, Options{})
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), path) {
		t.Errorf("opened twice: %v", err)
	}
	for _, force := range []bool{false, true} {
		if err := Format(path, FormatOptions{Size: MinSize, Force: force}); !errors.Is(err, ErrLocked) {
			t.Errorf("formatted while in use, force %v: %v", force, err)
		}
	}
	closeFS(t, f)
	checkImage(t, path)
}

// TestOpenRefuses opens what is no image, or a damaged one: one clear error, and the file as it was.
func TestOpenRefuses(t *testing.T) {
	good := slurp(t, formatted(t, FormatOptions{}))
	last := len(good) - layout.BlockSize
	super := func(edit func(s *layout.Superblock)) func(b []byte) []byte {
		return func(b []byte) []byte {
			s, err := layout.DecodeSuperblock(b)
			if err != nil {
				t.Fatal(err)
			}
			edit(s)
			layout.EncodeSuperblock(b, s)
			return b
		}
	}
	for _, c := range []struct {
		what string
		edit func(b []byte) []byte
		want error
	}{
		{"empty", func([]byte) []byte { return nil }, ErrNotImage},
		{"foreign", func(b []byte) []byte { return bytes.Repeat([]byte("foreign "), 9000) }, ErrNotImage},
		{"zeros", func(b []byte) []byte { clear(b); return b }, ErrNotImage},
		{"cut in half", func(b []byte) []byte { return b[:len(b)/2] }, ErrDamaged},
		{"cut to a block", func(b []byte) []byte { return b[:4096] }, ErrDamaged},
		{"both superblocks damaged", func(b []byte) []byte { b[100]++; b[last+100]++; return b }, ErrDamaged},
		{"both heads damaged", func(b []byte) []byte { b[2*4096+9]++; b[3*4096+9]++; return b }, ErrDamaged},
		{"no root directory", func(b []byte) []byte { clear(b[rootOffset(t, b):][:256]); return b }, ErrNotImage},
		{"root directory damaged", func(b []byte) []byte { b[rootOffset(t, b)+50]++; return b }, ErrDamaged},
		{"another version", func(b []byte) []byte { b[4]++; layout.Seal(b); return b }, ErrVersion},
		{"an unknown feature", super(func(s *layout.Superblock) { s.Incompat = 1 << 40 }), ErrVersion},
		{"an unknown feature for writing", super(func(s *layout.Superblock) { s.ROCompat = 1 << 40 }), ErrVersion},
	} {
		path := filepath.Join(t.TempDir(), "img")
		b := c.edit(bytes.Clone(good))
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := Open(path, Options{})
		if err == nil {
			closeFS(t, f)
		}
		if c.what == "no root directory" {
			if err == nil {
				t.Errorf("%s: opened", c.what)
			}
			continue // found after recovery has written a head
		}
		if !errors.Is(err, c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, expected %v", c.what, err, c.want)
		}
		if c.what != "root directory damaged" && !bytes.Equal(slurp(t, path), b) {
			t.Errorf("%s: the file was changed", c.what)
		}
	}
	if _, err := Open(t.TempDir(), Options{}); err == nil {
		t.Error("a directory opens")
	}
	if _, err := Open(filepath.Join(t.TempDir(), "none"), Options{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nothing: %v", err)
	}
}

// rootOffset returns where the root directory's inode is.
func rootOffset(t *testing.T, b []byte) int64 {
	t.Helper()
	s, err := layout.DecodeSuperblock(b)
	if err != nil {
		t.Fatal(err)
	}
	return layout.BlockOffset(s.InodeBoot + 1)
}

// TestOpenDamagedCopies opens an image with one of each two copies damaged, and one with bytes behind its end.
func TestOpenDamagedCopies(t *testing.T) {
	good := slurp(t, formatted(t, FormatOptions{}))
	for what, edit := range map[string]func(b []byte) []byte{
		"first superblock": func(b []byte) []byte { clear(b[:4096]); return b },
		"backup":           func(b []byte) []byte { b[len(b)-5]++; return b },
		"unused head":      func(b []byte) []byte { b[2*4096+9]++; return b }, // format writes version 1 to head B
	} {
		path := filepath.Join(t.TempDir(), "img")
		if err := os.WriteFile(path, edit(bytes.Clone(good)), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := Open(path, Options{})
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		closeFS(t, f)
	}
}

// TestOrdinaryFile works on a file: the page-cache domain, whose syncs are counted, and none for the asking.
func TestOrdinaryFile(t *testing.T) {
	for _, c := range []struct {
		o     Options
		want  Domain
		syncs bool
	}{
		{Options{NoBackground: true}, DomainPageCache, true},
		{Options{NoBackground: true, Durability: DurabilityProcess}, DomainPageCache, false},
		{Options{NoBackground: true, Volatile: true}, DomainVolatile, false},
	} {
		path := formatted(t, FormatOptions{})
		f, err := Open(path, c.o)
		if err != nil {
			t.Fatal(err)
		}
		if f.region.Domain() == pmem.CacheFlush && !c.o.Volatile {
			t.Logf("%s has DAX: its syncs are not those of a page cache", path)
			c.want, c.syncs = DomainCacheFlush, false
		}
		before := f.Counters()
		a, err := f.Create(superuser, nil, f.Root(), []byte("f"), &CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := f.Write(superuser, nil, a.Handle, make([]byte, 100_000), 0); err != nil {
			t.Fatal(err)
		}
		after := f.Counters()
		info := f.Info()
		if info.Domain != c.want.String() || info.DomainReason == "" || info.Durability != c.o.Durability.String() {
			t.Errorf("%+v: %s because of %q, durability %s", c.o, info.Domain, info.DomainReason, info.Durability)
		}
		if syncs := after.Syncs - before.Syncs; (syncs >= 3) != c.syncs || !c.syncs && syncs != 0 {
			t.Errorf("%+v: %d syncs", c.o, syncs)
		}
		closeFS(t, f)
		checkImage(t, path)
		again, err := Open(path, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := again.Lookup(superuser, nil, again.Root(), []byte("f")); err != nil || got.Size != 100_000 || got.Handle != a.Handle {
			t.Errorf("%+v: after another open: %+v, %v", c.o, got, err)
		}
		closeFS(t, again)
	}
}
