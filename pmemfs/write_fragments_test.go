package pmemfs

import (
	"bytes"
	"testing"

	"pmemfs/pmemfs/testpart"
)

// TestOverwriteFragments writes over a file of thousands of extents in one call, on the smallest journal: a record must
// stay within its bound however much it replaces.
func TestOverwriteFragments(t *testing.T) {
	testpart.NotRace(t)
	const blocks = 6000
	fs := memFS(t, 64<<20)
	c := &Cred{}
	a, err := fs.Create(c, nil, fs.Root(), []byte("f"), &CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	one := bytes.Repeat([]byte{1}, 4096)
	for b := 0; b < blocks; b += 2 { // every other block: no two extents join
		if _, _, err := fs.Write(c, nil, a.Handle, one, uint64(b)*4096); err != nil {
			t.Fatal(err)
		}
	}
	p := bytes.Repeat([]byte{2}, blocks*4096-100)
	if n, _, err := fs.Write(c, nil, a.Handle, p, 50); n != len(p) || err != nil {
		t.Fatal(n, err)
	}
	got := make([]byte, blocks*4096)
	n, _, err := fs.Read(c, nil, a.Handle, got, 0)
	if err != nil || n != 50+len(p) || !bytes.Equal(got[50:n], p) || !bytes.Equal(got[:50], one[:50]) {
		t.Fatalf("read %d bytes, %v, first difference at %d", n, err, firstDiff(got[50:n], p))
	}
	checkFS(t, fs)
	closeFS(t, fs)
}

// TestFragmentedFile unlinks and cuts files of so many extents that it takes several records, also interrupted.
func TestFragmentedFile(t *testing.T) {
	b := newBench(t, 32<<20)
	before, err := b.Statfs()
	b.must(err)
	make := func(name string) Handle {
		h := b.create(b.root, name)
		for i := range uint64(600) {
			b.write(h, 1, i*8192)
		}
		return h
	}
	steps := func(f func()) uint64 {
		n := b.Counters().Fences
		f()
		return b.Counters().Fences - n
	}
	h := make("f")
	if n := steps(func() { b.must(b.Unlink(superuser, nil, b.root, []byte("f"))) }); n < 3 || n > 5 {
		t.Errorf("unlink of 600 extents in %d records", n)
	}
	_, err = b.Getattr(nil, h)
	b.want("unlinked", err, ErrStale)
	h = make("g")
	if n := steps(func() {
		a, err := b.Setattr(superuser, nil, h, &SetAttr{Mask: SetSize, Size: 5})
		if err != nil || a.Size != 5 || a.Used > 8192 { // a block, and the leaf that names it
			t.Errorf("cut: %+v, %v", a, err)
		}
	}); n < 3 || n > 5 {
		t.Errorf("truncate of 600 extents in %d records", n)
	}
	b.must(b.Unlink(superuser, nil, b.root, []byte("g")))
	for cut := range 4 { // a crash after each record of an unlink
		b.interrupted(func() { make("h") }, cut)
	}
	b.must(b.SyncAll())
	if after, err := b.Statfs(); err != nil || after.FreeBytes != before.FreeBytes {
		t.Errorf("%d bytes free, %d before, %v", after.FreeBytes, before.FreeBytes, err)
	}
}
