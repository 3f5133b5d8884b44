package pmemfs

import "testing"

// TestTruncateHeld cuts a file without a name, open and in many extents, and lets it grow again: what was cut must be
// gone.
func TestTruncateHeld(t *testing.T) {
	const blocks = 1200
	fs := memFS(t, 32<<20)
	c := &Cred{}
	a, err := fs.Create(c, nil, fs.Root(), []byte("f"), &CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	one := make([]byte, 4096)
	for i := range one {
		one[i] = 1
	}
	for b := 0; b < blocks; b += 2 {
		if _, _, err := fs.Write(c, nil, a.Handle, one, uint64(b)*4096); err != nil {
			t.Fatal(err)
		}
	}
	if err := fs.Hold(a.Handle); err != nil {
		t.Fatal(err)
	}
	if err := fs.Unlink(c, nil, fs.Root(), []byte("f")); err != nil {
		t.Fatal(err)
	}
	for _, size := range []uint64{0, blocks * 4096} {
		if a, err = fs.Setattr(c, nil, a.Handle, &SetAttr{Mask: SetSize, Size: size}); err != nil {
			t.Fatal(err)
		}
	}
	p := make([]byte, blocks*4096)
	if _, _, err := fs.Read(c, nil, a.Handle, p, 0); err != nil {
		t.Fatal(err)
	}
	for i, b := range p {
		if b != 0 {
			t.Fatalf("byte %d of a file that was cut to nothing and grew is %d", i, b)
		}
	}
	if a.Used != 0 {
		t.Errorf("it has %d bytes allocated", a.Used)
	}
	checkFS(t, fs)
	if err := fs.Release(a.Handle); err != nil {
		t.Error(err)
	}
	checkFS(t, fs)
	closeFS(t, fs)
}
