package pmemfs

import (
	"fmt"
	"testing"
)

// TestRenameMatrix renames each kind of thing over each kind, within a directory and to another one.
func TestRenameMatrix(t *testing.T) {
	kinds := []string{"file", "link", "dir", "full", "none"}
	isDir := map[string]bool{"dir": true, "full": true}
	b := newBench(t, 16<<20)
	for i, flags := range []RenameFlags{0, RenameNoReplace, RenameExchange} {
		for _, across := range []bool{false, true} {
			for _, src := range kinds {
				for _, dst := range kinds {
					what := fmt.Sprintf("flags %d, across %v, %s over %s", i, across, src, dst)
					from := b.mkdir(b.root, what)
					to := from
					if across {
						to = b.mkdir(b.root, what+" 2")
					}
					b.arrange(from, "src", src)
					b.arrange(to, "dst", dst)
					want := error(nil)
					switch {
					case src == "none", dst == "none" && flags == RenameExchange:
						want = ErrNotExist
					case dst == "none" || flags == RenameExchange:
					case flags == RenameNoReplace:
						want = ErrExist
					case isDir[src] && !isDir[dst]:
						want = ErrNotDir
					case !isDir[src] && isDir[dst]:
						want = ErrIsDir
					case dst == "full":
						want = ErrNotEmpty
					}
					b.want(what, b.Rename(superuser, nil, from, []byte("src"), to, []byte("dst"), flags), want)
					b.checkEnds(what, from, to, want == nil, flags == RenameExchange)
				}
			}
		}
	}
}

// TestRenameAncestry moves directories into themselves and over their parents.
func TestRenameAncestry(t *testing.T) {
	b := newBench(t, 16<<20)
	d1 := b.mkdir(b.root, "1")
	d2 := b.mkdir(d1, "2")
	d3 := b.mkdir(d2, "3")
	b.create(d3, "f")
	mv := func(from Handle, a string, to Handle, z string, f RenameFlags) error {
		return b.Rename(superuser, nil, from, []byte(a), to, []byte(z), f)
	}
	for _, x := range []struct {
		what      string
		err, want error
	}{
		{"into itself", mv(b.root, "1", d1, "x", 0), ErrInvalid},
		{"into its child", mv(b.root, "1", d2, "x", 0), ErrInvalid},
		{"into its grandchild", mv(b.root, "1", d3, "x", 0), ErrInvalid},
		{"over something in itself", mv(b.root, "1", d3, "f", 0), ErrInvalid},
		{"over its parent", mv(d1, "2", b.root, "1", 0), ErrNotEmpty},
		{"file over its directory", mv(d3, "f", d2, "3", 0), ErrNotEmpty},
		{"exchange with its child", mv(b.root, "1", d2, "3", RenameExchange), ErrInvalid},
		{"exchange with its parent", mv(d2, "3", b.root, "1", RenameExchange), ErrInvalid},
		{"onto itself", mv(b.root, "1", b.root, "1", 0), nil},
		{"onto itself, no replace", mv(b.root, "1", b.root, "1", RenameNoReplace), ErrExist},
		{"up", mv(d2, "3", b.root, "3", 0), nil},
		{"down elsewhere", mv(b.root, "1", d3, "1", 0), nil},
	} {
		b.want(x.what, x.err, x.want)
	}
	if got, err := b.Lookup(superuser, nil, d1, []byte("..")); err != nil || got.Handle != d3 {
		t.Errorf("parent of 1 is %v, %v", got.Handle, err)
	}
	f := b.create(b.root, "one")
	_, err := b.Link(superuser, nil, f, b.root, []byte("two"))
	b.must(err)
	b.want("one name over another of the file", mv(b.root, "one", b.root, "two", 0), nil)
	b.want("the same, no replace", mv(b.root, "one", b.root, "two", RenameNoReplace), ErrExist)
	if a, err := b.Getattr(nil, f); err != nil || a.Nlink != 2 {
		t.Errorf("%d links, %v", a.Nlink, err)
	}
}

// TestRenameDirPermission exchanges a directory of somebody else, whose ".." would change.
func TestRenameDirPermission(t *testing.T) {
	b := newBench(t, 16<<20)
	open := SetAttr{Mask: SetMode, Mode: 0o777}
	for _, name := range []string{"a", "b"} {
		_, err := b.Mkdir(superuser, nil, b.root, []byte(name), &open)
		b.must(err)
	}
	a, err := b.Lookup(superuser, nil, b.root, []byte("a"))
	b.must(err)
	z, err := b.Lookup(superuser, nil, b.root, []byte("b"))
	b.must(err)
	b.mkdir(z.Handle, "foreign")
	_, err = b.Create(stranger, nil, a.Handle, []byte("mine"), &CreateOptions{})
	b.must(err)
	mv := func(from Attr, x string, to Attr, y string, f RenameFlags) error {
		return b.Rename(stranger, nil, from.Handle, []byte(x), to.Handle, []byte(y), f)
	}
	b.want("move it", mv(z, "foreign", a, "foreign", 0), ErrAccess)
	b.want("exchange with it", mv(a, "mine", z, "foreign", RenameExchange), ErrAccess)
	b.want("exchange it", mv(z, "foreign", a, "mine", RenameExchange), ErrAccess)
	b.want("rename it in place", mv(z, "foreign", z, "other", 0), nil)
}

// arrange makes something of a kind.
func (b *bench) arrange(d Handle, name, kind string) {
	b.t.Helper()
	switch kind {
	case "file":
		b.write(b.create(d, name), 10, 0)
	case "link":
		_, err := b.Symlink(superuser, nil, d, []byte(name), []byte("x"), nil)
		b.must(err)
	case "dir", "full":
		h := b.mkdir(d, name)
		if kind == "full" {
			b.create(h, "inside")
		}
	}
}

// checkEnds looks whether the source's name is gone and ".." of what moved is right.
func (b *bench) checkEnds(what string, from, to Handle, done, exchanged bool) {
	b.t.Helper()
	_, srcErr := b.Lookup(superuser, nil, from, []byte("src"))
	dst, dstErr := b.Lookup(superuser, nil, to, []byte("dst"))
	if done && ((srcErr == nil) != exchanged || dstErr != nil) {
		b.t.Errorf("%s: source %v, target %v", what, srcErr, dstErr)
	}
	if done && dst.Type == TypeDir {
		if up, err := b.Lookup(superuser, nil, dst.Handle, []byte("..")); err != nil || up.Handle != to {
			b.t.Errorf("%s: its parent is %v, %v", what, up.Handle, err)
		}
	}
}
