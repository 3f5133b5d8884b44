package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"pmemfs/archive/tarball"
	"pmemfs/pmemfs"
)

// TestRoundTrip copies a tree into an image and out of it: the second archive is the first.
func TestRoundTrip(t *testing.T) {
	acl := tarball.Xattr{Name: tarball.DefaultACL, Value: []byte("\x02\x00\x00\x00\x01\x00\x07\x00\xff\xff\xff\xff\x02\x00\x07\x00\xe8\x03\x00\x00\x04\x00\x05\x00\xff\xff\xff\xff\x10\x00\x07\x00\xff\xff\xff\xff\x20\x00\x00\x00\xff\xff\xff\xff")}
	top := tarball.Entry{Name: ".", Type: tarball.Dir, Mode: 0o1770, UID: 7, GID: 8, Mtime: 123456789}
	dir := tarball.Entry{Name: "./dir", Type: tarball.Dir, Mode: 0o2500, UID: 1, Mtime: -5, Xattrs: []tarball.Xattr{acl, {Name: "user.x", Value: []byte("y")}}}
	one := tarball.Entry{Name: "./dir/one", Type: tarball.Regular, Mode: 0o4711, UID: 3, GID: 4, Mtime: 99, Target: "content", Xattrs: []tarball.Xattr{{Name: "user.a", Value: bytes.Repeat([]byte("b"), 5000)}}}
	hole := tarball.Entry{Name: "./dir/hole", Type: tarball.Regular, Mode: 0o600, Sparse: true, Size: 1 << 40, Data: []tarball.Extent{{Off: 1 << 30, Len: 4096}}, Target: strings.Repeat("z", 4096)}
	entries := []tarball.Entry{top, dir, one, hole, {Name: "./dir/p\xff", Type: tarball.FIFO, Mode: 0o644}, {Name: "./dir/dev", Type: tarball.Block, Major: 7, Minor: 9}, {Name: "./dir/l", Type: tarball.Symlink, Target: "../nowhere", Mode: 0o777}}
	links := append(entries, tarball.Entry{Name: "./dir/two", Type: tarball.Link, Target: "./dir/one"})
	fs := open(t)
	must(t, fill(fs, "/", true, tarOf(t, links...)))
	first, report := dump(t, fs, ExportRequest{Path: "/"})
	if len(report.Problems) > 0 || report.Files != 6 || report.Dirs != 2 {
		t.Errorf("%+v", report)
	}
	again := open(t)
	must(t, fill(again, "/", true, first))
	second, _ := dump(t, again, ExportRequest{Path: "/"})
	if a, b := describeAll(t, first), describeAll(t, second); a != b {
		t.Errorf("%s\n---\n%s", a, b)
	}
	for _, want := range []string{"./dir/ 5 2500 1:0 -5 [system.posix_acl_default user.x]", "./dir/one 0 4711 3:4 99 [user.a]", "./dir/hole 0 600 0:0 0 [] [{1073741824 4096}]", "./ 5 1770 7:8 123456789 []"} {
		if text := describeAll(t, first); !strings.Contains(text, want) && !strings.Contains(strings.ReplaceAll(text, "/two 0", "/one 0"), want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	// Over what is there: nothing else comes of it.
	must(t, fill(again, "/", false, first))
	third, _ := dump(t, again, ExportRequest{Path: "/"})
	if a, b := describeAll(t, first), describeAll(t, third); a != b {
		t.Errorf("replaced: %s\n---\n%s", a, b)
	}
}

// describeAll is an archive as text, by name.
func describeAll(t *testing.T, text []byte) string {
	t.Helper()
	r := tarball.NewReader(bytes.NewReader(text))
	lines := map[string]string{}
	for {
		e, err := r.Next()
		if err != nil {
			break
		}
		var x []string
		for _, a := range e.Xattrs {
			x = append(x, a.Name)
		}
		if e.Type == tarball.Link || e.Name == "./dir/one" || e.Name == "./dir/two" {
			e.Name, e.Type, e.Target, e.Xattrs = "./dir/one", tarball.Regular, "", nil // which of two names comes first is a matter of the directory
			if len(x) == 0 {
				continue
			}
		}
		lines[e.Name] = fmt.Sprintf("%s %c %o %d:%d %d %v %v %s %d:%d", e.Name, e.Type, e.Mode, e.UID, e.GID, e.Mtime, x, e.Data, e.Target, e.Major, e.Minor)
	}
	var all []string
	for _, l := range lines {
		all = append(all, l)
	}
	sortStrings(all)
	return strings.Join(all, "\n")
}

func sortStrings(list []string) {
	for i := range list {
		for j := range i {
			if list[i] < list[j] {
				list[i], list[j] = list[j], list[i]
			}
		}
	}
}

// TestHostile has archives that try to leave the tree, or are in themselves nonsense. Each is one error that names entry and offset.
func TestHostile(t *testing.T) {
	file := func(name string) tarball.Entry {
		return tarball.Entry{Name: name, Type: tarball.Regular, Mode: 0o644, Target: "x"}
	}
	for name, c := range map[string]struct {
		entries []tarball.Entry
		want    string
	}{
		"dots":         {[]tarball.Entry{file("a/../../b")}, ".."},
		"absolute":     {[]tarball.Entry{file("/etc/passwd")}, "begins with /"},
		"twice":        {[]tarball.Entry{file("a"), file("./a")}, "twice"},
		"through link": {[]tarball.Entry{{Name: "l", Type: tarball.Symlink, Target: "/etc"}, file("l/passwd")}, "symbolic link"},
		"through file": {[]tarball.Entry{file("f"), file("f/g")}, "no directory"},
		"link out":     {[]tarball.Entry{{Name: "l", Type: tarball.Link, Target: "../x"}}, ".."},
		"link to none": {[]tarball.Entry{{Name: "l", Type: tarball.Link, Target: "later"}, file("later")}, "not there before it"},
		"link through": {[]tarball.Entry{{Name: "s", Type: tarball.Symlink, Target: "."}, file("f"), {Name: "l", Type: tarball.Link, Target: "s/f"}}, "not there before it"},
		"link to dir":  {[]tarball.Entry{{Name: "d", Type: tarball.Dir, Mode: 0o755}, {Name: "l", Type: tarball.Link, Target: "d"}}, "not permitted"},
		"file on dir":  {[]tarball.Entry{{Name: "d", Type: tarball.Dir, Mode: 0o755}, file("d")}, "twice"},
		"long name":    {[]tarball.Entry{file(strings.Repeat("n", 256))}, "too long"},
		"top is file":  {[]tarball.Entry{file(".")}, "root of the image"},
		"too large":    {[]tarball.Entry{{Name: "big", Type: tarball.Regular, Sparse: true, Size: 1<<63 - 1, Mode: 0o644}, {Name: "x", Type: tarball.Regular, Target: strings.Repeat("y", 33<<20)}}, "no space"},
	} {
		err := fill(open(t), "/", true, tarOf(t, c.entries...))
		var where *tarball.Error
		if !errors.As(err, &where) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "offset") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestReplaceAtomic interrupts a file that replaces another one: the old one stays, and nothing else.
func TestReplaceAtomic(t *testing.T) {
	fs := open(t)
	must(t, fill(fs, "/", false, tarOf(t, tarball.Entry{Name: "./f", Type: tarball.Regular, Mode: 0o644, Target: "old"})))
	text := tarOf(t, tarball.Entry{Name: "./f", Type: tarball.Regular, Mode: 0o644, Target: strings.Repeat("new", 10000)})
	if err := fill(fs, "/", false, text[:10000]); !tarball.Truncated(err) {
		t.Errorf("truncated: %v", err)
	}
	if got := content(t, fs, "/f"); got != "old" {
		t.Errorf("after half of a new file: %q", got)
	}
	l, err := List(fs, ListRequest{Path: "/", Entries: true})
	must(t, err)
	if len(l.Entries) != 1 {
		t.Errorf("left behind: %+v", l.Entries)
	}
	must(t, fill(fs, "/", false, text))
	if got := content(t, fs, "/f"); len(got) != 30000 {
		t.Errorf("after all of it: %d bytes", len(got))
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Import(ctx, fs, ImportRequest{"/"}, false, tarball.NewReader(bytes.NewReader(text))); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestMillion fills an image with many names in one directory and in many, in whatever order an archive has them.
func TestMillion(t *testing.T) {
	const many = 20000
	fs := open(t)
	var entries []tarball.Entry
	for i := range many {
		entries = append(entries, tarball.Entry{Name: fmt.Sprintf("d%d/f%d", i%7, i), Type: tarball.Regular, Mode: 0o644})
	}
	must(t, fill(fs, "/", true, tarOf(t, entries...)))
	_, r := dump(t, fs, ExportRequest{Path: "/"})
	if r.Files != many || r.Dirs != 8 {
		t.Errorf("%+v", r)
	}
	reply, err := Remove(context.Background(), fs, RemoveRequest{Path: "/d3", Recursive: true})
	must(t, err)
	if want := uint64(many/7 + 1); reply.Removed != want {
		t.Errorf("%d removed, want %d", reply.Removed, want)
	}
	if _, err := Remove(context.Background(), fs, RemoveRequest{Path: "/", Recursive: true}); !errors.Is(err, pmemfs.ErrInvalid) {
		t.Errorf("the root: %v", err)
	}
}
