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
