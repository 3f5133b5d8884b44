package pmemfs

import (
	"bytes"
	"errors"
	"testing"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/testpart"
)

// leave allocates all space to a new file but so many blocks.
func leave(t *testing.T, fs *FS, blocks uint64) {
	t.Helper()
	s, err := fs.Statfs()
	must(t, err)
	must(t, fs.Allocate(superuser, nil, mkfile(t, fs, "greedy"), 0, s.AvailBytes-blocks<<layout.BlockShift, false))
}

// TestUnstableUnwritten buffers bytes for blocks that are allocated and were never written, on a filesystem that is full but for these: each takes an
// extent apart, so there must be nodes for that, or the write itself says that there is no space.
func TestUnstableUnwritten(t *testing.T) {
	testpart.NotRace(t)
	for _, left := range []uint64{0, 40, 200} {
		fs := lazyFS(t, 64<<20)
		h := mkfile(t, fs, "f")
		must(t, fs.Allocate(superuser, nil, h, 0, 20<<20, false))
		leave(t, fs, left)
		v, n := fs.Verifier(), uint64(0)
		var err error
		for ; n < 2000 && err == nil; n++ {
			_, _, _, err = fs.WriteUnstable(superuser, nil, h, []byte("x"), 2*n<<layout.BlockShift)
		}
		if (err == nil) != (left == 200) || err != nil && !errors.Is(err, ErrNoSpace) {
			t.Errorf("%d blocks left: %v after %d writes", left, err, n)
		}
		if err := fs.Commit(nil, h, 0, 0); err != nil || fs.Verifier() != v {
			t.Errorf("%d blocks left: commit: %v, something lost: %v", left, err, fs.Verifier() != v)
		}
		checkFS(t, fs)
		closeFS(t, fs)
	}
}

// TestReservationBesideOverwrites leaves no space but what is reserved for one file's data, and flushes another's, which overwrites: that is
// done in place then, as copies would take the reserved blocks.
func TestReservationBesideOverwrites(t *testing.T) {
	testpart.NotRace(t)
	fs := lazyFS(t, 64<<20)
	h, other := mkfile(t, fs, "f"), mkfile(t, fs, "other")
	for off := uint64(0); off < 32<<20; off += 1 << 20 {
		_, _, err := fs.Write(superuser, nil, h, make([]byte, 1<<20), off)
		must(t, err)
	}
	for i := range uint64(1024) {
		writeUnstable(t, fs, other, []byte("x"), i<<layout.BlockShift)
	}
	leave(t, fs, 0)
	v := fs.Verifier()
	for i := range uint64(1900) {
		writeUnstable(t, fs, h, make([]byte, 2*layout.BlockSize), 4*i<<layout.BlockShift)
	}
	for _, f := range []Handle{h, other} {
		if err := fs.Commit(nil, f, 0, 0); err != nil || fs.Verifier() != v {
			t.Errorf("%v, something lost: %v", err, fs.Verifier() != v)
		}
	}
	checkFS(t, fs)
	closeFS(t, fs)
}

// TestRetryWCC: a write that goes on when others' data has been flushed has let go of the locks, so what was before its first part was not
// right before its second.
func TestRetryWCC(t *testing.T) {
	const first, all = 8, 20
	fs := lazyFS(t, 64<<20)
	h, other := mkfile(t, fs, "f"), mkfile(t, fs, "other")
	for i := range uint64(1000) { // more nodes are reserved than it takes
		writeUnstable(t, fs, other, []byte("x"), i<<layout.BlockShift)
	}
	leave(t, fs, first)
	call := &Call{}
	n, a, err := fs.Write(&Cred{}, call, h, make([]byte, all<<layout.BlockShift), 0)
	if n != all<<layout.BlockShift || err != nil {
		t.Fatalf("%d bytes, %v", n, err)
	}
	wcc := call.WCC[0]
	if !wcc.HasPre || wcc.Pre.Size != first<<layout.BlockShift || wcc.Post != a || a.Size != uint64(n) {
		t.Errorf("wcc %+v, the answer is %+v", wcc, a)
	}
	closeFS(t, fs)
}

// TestAppendFull appends more than there is space for: what was appended before it ended is told, lies at the end, and is whole.
func TestAppendFull(t *testing.T) {
	for _, domain := range []Domain{DomainVolatile, DomainPageCache} {
		fs, err := OpenMemory(32<<20, domain, Options{NoBackground: true})
		must(t, err)
		h := mkfile(t, fs, "f")
		_, _, err = fs.Append(superuser, nil, h, []byte("begin"))
		must(t, err)
		leave(t, fs, 256)
		p := make([]byte, 4<<20)
		for i := range p {
			p[i] = byte(i >> layout.BlockShift)
		}
		n, a, err := fs.Append(superuser, nil, h, p)
		if n < 200<<layout.BlockShift || n == len(p) || !errors.Is(err, ErrNoSpace) || a.Size != uint64(5+n) {
			t.Errorf("%v: %d bytes, size %d, %v", domain, n, a.Size, err)
		}
		if m, _, err := fs.Append(superuser, nil, h, p); m != 0 || !errors.Is(err, ErrNoSpace) {
			t.Errorf("%v: once more: %d bytes, %v", domain, m, err)
		}
		expect(t, fs, h, append([]byte("begin"), p[:n]...))
		must(t, fs.Unlink(superuser, nil, fs.Root(), []byte("greedy")))
		if m, _, err := fs.Append(superuser, nil, h, []byte("end")); m != 3 || err != nil {
			t.Errorf("%v: with space: %d bytes, %v", domain, m, err)
		}
		expect(t, fs, h, bytes.Join([][]byte{[]byte("begin"), p[:n], []byte("end")}, nil))
		checkFS(t, fs)
		closeFS(t, fs)
	}
}
