package pmemfs

import (
	"bytes"
	"errors"
	"testing"
)

// TestWritePreallocatedWhenFull writes every other block of a preallocated file on a full filesystem. Each write splits
// an extent, and the nodes that this takes come from the reserve.
func TestWritePreallocatedWhenFull(t *testing.T) {
	const blocks = 512
	fs := memFS(t, 16<<20)
	c := &Cred{}
	f, err := fs.Create(c, nil, fs.Root(), []byte("f"), &CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := fs.Allocate(c, nil, f.Handle, 0, blocks*4096, false); err != nil {
		t.Fatal(err)
	}
	filler, err := fs.Create(c, nil, fs.Root(), []byte("filler"), &CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for off := uint64(0); err == nil; off += 4096 {
		_, _, err = fs.Write(c, nil, filler.Handle, make([]byte, 4096), off)
	}
	if !errors.Is(err, ErrNoSpace) {
		t.Fatal(err)
	}
	one := bytes.Repeat([]byte{1}, 4096)
	for b := uint64(0); b < blocks; b += 2 {
		if _, _, err := fs.Write(c, nil, f.Handle, one, b*4096); err != nil {
			t.Fatalf("block %d: %v", b, err)
		}
	}
	checkFS(t, fs)
	closeFS(t, fs)
}
