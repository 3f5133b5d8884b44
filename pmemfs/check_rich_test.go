package pmemfs

import (
	"bytes"
	"fmt"
	"testing"
)

var root = &Cred{}

// rich fills a filesystem with every kind of object that the format knows. It returns a handle that is held.
func rich(t testing.TB, fs *FS) Handle {
	t.Helper()
	b := builder{t: t, fs: fs}
	b.directories()
	b.files()
	b.attributes()
	b.others()
	h := b.file(fs.Root(), "unlinked", 5<<12)
	b.ok(fs.Hold(h))
	b.ok(fs.Unlink(root, nil, fs.Root(), []byte("unlinked")))
	d := b.dir(fs.Root(), "removed")
	b.ok(fs.Hold(d))
	b.ok(fs.Rmdir(root, nil, fs.Root(), []byte("removed")))
	return h
}

type builder struct {
	t  testing.TB
	fs *FS
}

func (b *builder) ok(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *builder) file(d Handle, name string, size int) Handle {
	b.t.Helper()
	a, err := b.fs.Create(root, nil, d, []byte(name), &CreateOptions{})
	b.ok(err)
	b.write(a.Handle, 0, size)
	return a.Handle
}

func (b *builder) write(h Handle, off uint64, size int) {
	b.t.Helper()
	_, _, err := b.fs.Write(root, nil, h, bytes.Repeat([]byte{0xa5}, size), off)
	b.ok(err)
}

func (b *builder) dir(d Handle, name string) Handle {
	b.t.Helper()
	a, err := b.fs.Mkdir(root, nil, d, []byte(name), nil)
	b.ok(err)
	return a.Handle
}

// directories makes one of thousands of names, a deep path, and moves directories about.
func (b *builder) directories() {
	big := b.dir(b.fs.Root(), "big")
	for i := range 5000 {
		b.file(big, fmt.Sprintf("a name of middling length %d", i), i%100)
	}
	for i := range 1500 {
		b.ok(b.fs.Unlink(root, nil, big, fmt.Appendf(nil, "a name of middling length %d", i*3)))
	}
	d := b.fs.Root()
	for i := range 40 {
		d = b.dir(d, fmt.Sprintf("deep%d", i))
	}
	from, to := b.dir(b.fs.Root(), "from"), b.dir(b.fs.Root(), "to")
	b.dir(from, "moves")
	b.file(b.dir(from, "swaps"), "inside", 10)
	b.file(to, "other", 20)
	b.dir(to, "empty")
	b.ok(b.fs.Rename(root, nil, from, []byte("moves"), to, []byte("empty"), 0))
	b.ok(b.fs.Rename(root, nil, from, []byte("swaps"), to, []byte("other"), RenameExchange))
}

// files makes fragmented, sparse, preallocated, truncated and punched files.
func (b *builder) files() {
	d := b.dir(b.fs.Root(), "files")
	frag, other := b.file(d, "fragmented", 0), b.file(d, "other", 0)
	for i := range uint64(700) {
		b.write(frag, 2*i<<12, 100)
		b.write(other, i<<12, 4096)
	}
	sparse := b.file(d, "sparse", 0)
	for i := range uint64(40) {
		b.write(sparse, 1<<(i+12), 5000)
	}
	b.ok(b.fs.Allocate(root, nil, b.file(d, "preallocated", 6000), 0, 1<<20, true))
	b.ok(b.fs.PunchHole(root, nil, b.file(d, "punched", 1<<20), 5000, 300000))
	cut := b.file(d, "cut", 1<<20)
	_, err := b.fs.Setattr(root, nil, cut, &SetAttr{Mask: SetSize, Size: 5001})
	b.ok(err)
	_, err = b.fs.Setattr(root, nil, cut, &SetAttr{Mask: SetSize, Size: 1 << 30})
	b.ok(err)
	gone := b.file(d, "gone", 0)
	for i := range uint64(600) {
		b.write(gone, 2*i<<12, 4096)
	}
	b.ok(b.fs.Unlink(root, nil, d, []byte("gone")))
}

// attributes sets small and large extended attributes, replaces and removes some.
func (b *builder) attributes() {
	h := b.file(b.fs.Root(), "attributes", 1)
	for i := range 60 {
		name := fmt.Appendf(nil, "user.name%d", i)
		b.ok(b.fs.SetXattr(root, nil, h, name, bytes.Repeat(name, i*i), 0))
		if i%4 == 0 {
			b.ok(b.fs.SetXattr(root, nil, h, name, bytes.Repeat(name, 300), XattrReplace))
		}
		if i%5 == 0 {
			b.ok(b.fs.RemoveXattr(root, nil, h, name))
		}
	}
	b.ok(b.fs.SetXattr(root, nil, b.fs.Root(), []byte("user.onroot"), nil, 0))
	b.lists()
}

// lists sets access control lists, small and as large as they may be, and makes files that inherit them.
func (b *builder) lists() {
	d := b.dir(b.fs.Root(), "lists")
	b.ok(b.fs.SetACLs(root, nil, d, ACLs{Access: someACL(7, 5), Default: longestACL()}, ACLAccess|ACLDefault))
	sub := b.dir(d, "sub")
	h := b.file(sub, "inherits", 10)
	_, err := b.fs.Setattr(root, nil, h, &SetAttr{Mask: SetMode, Mode: 0o751})
	b.ok(err)
	b.ok(b.fs.SetACLs(root, nil, sub, ACLs{}, ACLDefault))
	b.ok(b.fs.SetACLs(root, nil, b.file(sub, "set anew", 0), ACLs{Access: someACL(2, 2)}, ACLAccess))
	for i := range 40 {
		b.ok(b.fs.PutValue(fmt.Sprintf("key%d", i), bytes.Repeat([]byte{1}, 20*i)))
	}
}

// others makes links of both kinds and the special files.
func (b *builder) others() {
	d := b.dir(b.fs.Root(), "others")
	for _, n := range []int{1, 96, 97, SymlinkMax} {
		_, err := b.fs.Symlink(root, nil, d, fmt.Appendf(nil, "link%d", n), bytes.Repeat([]byte{'x'}, n), nil)
		b.ok(err)
	}
	h := b.file(d, "hard", 3)
	for i := range 300 {
		_, err := b.fs.Link(root, nil, h, d, fmt.Appendf(nil, "hard%d", i))
		b.ok(err)
	}
	for i, typ := range []FileType{TypeFIFO, TypeChar, TypeBlock, TypeSocket} {
		_, err := b.fs.Mknod(root, nil, d, fmt.Appendf(nil, "node%d", i), typ, 7, 9, nil)
		b.ok(err)
	}
	_, err := b.fs.Create(root, nil, d, []byte("exclusive"), &CreateOptions{Mode: Exclusive, Verifier: 77})
	b.ok(err)
}
