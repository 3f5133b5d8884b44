package pmem

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestPoison poisons a page of a file on tmpfs, where there is one, of an ordinary file and of memory: every access to it
// faults, none beside it, and a healed page of a file has its content.
func TestPoison(t *testing.T) {
	page := int64(os.Getpagesize())
	regions := map[string]*Region{"memory": memory(t, 8*page, Volatile), "file": image(t, 8*page, Options{})}
	if dir, err := os.MkdirTemp("/dev/shm", "pmem"); err == nil {
		t.Cleanup(func() {
			if err := os.RemoveAll(dir); err != nil {
				t.Error(err)
			}
		})
		path := filepath.Join(dir, "img")
		if err := os.WriteFile(path, make([]byte, 8*page), 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := Open(path, Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		})
		regions["tmpfs"] = r
	}
	for name, r := range regions {
		t.Run(name, func(t *testing.T) { poisoned(t, r, page) })
	}
}

func poisoned(t *testing.T, r *Region, page int64) {
	r.Write(3*page+5, []byte("before"))
	how, heal, err := r.Poison(3 * page)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s is %s", r.Path(), how)
	for name, access := range map[string]func(){
		"load":  func() { r.Probe(3*page+100, 1) },
		"store": func() { r.Write(4*page-8, []byte("store")) },
		"copy":  func() { r.Zero(2*page, 2*page) },
	} {
		err := guarded(r, func() error { access(); return nil })
		var fault *FaultError
		if !errors.As(err, &fault) || fault.Off != 3*page {
			t.Errorf("%s: %v, want a fault at %d", name, err, 3*page)
		}
	}
	if err := guarded(r, func() error { r.Probe(0, 3*page); r.Probe(4*page, 4*page); return nil }); err != nil {
		t.Errorf("beside the page: %v", err)
	}
	if err := heal(); err != nil {
		t.Fatal(err)
	}
	want := "before"
	if r.file == nil && how == "poisoned" {
		want = string(make([]byte, 6))
	}
	if err := guarded(r, func() error {
		if got := string(r.Bytes()[3*page+5 : 3*page+11]); got != want {
			t.Errorf("after it has healed there is %q, want %q", got, want)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	if _, _, err := r.Poison(3*page + 64); !errors.Is(err, ErrBounds) {
		t.Errorf("half a page: %v", err)
	}
}
