package pmemfs

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"pmemfs/pmemfs/testpart"
)

// TestFull asks everything of a full filesystem: what needs space says so and changes nothing, what frees space works, and
// afterwards all of it is back.
func TestFull(t *testing.T) {
	b := newBench(t, 8<<20)
	d := b.mkdir(b.root, "d")
	old := b.create(d, "old")
	b.write(old, 8192, 0)
	b.must(b.SyncAll())
	before, err := b.Statfs()
	b.must(err)
	big, size := b.fill(d)
	c := superuser
	for round := range 2 {
		for what, run := range map[string]func() error{
			"create":   func() error { _, err := b.Create(c, nil, d, []byte("new"), &CreateOptions{}); return err },
			"mkdir":    func() error { _, err := b.Mkdir(c, nil, d, []byte("new"), nil); return err },
			"symlink":  func() error { _, err := b.Symlink(c, nil, d, []byte("new"), []byte("t"), nil); return err },
			"mknod":    func() error { _, err := b.Mknod(c, nil, d, []byte("new"), TypeFIFO, 0, 0, nil); return err },
			"append":   func() error { _, _, err := b.Write(c, nil, big, []byte("x"), size+5000); return err },
			"bulk":     func() error { _, _, err := b.Write(c, nil, big, make([]byte, 1<<20), size+5000); return err },
			"allocate": func() error { return b.Allocate(c, nil, big, size+5000, 1<<20, false) },
			"xattr":    func() error { return b.SetXattr(c, nil, old, []byte("user.a"), make([]byte, 60000), 0) },
		} {
			a, err := b.Getattr(nil, big)
			b.must(err)
			b.want(fmt.Sprintf("round %d: %s", round, what), run(), ErrNoSpace)
			if z, err := b.Getattr(nil, big); err != nil || z != a {
				t.Errorf("%s failed and changed %+v to %+v, %v", what, a, z, err)
			}
		}
		_, err := b.Create(c, nil, d, []byte("old"), &CreateOptions{})
		b.want("open what exists", err, nil)
		_, err = b.Create(c, nil, d, []byte("old"), &CreateOptions{Mode: Guarded})
		b.want("make what exists", err, ErrExist)
		_, err = b.Create(stranger, nil, d, []byte("new"), &CreateOptions{})
		b.want("make without permission", err, ErrAccess)
		_, err = b.Mkdir(c, nil, old, []byte("new"), nil)
		b.want("make in a file", err, ErrNotDir)
		p := bytes.Repeat([]byte{byte(round + 1)}, 100_000)
		n, _, err := b.Write(c, nil, big, p, 50)
		b.want("overwrite", err, nil)
		got := make([]byte, n)
		if _, _, err := b.Read(c, nil, big, got, 50); err != nil || !bytes.Equal(got, p) {
			t.Errorf("an overwrite of %d bytes reads back other ones, %v", n, err)
		}
		_, err = b.Setattr(c, nil, old, &SetAttr{Mask: SetMode, Mode: 0o600})
		b.want("setattr", err, nil)
		b.want("punch", b.PunchHole(c, nil, big, 10, 30), nil)
		b.want("rename", b.Rename(c, nil, d, []byte("n1"), d, []byte("n0"), 0), nil) // frees an inode, which the next round fills
		_, err = b.Create(c, nil, d, []byte("n1"), &CreateOptions{})
		b.want("create in its place", err, nil)
	}
	checkFS(t, b.FS)
	for _, name := range b.names(d) {
		if name != "old" {
			b.must(b.Unlink(c, nil, d, []byte(name)))
		}
	}
	b.must(b.SyncAll())
	after, err := b.Statfs()
	b.must(err)
	if lost := int64(before.FreeBytes) - int64(after.FreeBytes); lost > 1<<20 { // the inode file and the directory have grown
		t.Errorf("%d bytes are gone", lost)
	}
	b.write(b.create(d, "again"), 1<<20, 0)
}

// TestFullEachWay fills a filesystem to the brim with each kind of thing alone; each can be removed again.
func TestFullEachWay(t *testing.T) {
	testpart.NotRace(t)
	long := bytes.Repeat([]byte{'x'}, 240)
	for what, add := range map[string]func(b *bench, name []byte) error{
		"names": func(b *bench, n []byte) error {
			_, err := b.Link(superuser, nil, b.file, b.root, append(n, long...))
			return err
		},
		"links": func(b *bench, n []byte) error {
			_, err := b.Symlink(superuser, nil, b.root, n, append(long, n...), nil)
			return err
		},
		"files": func(b *bench, n []byte) error {
			_, err := b.Create(superuser, nil, b.root, n, &CreateOptions{})
			return err
		},
		"attributes": func(b *bench, n []byte) error { return b.SetXattr(superuser, nil, b.file, n, make([]byte, 3000), 0) },
		"fragments": func(b *bench, n []byte) error {
			at := b.next
			b.next += 8192
			_, _, err := b.Write(superuser, nil, b.file, n, at)
			return err
		},
	} {
		b := newBench(t, MinSize)
		b.file = b.create(b.root, "file")
		count := 0
		for ; ; count++ {
			err := add(b, fmt.Append(nil, "n", count))
			if errors.Is(err, ErrNoSpace) {
				break
			}
			if err != nil {
				t.Fatalf("%s %d: %v", what, count, err)
			}
		}
		checkFS(t, b.FS)
		if count < 100 {
			t.Errorf("%s: only %d fit", what, count)
		}
		for _, name := range b.names(b.root) {
			if err := b.Unlink(superuser, nil, b.root, []byte(name)); err != nil {
				t.Fatalf("%s: unlink of one of %d: %v", what, count, err)
			}
		}
		b.must(b.SyncAll())
		b.write(b.create(b.root, "after"), 100_000, 0)
	}
}
