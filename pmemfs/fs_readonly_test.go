package pmemfs

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// readOnlyImage makes an image as a kill leaves it: with a journal to replay, and a file without a name.
func readOnlyImage(t *testing.T) (path string, file Handle, content []byte) {
	t.Helper()
	b := builder{t: t}
	source := filepath.Join(t.TempDir(), "source")
	b.ok(Format(source, FormatOptions{Size: 16 << 20}))
	fs, err := Open(source, Options{NoBackground: true, Durability: DurabilityProcess})
	b.ok(err)
	b.fs = fs
	file, content = b.file(fs.Root(), "file", 0), bytes.Repeat([]byte("content "), 5000)
	_, _, err = fs.Write(root, nil, file, content, 0)
	b.ok(err)
	gone := b.file(fs.Root(), "gone", 100000)
	b.ok(fs.Hold(gone))
	b.ok(fs.Unlink(root, nil, fs.Root(), []byte("gone")))
	path = filepath.Join(t.TempDir(), "img")
	b.ok(os.WriteFile(path, bytes.Clone(fs.region.Bytes()), 0o444))
	b.ok(fs.Release(gone))
	closeFS(t, fs)
	return path, file, content
}

// TestReadOnly opens an image for reading, twice at once: it shows what a replay would, refuses every change, and does not touch
// the file. The next open for writing finds everything to do that there was.
func TestReadOnly(t *testing.T) {
	path, file, content := readOnlyImage(t)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := ReadInfo(path)
	if err != nil || info.ReplayRecords == 0 {
		t.Fatalf("%d records to replay, %v", info.ReplayRecords, err)
	}
	for range 2 {
		fs, err := Open(path, Options{ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		defer closeFS(t, fs)
		p := make([]byte, len(content)+1)
		if n, _, err := fs.Read(root, nil, file, p, 0); err != nil || !bytes.Equal(p[:n], content) {
			t.Errorf("%d bytes, %v", n, err)
		}
		if a, err := fs.Lookup(root, nil, fs.Root(), []byte("file")); err != nil || a.Handle != file {
			t.Errorf("handle %v, %v, want %v", a.Handle, err, file)
		}
		refuseChanges(t, fs, file)
		if i := fs.Info(); !i.ReadOnly || i.Domain != "volatile" {
			t.Errorf("info: read-only %v, domain %s", i.ReadOnly, i.Domain)
		}
	}
	if _, err := Open(path, Options{}); !errors.Is(err, ErrLocked) {
		t.Errorf("opening for writing what others read: %v", err)
	}
	after, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the image has changed: %v", err)
	}
	if now, err := ReadInfo(path); err != nil || now.Epoch != info.Epoch || now.ReplayRecords != info.ReplayRecords {
		t.Errorf("epoch %d with %d records to replay, %v, before %d with %d", now.Epoch, now.ReplayRecords, err, info.Epoch, info.ReplayRecords)
	}
}

// refuseChanges makes changes of every kind and wants all of them to be refused; what changes nothing is not.
func refuseChanges(t *testing.T, fs *FS, file Handle) {
	t.Helper()
	top, mode := fs.Root(), uint32(0o600)
	_, create := fs.Create(root, nil, top, []byte("new"), &CreateOptions{})
	_, mkdir := fs.Mkdir(root, nil, top, []byte("new"), nil)
	_, symlink := fs.Symlink(root, nil, top, []byte("new"), []byte("target"), nil)
	_, link := fs.Link(root, nil, file, top, []byte("new"))
	_, _, write := fs.Write(root, nil, file, []byte("x"), 0)
	_, _, long := fs.Write(root, nil, file, make([]byte, 1<<20), 0)
	_, _, _, unstable := fs.WriteUnstable(root, nil, file, []byte("x"), 0)
	_, setattr := fs.Setattr(root, nil, file, &SetAttr{Mask: SetMode, Mode: mode})
	_, truncate := fs.Setattr(root, nil, file, &SetAttr{Mask: SetSize, Size: 1})
	for name, err := range map[string]error{
		"create": create, "mkdir": mkdir, "symlink": symlink, "link": link, "write": write, "long write": long, "unstable write": unstable,
		"setattr": setattr, "truncate": truncate,
		"unlink": fs.Unlink(root, nil, top, []byte("file")),
		"xattr":  fs.SetXattr(root, nil, file, []byte("user.x"), []byte("x"), 0),
		"value":  fs.PutValue("test", []byte("x")),
	} {
		if !errors.Is(err, ErrReadOnly) {
			t.Errorf("%s: %v, want ErrReadOnly", name, err)
		}
	}
	if err := errors.Join(fs.Sync(file), fs.SyncAll()); err != nil {
		t.Errorf("nothing to be made durable: %v", err)
	}
	if m := fs.MediaErrors(); m != (MediaErrors{}) {
		t.Errorf("media errors %+v", m)
	}
	var names []string
	err := fs.Readdir(root, nil, top, 2, false, func(e *DirEntry) bool { names = append(names, string(e.Name)); return true })
	if err != nil || !slices.Equal(names, []string{"file"}) {
		t.Errorf("%q, %v", names, err)
	}
}
