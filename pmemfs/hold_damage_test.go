package pmemfs

import (
	"bytes"
	"testing"

	"pmemfs/pmemfs/internal/layout"
)

// TestDamagedOrphan opens an image in which what is left of a removed file is damaged: the other files must be there.
func TestDamagedOrphan(t *testing.T) {
	fs := memFS(t, 8<<20)
	c := &Cred{}
	var hs [3]Handle
	for i := range hs {
		a, err := fs.Create(c, nil, fs.Root(), []byte{'a' + byte(i)}, &CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		hs[i] = a.Handle
		for b := range uint64(8) { // more extents than an inode holds
			if _, _, err := fs.Write(c, nil, a.Handle, make([]byte, 4096), b*8192); err != nil {
				t.Fatal(err)
			}
		}
	}
	in, err := fs.inodes.View(nil, hs[0].Ino)
	if err != nil {
		t.Fatal(err)
	}
	node, _ := in.DataRoot()
	for i := range 2 {
		if err := fs.Hold(hs[i]); err != nil {
			t.Fatal(err)
		}
		if err := fs.Unlink(c, nil, fs.Root(), []byte{'a' + byte(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := fs.SyncAll(); err != nil {
		t.Fatal(err)
	}
	medium := bytes.Clone(fs.region.Bytes())
	closeFS(t, fs)
	medium[layout.BlockOffset(node)+100] ^= 1
	again := mountBytes(t, medium)
	if _, err := again.Getattr(nil, hs[2]); err != nil {
		t.Errorf("another file: %v", err)
	}
	if _, err := again.Getattr(nil, hs[1]); err == nil {
		t.Error("the orphan behind the damaged one was not freed")
	}
	closeFS(t, again)
}
