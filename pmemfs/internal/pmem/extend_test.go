package pmem

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

const extendFrom, extendTo = 1<<20 + 100, 9<<20 + 5000

// extendDirs are folders on the filesystems that tests find everywhere.
func extendDirs(t *testing.T) []string {
	t.Helper()
	dirs := []string{t.TempDir()}
	if shm, err := os.MkdirTemp("/dev/shm", "pmem-test-"); err == nil {
		t.Cleanup(func() {
			if err := os.RemoveAll(shm); err != nil {
				t.Error(err)
			}
		})
		dirs = append(dirs, shm)
	}
	return dirs
}

// TestExtend makes a region larger while others read it and store to it, and looks for all of it in the file.
func TestExtend(t *testing.T) {
	for _, dir := range extendDirs(t) {
		for _, sparse := range []bool{false, true} {
			path := filepath.Join(dir, "img")
			if err := CreateFile(path, extendFrom, CreateOptions{Force: true}); err != nil {
				t.Fatal(err)
			}
			r := mustOpen(t, path, Options{Reach: extendTo})
			before := r.Bytes()
			var stop atomic.Bool
			var wg sync.WaitGroup
			for i := range int64(2) {
				wg.Go(func() {
					for n := byte(0); !stop.Load(); n++ {
						r.Write(4096*i, []byte{n})
						if got := r.Bytes()[4096*i]; got != n {
							t.Errorf("stored %d, read %d", n, got)
							return
						}
						r.Probe(extendFrom-100, 100)
					}
				})
			}
			if _, err := r.Extend(t.Context(), extendTo, ExtendOptions{Sparse: sparse}); err != nil {
				t.Fatal(err)
			}
			stop.Store(true)
			wg.Wait()
			if r.Size() != extendTo || int64(len(r.Bytes())) != r.Size() || &r.Bytes()[0] != &before[0] {
				t.Errorf("size %d, %d bytes", r.Size(), len(r.Bytes()))
			}
			m, err := r.Missing()
			if err != nil || m.Whole() == sparse {
				t.Errorf("sparse %v: missing %+v, %v", sparse, m, err)
			}
			for _, off := range []int64{extendFrom - 2, extendFrom + 5000, extendTo - 4} {
				r.Write(off, []byte("here"))
				if err := r.Persist(testSite, []Range{{off, 4}}); err != nil {
					t.Error(err)
				}
			}
			mustClose(t, r)
			got, err := os.ReadFile(path)
			if err != nil || len(got) != extendTo {
				t.Fatalf("%d bytes, %v", len(got), err)
			}
			for _, off := range []int64{extendFrom - 2, extendFrom + 5000, extendTo - 4} {
				if !bytes.Equal(got[off:off+4], []byte("here")) {
					t.Errorf("offset %d: %q", off, got[off:off+4])
				}
			}
		}
	}
}

// TestExtendRefused asks for what cannot be had: nothing has changed then.
func TestExtendRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "img")
	if err := CreateFile(path, extendFrom, CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	r := mustOpen(t, path, Options{Reach: 1 << 45})
	free, err := room(r.file)
	if err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		ctx  context.Context
		size int64
		want error
	}{
		"address space": {t.Context(), r.Reach() + 1, ErrReach},
		"room":          {t.Context(), free + 1<<30, syscall.ENOSPC},
		"patience":      {ended, 4 * extendTo, context.Canceled},
	} {
		if _, err := r.Extend(c.ctx, c.size, ExtendOptions{}); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if st, err := os.Stat(path); err != nil || st.Size() != extendFrom || r.Size() != extendFrom {
			t.Errorf("%s: the file has %d bytes, the region %d: %v", name, st.Size(), r.Size(), err)
		}
	}
	mustClose(t, r)
	if _, err := r.Extend(t.Context(), extendTo, ExtendOptions{}); !errors.Is(err, ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	if _, err := Open(path, Options{Reach: 1 << 60}); err == nil {
		t.Error("more address space than there is")
	}
}

// TestExtendUndone takes back what was made larger; and a file that was longer already stays as long.
func TestExtendUndone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "img")
	if err := CreateFile(path, extendFrom, CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	r := mustOpen(t, path, Options{Reach: extendTo})
	for _, longer := range []bool{false, true} {
		want := int64(extendFrom)
		if longer {
			want = extendTo + 70000
			if err := os.Truncate(path, want); err != nil {
				t.Fatal(err)
			}
		}
		undo, err := r.Extend(t.Context(), extendTo, ExtendOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if n, err := r.Present(); err != nil || n != max(want, extendTo) {
			t.Errorf("present are %d bytes, %v", n, err)
		}
		if err := undo(); err != nil {
			t.Error(err)
		}
		if st, err := os.Stat(path); err != nil || st.Size() != want || r.Size() != extendFrom {
			t.Errorf("longer %v: the file has %d bytes, the region %d: %v", longer, st.Size(), r.Size(), err)
		}
	}
}

// TestReach looks at how much address space is set aside, and that what is kept beside it begins as zeros.
func TestReach(t *testing.T) {
	path := filepath.Join(t.TempDir(), "img")
	if err := CreateFile(path, extendFrom, CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, o := range []Options{{ReadOnly: true}, {Private: true}} {
		r := mustOpen(t, path, o)
		if r.Reach() != pageUp(extendFrom) {
			t.Errorf("%+v: %d bytes", o, r.Reach())
		}
		mustClose(t, r)
	}
	r := mustOpen(t, path, Options{})
	if !addressSpaceLimited() && r.Reach() < reserveMin/8 {
		t.Errorf("%d bytes", r.Reach())
	}
	words := r.SideWords(r.Reach() >> 18)
	for i := 0; i < len(words); i += max(len(words)/100, 1) {
		if words[i].Load() != 0 {
			t.Errorf("word %d is not zero", i)
		}
		words[i].Store(1)
	}
	if base := address(r.Bytes()); base%reserveAlign != 0 {
		t.Errorf("the mapping begins at %#x", base)
	}
}
