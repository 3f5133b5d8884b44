package ninep_test

import (
	"bytes"
	"syscall"
	"testing"

	"pmemfs/pmemfs"
	"pmemfs/pmemfs/pmemfstest"
	"pmemfs/server/ninep"
)

// TestReadBadMemory reads a large file of which one block's memory goes bad. The client keeps its connection, and gets all that lies before
// the block, EIO from there, and what lies behind. Never anything else.
func TestReadBadMemory(t *testing.T) {
	f := serve(t, ninep.Limits{})
	c := f.mount(0)
	const size, bad = 1 << 20, 600 << 10
	f.walk(c, 0, 1)
	f.ok(c.Create(1, "f", openRDWR, 0o644, 0))
	content := bytes.Repeat([]byte("content!"), size/8)
	if n, err := c.Write(1, 0, content); err != nil || n != size {
		t.Fatalf("write: %d, %v", n, err)
	}
	a, err := f.eng.Lookup(&pmemfs.Cred{}, nil, f.eng.Root(), []byte("f"))
	f.ok(err)
	heal := pmemfstest.Poison(t, f.eng, a.Handle, bad)
	for range 3 {
		if got, err := c.Read(1, 0, size); err != nil || !bytes.Equal(got, content[:bad]) {
			t.Errorf("up to the bad block: %d bytes, %v", len(got), err)
		}
		_, err := c.Read(1, bad, 64<<10)
		f.fails(syscall.EIO, err)
		if got, err := c.Read(1, bad+4096, 256<<10); err != nil || !bytes.Equal(got, content[bad+4096:bad+4096+256<<10]) {
			t.Errorf("behind the bad block: %d bytes, %v", len(got), err)
		}
	}
	heal()
}

// TestReadDirect compares large reads, which are sent from the medium, with the file: whole, in parts, across holes and the end.
func TestReadDirect(t *testing.T) {
	f := serve(t, ninep.Limits{})
	c := f.mount(0)
	f.walk(c, 0, 1)
	f.ok(c.Create(1, "f", openRDWR, 0o644, 0))
	want := make([]byte, 3<<20)
	for _, at := range []int{5, 100_000, 1<<20 - 3, 1<<20 + 70_000, 2<<20 + 500_000} {
		piece := bytes.Repeat([]byte{byte(at), byte(at >> 8), 77}, 23_333)
		copy(want[at:], piece)
		if n, err := c.Write(1, uint64(at), piece); err != nil || int(n) != len(piece) {
			t.Fatalf("write: %d, %v", n, err)
		}
	}
	want = want[:2<<20+500_000+3*23_333]
	for _, off := range []int{0, 1, 4096, 99_999, 1<<20 - 10, 2 << 20, len(want) - 40_000, len(want), len(want) + 1} {
		for _, n := range []int{32<<10 - 1, 32 << 10, 100_001, 1 << 20, 1 << 30} {
			got, err := c.Read(1, uint64(off), uint32(n))
			end := min(off+min(n, messageBytes-11), len(want))
			if err != nil || !bytes.Equal(got, want[min(off, len(want)):end]) {
				t.Errorf("%d bytes at %d: %d bytes, %v", n, off, len(got), err)
			}
		}
	}
}
