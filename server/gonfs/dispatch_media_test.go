package gonfs_test

import (
	"strings"
	"testing"

	"pmemfs/pmemfs"
	"pmemfs/pmemfs/pmemfstest"
)

// TestBadMemory lets a block of a file go bad beneath the server: a client gets NFS3ERR_IO for what needs that block, and
// everything else as before; a write over the block mends the file.
func TestBadMemory(t *testing.T) {
	s := newSite(t, nil)
	c := s.dial()
	root := c.root()
	fh := c.create(root, "file", 0o600)
	for i := range 10 {
		c.write(fh, uint64(i)<<12, strings.Repeat(string(rune('a'+i)), 4096))
	}
	a, err := s.eng.Lookup(&pmemfs.Cred{}, nil, s.eng.Root(), []byte("file"))
	must(t, err)
	must(t, s.eng.SyncAll())
	pmemfstest.Poison(t, s.eng, a.Handle, 5<<12)
	const nfs3errIO = 5
	for i := range 3 {
		c.want(nfs3errIO, 6, pack(fh, uint64(5<<12), 4096))
		c.want(nfs3errIO, 6, pack(fh, uint64(5<<12+100), 10))
		c.want(nfs3errIO, 7, pack(fh, uint64(5<<12+100), 4, 2, "part"))
		for i, want := range map[uint64]string{0: "a", 4: "e", 6: "g", 9: "j"} {
			if got, _ := c.read(fh, i<<12, 4096); got != strings.Repeat(want, 4096) {
				t.Errorf("block %d reads as %d other bytes", i, len(got))
			}
		}
		if got := c.getattr(fh); got.size != 10<<12 {
			t.Errorf("size %d", got.size)
		}
		other := s.dial()
		other.write(other.create(other.root(), "other"+string(rune(48+i)), 0o600), 0, "the server is up")
	}
	c.write(fh, 5<<12, strings.Repeat("F", 4096))
	if got, _ := c.read(fh, 5<<12, 4096); got != strings.Repeat("F", 4096) {
		t.Error("the block that has been written over reads as something else")
	}
	s.restart()
	if m := s.eng.MediaErrors(); m.Bad != 1 {
		t.Errorf("%+v after a restart, want one bad block", m)
	}
	c = s.dial()
	if got, _ := c.read(c.lookup(c.root(), "file"), 5<<12, 4096); got != strings.Repeat("F", 4096) {
		t.Error("after a restart the block reads as something else")
	}
}
