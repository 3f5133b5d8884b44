package pmemfs

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pmemfs/pmemfs/internal/pmem"
)

// makeGolden makes the golden images anew: go test ./pmemfs -run TestGolden -make-golden. It is for a new version of the format only: an
// image that has been released stays as it is.
var makeGolden = flag.Bool("make-golden", false, "make the golden images and their listings")

// golden is an image that every version must open, below testdata, with the features that it has. What is in the first two is the same, and
// golden-1.txt lists it; others have more, and a listing of their own.
type golden struct {
	name     string
	features []string
	more     func(t *testing.T, fs *FS)
}

var goldens = []golden{
	{"golden-1", nil, nil},
	{"golden-1-sums", []string{"data-checksums"}, nil},
	{"golden-1-snapshots", []string{"snapshots"}, snapGolden},
	{"golden-1-quotas", []string{"quotas", "journal-entries"}, limitGolden},
}

// listing is the file with what is in the image.
func (g *golden) listing() string {
	if g.more == nil {
		return filepath.Join("testdata", "golden-1.txt")
	}
	return filepath.Join("testdata", g.name+".txt")
}

// TestGolden opens each golden image as it was when the power went: it checks, replays its window, frees its orphan, and has every file,
// attribute and byte of its listing. Read-only it has the same, and changes nothing.
func TestGolden(t *testing.T) {
	for _, g := range goldens {
		t.Run(g.name, func(t *testing.T) {
			if *makeGolden {
				g.write(t)
			}
			want, err := os.ReadFile(g.listing())
			must(t, err)
			path := filepath.Join(t.TempDir(), "image")
			medium := unpackGolden(t, g.name)
			must(t, os.WriteFile(path, medium, 0o600))
			compareGolden(t, path, Options{ReadOnly: true}, want)
			after, err := os.ReadFile(path)
			must(t, err)
			if !bytes.Equal(after, medium) {
				t.Error("the image has changed though it was open for reading only")
			}
			info, err := ReadInfo(path)
			if err != nil || info.Clean || info.ReplayRecords == 0 || !slices.Equal(info.Features, g.features) {
				t.Errorf("info %+v, %v", info, err)
			}
			checkPath(t, path)
			compareGolden(t, path, Options{}, want)
			checkPath(t, path)
			if r, err := ScrubImage(context.Background(), path, ScrubOptions{}); err != nil || !r.Clean() {
				t.Errorf("scrub: %+v, %v", r, err)
			}
			g.changed(t, path)
		})
	}
}

// changed changes an image as a new version does, and finds that it has no feature more: an older version still opens it.
func (g *golden) changed(t *testing.T, path string) {
	t.Helper()
	fs, err := Open(path, Options{NoBackground: true})
	must(t, err)
	b := builder{t: t, fs: fs}
	b.write(b.file(b.dir(fs.Root(), "new"), "file", 10), 1<<20, 100_000)
	must(t, fs.Unlink(root, nil, fs.Root(), []byte("large")))
	closeFS(t, fs)
	checkPath(t, path)
	if info, err := ReadInfo(path); err != nil || !slices.Equal(info.Features, g.features) {
		t.Errorf("features %q, %v, expected %q", info.Features, err, g.features)
	}
}

// snapGolden makes two snapshots, with changes after each.
func snapGolden(t *testing.T, fs *FS) {
	_, err := fs.CreateSnapshot("first", "of a golden image")
	must(t, err)
	must(t, fs.Unlink(root, nil, fs.Root(), []byte("small")))
	must(t, fs.HoldSnapshot("first", "tag"))
	_, err = fs.CreateSnapshot("second", "")
	must(t, err)
	b := builder{t: t, fs: fs}
	b.file(fs.Root(), "later", 20_000)
}

// limitGolden limits a user, a group and a directory, and has them use some of it.
func limitGolden(t *testing.T, fs *FS) {
	must(t, fs.SetQuota(QuotaUser, 1000, QuotaLimits{HardBytes: 1 << 20, SoftFiles: 10}))
	must(t, fs.SetQuota(QuotaGroup, 100, QuotaLimits{HardFiles: 100}))
	b := builder{t: t, fs: fs}
	dir := b.dir(fs.Root(), "limited")
	_, err := fs.SetTreeQuota(dir, QuotaLimits{HardBytes: 1 << 20})
	must(t, err)
	b.file(dir, "inside", 10_000)
}

// unpackGolden returns the bytes of a golden image.
func unpackGolden(t *testing.T, name string) []byte {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name+".img.gz"))
	must(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	must(t, err)
	medium, err := io.ReadAll(z)
	must(t, err)
	return medium
}

// compareGolden opens an image and compares all that is in it with a listing.
func compareGolden(t *testing.T, path string, o Options, want []byte) {
	t.Helper()
	o.NoBackground = true
	fs, err := Open(path, o)
	must(t, err)
	got := listing(t, fs)
	closeFS(t, fs)
	if got == string(want) {
		return
	}
	a, b := strings.Split(string(want), "\n"), strings.Split(got, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			t.Fatalf("line %d of the listing is\n%s\nexpected\n%s", i+1, b[i], a[i])
		}
	}
	t.Fatalf("the listing has %d lines, expected %d", len(b), len(a))
}

// checkPath checks an image that is closed, its data included.
func checkPath(t *testing.T, path string) {
	t.Helper()
	r, err := Check(path, CheckOptions{Data: true})
	if err != nil || !r.Clean() {
		t.Fatalf("check: %+v, %v", r, err)
	}
}

// listing describes all files of a filesystem, a line each, and what belongs to none.
func listing(t *testing.T, fs *FS) string {
	var b strings.Builder
	first := map[uint64]string{}
	walkAll(t, fs, "/", fs.Root(), func(path string, a Attr) {
		if other, ok := first[a.Handle.Ino]; ok {
			fmt.Fprintf(&b, "%s is %s\n", path, other)
			return
		}
		first[a.Handle.Ino] = path
		b.WriteString(describeFile(t, fs, path, a))
	})
	keys, err := fs.Keys()
	must(t, err)
	slices.Sort(keys)
	for _, key := range keys {
		value, err := fs.Value(key)
		must(t, err)
		fmt.Fprintf(&b, "value %s=%q\n", key, value)
	}
	for _, n := range fs.RequestNotes() {
		fmt.Fprintf(&b, "request %x made {%d %d}\n", n.Key, n.Made.Ino, n.Made.Gen)
	}
	snapshots, _, err := fs.Snapshots()
	must(t, err)
	for _, x := range snapshots {
		fmt.Fprintf(&b, "snapshot %s text %q holds %q\n", x.Name, x.Text, x.Holds)
		clear(first)
		walkAll(t, fs, "/", fs.Root().In(x.Epoch), func(path string, a Attr) { b.WriteString(describeFile(t, fs, path, a)) })
	}
	if slices.Contains(fs.Info().Features, "quotas") {
		must(t, fs.Quotas(0, func(q Quota) bool {
			if q.QuotaLimits == (QuotaLimits{}) {
				return true // of root, whose removed file is there or not
			}
			fmt.Fprintf(&b, "quota of %v %d: %+v, %d bytes, %d files\n", q.Kind, q.ID, q.QuotaLimits, q.UsedBytes, q.UsedFiles)
			return true
		}))
	}
	fmt.Fprintf(&b, "uuid %x label %q\n", fs.UUID(), fs.Info().Label)
	return b.String()
}

// walkAll calls f with each file below a directory, in order of names.
func walkAll(t *testing.T, fs *FS, path string, h Handle, f func(path string, a Attr)) {
	t.Helper()
	a, err := fs.Getattr(nil, h)
	must(t, err)
	f(path, a)
	if a.Type != TypeDir {
		return
	}
	kids, names := map[string]Handle{}, []string(nil)
	must(t, fs.Readdir(root, nil, h, 0, true, func(e *DirEntry) bool {
		if name := string(e.Name); name != "." && name != ".." {
			kids[name], names = e.Attr.Handle, append(names, name)
		}
		return true
	}))
	slices.Sort(names)
	for _, name := range names {
		walkAll(t, fs, filepath.Join(path, name), kids[name], f)
	}
}

// describeFile returns the line of a file: its attributes, and a digest of its data.
func describeFile(t *testing.T, fs *FS, path string, a Attr) string {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "%s {%d %d} type %d mode %o links %d owner %d:%d size %d used %d change %d device %d:%d times %d %d %d %d", path, a.Ino, a.Gen, a.Type, a.Mode, a.Nlink,
		a.UID, a.GID, a.Size, a.Used, a.Change, a.Major, a.Minor, a.Atime, a.Mtime, a.Ctime, a.Btime)
	switch a.Type {
	case TypeSymlink:
		target, err := fs.Readlink(nil, a.Handle)
		must(t, err)
		fmt.Fprintf(&b, " target %q", target)
	case TypeRegular:
		sum, p := sha256.New(), make([]byte, 1<<20)
		for off := uint64(0); off < a.Size; {
			data, err := fs.SeekData(root, nil, a.Handle, off)
			if err == ErrNoData {
				break
			}
			must(t, err)
			n, _, err := fs.Read(root, nil, a.Handle, p, data)
			must(t, err)
			fmt.Fprintf(sum, "%d:", data)
			sum.Write(p[:n])
			off = data + uint64(n)
		}
		fmt.Fprintf(&b, " data %x", sum.Sum(nil)[:8])
	}
	names, err := fs.ListXattr(root, nil, a.Handle)
	must(t, err)
	slices.SortFunc(names, bytes.Compare)
	for _, name := range names {
		value, err := fs.GetXattr(root, nil, a.Handle, name)
		must(t, err)
		sum := sha256.Sum256(value)
		fmt.Fprintf(&b, " %s=%x", name, sum[:4])
	}
	return b.String() + "\n"
}

// fixedClock makes time stand still, but for a microsecond at each look, until the test ends. The test is not parallel.
func fixedClock(t *testing.T) {
	at := time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC)
	clock = func() int64 { at = at.Add(time.Microsecond); return at.UnixNano() }
	t.Cleanup(func() { clock = anchored })
}

// fixedFS returns a filesystem in memory whose bytes depend on nothing but the calls that it gets.
func fixedFS(t *testing.T, size int64, o FormatOptions) *FS {
	t.Helper()
	fixedClock(t)
	region, err := pmem.NewMemory(size, pmem.CacheFlush)
	must(t, err)
	must(t, formatRegion(region, &o, rand.NewChaCha8([32]byte{1})))
	fs, err := mount(region, Options{NoBackground: true})
	must(t, err)
	return fs
}

// write makes a golden image and its listing.
func (g *golden) write(t *testing.T) {
	fs := fixedFS(t, 4<<20, FormatOptions{Label: "golden", RootMode: 0o755, DataChecksums: slices.Contains(g.features, "data-checksums")})
	fillGolden(t, fs)
	if g.more != nil {
		g.more(t, fs)
	}
	medium := bytes.Clone(fs.region.Bytes()) // as a power cut would leave it
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	must(t, err)
	_, err = z.Write(medium)
	must(t, err)
	must(t, z.Close())
	must(t, os.WriteFile(filepath.Join("testdata", g.name+".img.gz"), packed.Bytes(), 0o644))
	closeFS(t, fs)
	path := filepath.Join(t.TempDir(), "image")
	must(t, os.WriteFile(path, medium, 0o600))
	opened, err := Open(path, Options{NoBackground: true})
	must(t, err)
	must(t, os.WriteFile(g.listing(), []byte(listing(t, opened)), 0o644))
	closeFS(t, opened)
}

// fillGolden puts one of everything into a filesystem.
func fillGolden(t *testing.T, fs *FS) {
	b := builder{t: t, fs: fs}
	top := fs.Root()
	set := func(h Handle, s SetAttr) {
		_, err := fs.Setattr(root, nil, h, &s)
		must(t, err)
	}
	small := b.file(top, "small", 5)
	set(small, SetAttr{Mask: SetMode | SetUID | SetGID, Mode: 0o6755, UID: 1000, GID: 100})
	b.file(top, "block", 4096)
	b.file(top, "large", 300_000)
	sparse := b.file(top, "sparse", 100)
	b.write(sparse, 1<<40, 5000)
	pieces := b.dir(top, "pieces")
	frag := b.file(pieces, "many extents", 0)
	for i := range uint64(12) { // more than an inode maps
		b.write(frag, 2*i<<12, 10)
	}
	reserved := b.file(pieces, "allocated", 10)
	must(t, fs.Allocate(root, nil, reserved, 0, 100_000, false))
	links := b.dir(top, "many names") // of one file: a tree of nodes, and few inodes
	linked := b.file(links, "first", 1)
	for i := range 80 {
		_, err := fs.Link(root, nil, linked, links, fmt.Appendf(nil, "another name of the file, number %04d", i))
		must(t, err)
	}
	_, err := fs.Symlink(root, nil, top, []byte("short link"), []byte("its target is in the inode"), nil)
	must(t, err)
	_, err = fs.Symlink(root, nil, top, []byte("long link"), bytes.Repeat([]byte("t"), 900), nil)
	must(t, err)
	_, err = fs.Mknod(root, nil, top, []byte("fifo"), TypeFIFO, 0, 0, nil)
	must(t, err)
	_, err = fs.Mknod(root, nil, top, []byte("device"), TypeChar, 5, 1, nil)
	must(t, err)
	for i := range 12 {
		must(t, fs.SetXattr(root, nil, small, fmt.Appendf(nil, "user.%d", i), bytes.Repeat([]byte{byte(i)}, 400+i), 0))
	}
	must(t, fs.SetXattr(root, nil, small, []byte("user.long"), bytes.Repeat([]byte("long"), 5000), 0))
	listed := b.dir(top, "listed")
	acl := ACL{{Tag: ACLUserObj, Perm: 7}, {Tag: ACLUser, ID: 1000, Perm: 5}, {Tag: ACLGroupObj, Perm: 5}, {Tag: ACLMask, Perm: 5}, {Tag: ACLOther}}
	must(t, fs.SetACLs(root, nil, listed, ACLs{Access: acl, Default: acl}, ACLAccess|ACLDefault))
	b.file(listed, "inherits", 1)
	must(t, fs.PutValue("test.value", []byte("of a server")))
	gone := b.file(top, "removed and open", 50_000)
	must(t, fs.Hold(gone))
	must(t, fs.Unlink(root, nil, top, []byte("removed and open")))
	must(t, fs.SyncAll())
	// What follows is in the window alone.
	b.file(top, "in the window", 3000)
	must(t, fs.Rename(root, nil, top, []byte("block"), pieces, []byte("moved"), 0))
	must(t, fs.Unlink(root, nil, links, []byte("another name of the file, number 0007")))
	_, err = fs.Mkdir(root, &Call{Key: keyOf(3)}, top, []byte("asked for"), nil)
	must(t, err)
	set(frag, SetAttr{Mask: SetSize, Size: 5000})
}
