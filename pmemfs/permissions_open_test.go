package pmemfs

import (
	"errors"
	"testing"
)

// TestOpenCalls checks that a call on an open file goes by what was allowed when it was opened, and by nothing else.
func TestOpenCalls(t *testing.T) {
	fs, err := OpenMemory(64<<20, DomainVolatile, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer fs.Close()
	root := &Cred{}
	f, err := fs.Create(root, nil, fs.Root(), []byte("f"), &CreateOptions{Attr: SetAttr{Mask: SetMode, Mode: 0o4711}})
	if err != nil {
		t.Fatal(err)
	}
	d, err := fs.Mkdir(root, nil, fs.Root(), []byte("d"), &SetAttr{Mask: SetMode, Mode: 0o700})
	if err != nil {
		t.Fatal(err)
	}
	user, opened := &Cred{UID: 1000, GID: 1000}, new(Call)
	calls := map[string]func() error{
		"Write": func() error { _, _, err := fs.Write(user, opened, f.Handle, []byte("x"), 0); return err },
		"Setattr": func() error {
			_, err := fs.Setattr(user, opened, f.Handle, &SetAttr{Mask: SetSize, Size: 3})
			return err
		},
		"Readdir": func() error {
			return fs.Readdir(user, opened, d.Handle, 0, false, func(*DirEntry) bool { return true })
		},
	}
	for name, call := range calls {
		opened.Reset()
		if err := call(); !errors.Is(err, ErrAccess) {
			t.Errorf("%s: %v", name, err)
		}
		opened.Open = true
		if err := call(); err != nil {
			t.Errorf("%s of an open file: %v", name, err)
		}
	}
	if a, err := fs.Getattr(nil, f.Handle); err != nil || a.Mode != 0o711 {
		t.Errorf("mode %o, %v: a write by a user leaves no set-id bit", a.Mode, err)
	}
	if _, err := fs.Setattr(user, nil, f.Handle, &SetAttr{Mask: SetMode, Mode: 0o777}); !errors.Is(err, ErrPerm) {
		t.Errorf("chmod of an open file by a stranger: %v", err)
	}
}
