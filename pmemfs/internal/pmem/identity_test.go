package pmem

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestIdentity moves, replaces, links and removes an image, and looks for it.
func TestIdentity(t *testing.T) {
	r := image(t, 8192, Options{Domain: PageCache})
	path, other := r.Path(), filepath.Join(filepath.Dir(r.Path()), "other")
	if err := os.WriteFile(other, make([]byte, 8192), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		name string
		do   func() error
		want Identity
		lost error
	}{
		{"at first", func() error { return nil }, Same, nil},
		{"moved", func() error { return os.Rename(path, path+".moved") }, Replaced, nil},
		{"replaced", func() error { return os.Link(other, path) }, Replaced, nil},
		{"put back", func() error { return os.Rename(path+".moved", path) }, Same, nil},
		{"linked", func() error { return os.Link(path, path+".link") }, Same, nil},
		{"one of two names removed", func() error { return os.Remove(path) }, Replaced, nil},
		{"removed", func() error { return os.Remove(path + ".link") }, Unlinked, ErrNameless},
		{"another in its place", func() error { return os.Link(other, path) }, Unlinked, ErrNameless},
	} {
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		if got, err := r.Identity(); err != nil || got != step.want {
			t.Errorf("%s: identity %d, %v, want %d", step.name, got, err, step.want)
		}
		r.Write(0, []byte("something"))
		if err := r.Persist(testSite, []Range{{0, 9}}); !errors.Is(err, step.lost) {
			t.Errorf("%s: Persist: %v, want %v", step.name, err, step.lost)
		}
		if err := proof(r.WriteThrough(testThrough, []Segment{{0, []byte("other")}})); !errors.Is(err, step.lost) {
			t.Errorf("%s: WriteThrough: %v, want %v", step.name, err, step.lost)
		}
	}
}

// TestIdentityOfMemory: what is no file stays the same, and so does a draft, which has no name yet.
func TestIdentityOfMemory(t *testing.T) {
	d, err := NewDraft(filepath.Join(t.TempDir(), "draft"), 8192, CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := Open(d.Path(), Options{Domain: PageCache})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []*Region{memory(t, 8192, PageCache), r} {
		r.Write(0, []byte("something"))
		if err := r.Persist(testSite, []Range{{0, 9}}); err != nil {
			t.Errorf("%s: %v", r.Path(), err)
		}
		if got, err := r.Identity(); err != nil || got != Same {
			t.Errorf("%s: identity %d, %v", r.Path(), got, err)
		}
	}
	mustClose(t, r)
	if err := d.Discard(); err != nil {
		t.Error(err)
	}
}

// TestVetNamedDoesNotAllocate: a fence is a hot path.
func TestVetNamedDoesNotAllocate(t *testing.T) {
	r := image(t, 8192, Options{Domain: PageCache})
	ranges := []Range{{0, 8}}
	if n := testing.AllocsPerRun(20, func() {
		if err := r.Persist(testSite, ranges); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations per fence", n)
	}
}
