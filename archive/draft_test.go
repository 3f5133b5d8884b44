package archive

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"

	"pmemfs/archive/tarball"
	"pmemfs/pmemfs"
)

// cut is a source of one file that ends the process in the middle, as far as the image can tell: it is looked at then.
type cut struct {
	entry *tarball.Entry
	look  func()
}

func (c *cut) Next() (*tarball.Entry, error) {
	e := c.entry
	if c.entry = nil; e == nil {
		return nil, io.EOF
	}
	return e, nil
}

func (c *cut) Read(p []byte) (int, error) {
	c.look()
	return copy(p, strings.Repeat("x", len(p))), nil
}

// TestSweep removes the draft of an import that has got no further, and nothing else.
func TestSweep(t *testing.T) {
	fs := open(t)
	me := &pmemfs.Cred{}
	other := []byte(tempPrefix + "OTHERS")
	_, err := fs.Create(me, nil, fs.Root(), other, &pmemfs.CreateOptions{})
	must(t, err)
	names := func() (list []string) {
		must(t, fs.Readdir(me, nil, fs.Root(), 0, false, func(e *pmemfs.DirEntry) bool {
			if n := string(e.Name); n != "." && n != ".." && n != string(other) {
				list = append(list, n)
			}
			return true
		}))
		return list
	}
	swept := false
	source := &cut{&tarball.Entry{Name: "./f", Type: tarball.Regular, Size: 10}, func() {
		if swept {
			return
		}
		swept = true
		if list := names(); len(list) != 1 || !strings.HasPrefix(list[0], tempPrefix) {
			t.Errorf("while it is made there are %q", list)
		}
		must(t, Sweep(fs)) // as the next open does
		if list := names(); len(list) != 0 {
			t.Errorf("left behind: %q", list)
		}
	}}
	if _, err := Import(context.Background(), fs, ImportRequest{Path: "/"}, false, source); err == nil {
		t.Error("a file whose draft has gone is there")
	}
	must(t, Sweep(fs))
	keys, err := fs.Keys()
	must(t, err)
	for _, key := range keys {
		if strings.HasPrefix(key, draftKey) {
			t.Errorf("the image still remembers %s", key)
		}
	}
	if _, err := fs.Lookup(me, nil, fs.Root(), other); err != nil {
		t.Errorf("what nobody noted is gone: %v", err)
	}
	// Without a crash nothing is remembered.
	_, err = Import(context.Background(), fs, ImportRequest{Path: "/"}, false, &cut{&tarball.Entry{Name: "./f", Type: tarball.Regular, Size: 10}, func() {}})
	must(t, err)
	if keys, err := fs.Keys(); err != nil || len(keys) > 0 && strings.HasPrefix(strings.Join(keys, " "), draftKey) {
		t.Errorf("keys %q, %v", keys, err)
	}
	if list := names(); len(list) != 1 || list[0] != "f" {
		t.Errorf("there are %q", list)
	}
	if err := Sweep(fs); err != nil && !errors.Is(err, pmemfs.ErrNotExist) {
		t.Error(err)
	}
}

// TestSweepOthers has notes of drafts where there is something else now, and of one that cannot be removed.
func TestSweepOthers(t *testing.T) {
	fs := open(t)
	me := &pmemfs.Cred{}
	note := func(name string, dir pmemfs.Handle) {
		must(t, fs.PutValue(draftKey+name, binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, dir.Ino), dir.Gen)))
	}
	folder, last := tempPrefix+"FOLDER", tempPrefix+"LAST"
	_, err := fs.Mkdir(me, nil, fs.Root(), []byte(folder), &pmemfs.SetAttr{})
	must(t, err)
	file, err := fs.Create(me, nil, fs.Root(), []byte(last), &pmemfs.CreateOptions{})
	must(t, err)
	note(folder, fs.Root())
	note(tempPrefix+"INFILE", file.Handle)
	note(tempPrefix+"A/B", fs.Root()) // which no draft is called
	note(last, fs.Root())
	if err := Sweep(fs); !errors.Is(err, pmemfs.ErrInvalid) {
		t.Errorf("%v", err)
	}
	keys, err := fs.Keys()
	must(t, err)
	if len(keys) != 1 || !strings.HasSuffix(keys[0], "A/B") {
		t.Errorf("the image still remembers %q", keys)
	}
	if _, err := fs.Lookup(me, nil, fs.Root(), []byte(folder)); err != nil {
		t.Errorf("what was no draft: %v", err)
	}
	if _, err := fs.Lookup(me, nil, fs.Root(), []byte(last)); !errors.Is(err, pmemfs.ErrNotExist) {
		t.Errorf("a draft after one that stays: %v", err)
	}
}
