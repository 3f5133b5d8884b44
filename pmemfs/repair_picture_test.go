package pmemfs

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"testing"
)

// item is what a client can see of a file, times and counters apart.
type item struct {
	ino  uint64
	look string
}

// picture returns all files of a filesystem by path.
func picture(t testing.TB, fs *FS) map[string]item {
	t.Helper()
	return pictureFrom(t, fs, fs.Root())
}

// pictureFrom returns all files below a directory.
func pictureFrom(t testing.TB, fs *FS, top Handle) map[string]item {
	t.Helper()
	all := map[string]item{}
	var walk func(path string, h Handle)
	walk = func(path string, h Handle) {
		a, err := fs.Getattr(nil, h)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		all[path] = item{h.Ino, look(t, fs, path, a)}
		if a.Type != TypeDir {
			return
		}
		kids := map[string]Handle{}
		err = fs.Readdir(root, nil, h, 0, true, func(e *DirEntry) bool {
			if name := string(e.Name); name != "." && name != ".." {
				kids[name] = e.Attr.Handle
			}
			return true
		})
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		for name, kid := range kids {
			walk(path+"/"+name, kid)
		}
	}
	walk("", top)
	return all
}

// look describes one file: type, owner, size, content, target and attributes.
func look(t testing.TB, fs *FS, path string, a Attr) string {
	t.Helper()
	fail := func(err error) {
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
	}
	s := fmt.Sprintf("type %d mode %o owner %d.%d device %d.%d", a.Type, a.Mode, a.UID, a.GID, a.Major, a.Minor)
	switch a.Type {
	case TypeRegular:
		sum, p := sha256.New(), make([]byte, min(max(a.Size, 1), 1<<20))
		for off := uint64(0); off < a.Size && off < 64<<20; off += uint64(len(p)) {
			n, _, err := fs.Read(root, nil, a.Handle, p, off)
			fail(err)
			sum.Write(p[:n])
		}
		s += fmt.Sprintf(" size %d content %x", a.Size, sum.Sum(nil))
	case TypeSymlink:
		target, err := fs.Readlink(nil, a.Handle)
		fail(err)
		s += fmt.Sprintf(" target %q", target)
	}
	names, err := fs.ListXattr(root, nil, a.Handle)
	fail(err)
	for _, name := range names {
		value, err := fs.GetXattr(root, nil, a.Handle, bytes.Clone(name))
		fail(err)
		s += fmt.Sprintf(" %s=%x", name, sha256.Sum256(value))
	}
	return s
}
