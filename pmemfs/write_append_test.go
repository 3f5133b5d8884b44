package pmemfs

import (
	"bytes"
	"errors"
	"sync"
	"testing"

	"pmemfs/pmemfs/internal/data"
)

// TestAppend has several append pieces of all sizes at once: each is there, whole, and in the order of who appended it. What another call has kept
// in memory counts as the file's.
func TestAppend(t *testing.T) {
	for _, domain := range []Domain{DomainVolatile, DomainPageCache} {
		t.Run(domain.String(), func(t *testing.T) { appendAll(t, domain) })
	}
}

func appendAll(t *testing.T, domain Domain) {
	fs, err := OpenMemory(128<<20, domain, Options{})
	if err != nil {
		t.Fatal(err)
	}
	c := &Cred{}
	a, err := fs.Create(c, nil, fs.Root(), []byte("f"), &CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := fs.WriteUnstable(c, nil, a.Handle, []byte("unstable"), 0); err != nil {
		t.Fatal(err)
	}
	const writers, pieces = 4, 60
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range pieces {
				if n, _, err := fs.Append(c, nil, a.Handle, appended(w, i)); err != nil || n != len(appended(w, i)) {
					t.Errorf("%d bytes, %v", n, err)
				}
			}
		})
	}
	wg.Wait()
	got := make([]byte, 64<<20)
	n, _, err := fs.Read(c, nil, a.Handle, got, 0)
	if err != nil || !bytes.HasPrefix(got, []byte("unstable")) {
		t.Fatalf("%q, %v", got[:8], err)
	}
	next := [writers]int{}
	for got = got[len("unstable"):n]; len(got) > 0; {
		w := int(got[0])
		if w >= writers || next[w] == pieces || !bytes.HasPrefix(got, appended(w, next[w])) {
			t.Fatalf("%d bytes before the end: another piece than the next ones, %v", len(got), next)
		}
		got = got[len(appended(w, next[w])):]
		next[w]++
	}
	if next != [writers]int{pieces, pieces, pieces, pieces} {
		t.Errorf("pieces of each: %v", next)
	}
	appendEdges(t, fs, a.Handle)
	checkFS(t, fs)
	closeFS(t, fs)
}

// appended is the i-th piece of a writer: of a few bytes, of blocks, and now and then of so much that it takes several fences.
func appended(w, i int) []byte {
	n := 1 + i*37
	if i%20 == 19 {
		n = 300_000 + i
	}
	p := bytes.Repeat([]byte{byte(i)}, n)
	p[0] = byte(w)
	return p
}

// appendEdges appends where nothing can be.
func appendEdges(t *testing.T, fs *FS, h Handle) {
	t.Helper()
	c := &Cred{}
	if _, _, err := fs.Append(c, nil, fs.Root(), []byte("x")); !errors.Is(err, ErrIsDir) {
		t.Errorf("to a directory: %v", err)
	}
	if _, _, err := fs.Append(&Cred{UID: 1000}, nil, h, []byte("x")); !errors.Is(err, ErrAccess) {
		t.Errorf("by another user: %v", err)
	}
	if _, err := fs.Setattr(c, nil, h, &SetAttr{Mask: SetSize, Size: data.SizeMax - 2}); err != nil {
		t.Fatal(err)
	}
	if n, _, err := fs.Append(c, nil, h, []byte("xyz")); n != 0 || !errors.Is(err, ErrFileTooBig) {
		t.Errorf("beyond the largest size: %d, %v", n, err)
	}
	if n, _, err := fs.Append(c, nil, h, []byte("xy")); n != 2 || err != nil {
		t.Errorf("up to the largest size: %d, %v", n, err)
	}
	if _, _, err := fs.Write(c, nil, h, []byte("x"), ^uint64(0)); !errors.Is(err, ErrFileTooBig) {
		t.Errorf("a write at the last offset: %v", err)
	}
	if err := fs.Unlink(c, nil, fs.Root(), []byte("f")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := fs.Append(c, nil, h, []byte("x")); !errors.Is(err, ErrStale) {
		t.Errorf("to a file that is gone: %v", err)
	}
}
