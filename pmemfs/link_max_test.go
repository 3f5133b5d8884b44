package pmemfs

import (
	"pmemfs/pmemfs/internal/layout"
	"testing"
)

// TestLinkMax stands one below the limits.
func TestLinkMax(t *testing.T) {
	b := newBench(t, 16<<20)
	f, d, other := b.create(b.root, "f"), b.mkdir(b.root, "d"), b.mkdir(b.root, "other")
	b.mkdir(other, "sub")
	b.create(d, "x")
	b.setNlink(f, layout.LinkMax-1)
	b.setNlink(d, layout.LinkMax-1)
	link := func(name string) error { _, err := b.Link(superuser, nil, f, b.root, []byte(name)); return err }
	mkdir := func(name string) error { _, err := b.Mkdir(superuser, nil, d, []byte(name), nil); return err }
	b.want("the last link", link("l1"), nil)
	b.want("one too many", link("l2"), ErrTooManyLinks)
	b.want("the last directory", mkdir("d1"), nil)
	b.want("a directory too many", mkdir("d2"), ErrTooManyLinks)
	b.want("move one in", b.Rename(superuser, nil, other, []byte("sub"), d, []byte("sub"), 0), ErrTooManyLinks)
	b.want("exchange one in", b.Rename(superuser, nil, other, []byte("sub"), d, []byte("x"), RenameExchange), ErrTooManyLinks)
	b.want("replace one", b.Rename(superuser, nil, other, []byte("sub"), d, []byte("d1"), 0), nil)
	b.setNlink(f, 2)
	b.setNlink(d, 3)
}

// setNlink changes a link count on the medium.
func (b *bench) setNlink(h Handle, n uint32) {
	b.t.Helper()
	op := b.a.Begin()
	defer op.Done()
	in, err := b.inodes.Shadow(op, h.Ino)
	b.must(err)
	in.SetNlink(n)
	b.must(op.Commit())
}
