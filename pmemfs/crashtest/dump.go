package crashtest

import (
	"bytes"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"

	"pmemfs/pmemfs"
)

// root has all permissions.
var root = &pmemfs.Cred{}

// A dump is everything that can be seen of a filesystem: a line for each name with all attributes, content and extended
// attributes, and one for the free space. Change counters and generations are part of it.
type dump []string

// dumpFS dumps an open filesystem. With free it holds the free space, which a filesystem with files that are open and
// have no name will only get back.
func dumpFS(fs *pmemfs.FS, free bool) (dump, error) {
	var d dump
	err := errors.Join(d.values(fs), d.quotas(fs), d.dir(fs, "/", fs.Root()), d.snapshots(fs))
	if err == nil && free {
		var s pmemfs.Statfs
		s, err = fs.Statfs()
		d = append(d, fmt.Sprintf("free %d bytes, %d inodes used", s.FreeBytes, s.TotalFiles-s.FreeFiles))
	}
	return d, err
}

// values adds the key-value store.
func (d *dump) values(fs *pmemfs.FS) error {
	names, err := fs.Keys()
	if err != nil {
		return err
	}
	slices.Sort(names)
	for _, name := range names {
		value, err := fs.Value(name)
		if err != nil {
			return fmt.Errorf("value %s: %w", name, err)
		}
		*d = append(*d, fmt.Sprintf("value %s=%d:%x", name, len(value), maphash.Bytes(hashSeed, value)))
	}
	return nil
}

// dir adds a directory and what is below it.
func (d *dump) dir(fs *pmemfs.FS, path string, h pmemfs.Handle) error {
	type entry struct {
		name string
		attr pmemfs.Attr
	}
	var list []entry
	err := fs.Readdir(root, nil, h, 0, true, func(e *pmemfs.DirEntry) bool {
		list = append(list, entry{string(e.Name), e.Attr})
		return true
	})
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	slices.SortFunc(list, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	for _, e := range list {
		switch e.name {
		case ".":
			a, err := fs.Getattr(nil, h)
			if err == nil {
				err = d.file(fs, path, a)
			}
			if err != nil {
				return err
			}
			continue
		case "..":
			if h.Snap != 0 {
				continue
			}
			*d = append(*d, fmt.Sprintf("%s.. is %d", path, e.attr.Ino))
			continue
		}
		if found, err := fs.Lookup(root, nil, h, []byte(e.name)); err != nil || found != e.attr {
			return fmt.Errorf("%s%s: lookup finds %+v (%v), the listing %+v", path, e.name, found, err, e.attr)
		}
		if e.attr.Type == pmemfs.TypeDir {
			err = d.dir(fs, path+e.name+"/", e.attr.Handle)
		} else {
			err = d.file(fs, path+e.name, e.attr)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// file adds one file.
func (d *dump) file(fs *pmemfs.FS, path string, a pmemfs.Attr) error {
	s := fmt.Sprintf("%s %+v", path, a)
	switch a.Type {
	case pmemfs.TypeRegular:
		sum, err := content(fs, a)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		s += " content " + sum
	case pmemfs.TypeSymlink:
		target, err := fs.Readlink(nil, a.Handle)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		s += fmt.Sprintf(" target %x", maphash.Bytes(hashSeed, target))
	}
	names, err := fs.ListXattr(root, nil, a.Handle)
	if err != nil {
		return fmt.Errorf("%s: attributes: %w", path, err)
	}
	slices.SortFunc(names, bytes.Compare)
	for _, name := range names {
		value, err := fs.GetXattr(root, nil, a.Handle, name)
		if err != nil {
			return fmt.Errorf("%s: attribute %s: %w", path, name, err)
		}
		s += fmt.Sprintf(" %s=%d:%x", name, len(value), maphash.Bytes(hashSeed, value))
	}
	*d = append(*d, s)
	return nil
}

// content reads a whole file, holes skipped, and returns its hash.
func content(fs *pmemfs.FS, a pmemfs.Attr) (string, error) {
	var h maphash.Hash
	h.SetSeed(hashSeed)
	buf := make([]byte, 64<<10)
	for off := uint64(0); off < a.Size; {
		data, err := fs.SeekData(root, nil, a.Handle, off)
		if errors.Is(err, pmemfs.ErrNoData) {
			break // only a hole is left
		}
		if err != nil {
			return "", err
		}
		n, _, err := fs.Read(root, nil, a.Handle, buf, data)
		if err != nil {
			return "", err
		}
		// Where data begins and ends may change without a change of content, so zeros do not count.
		for i := 0; i < n; i += 512 {
			if b := buf[i:min(i+512, n)]; !zero(b) {
				fmt.Fprintf(&h, "%d:", data+uint64(i))
				h.Write(b)
			}
		}
		off = data + uint64(n)
	}
	return fmt.Sprintf("%x", h.Sum64()), nil
}

func zero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// diff returns the lines in which two dumps differ.
func (d dump) diff(other dump) string {
	var b strings.Builder
	for _, s := range d {
		if !slices.Contains(other, s) {
			fmt.Fprintf(&b, "  - %.400s\n", s)
		}
	}
	for _, s := range other {
		if !slices.Contains(d, s) {
			fmt.Fprintf(&b, "  + %.400s\n", s)
		}
	}
	return b.String()
}

// key returns what a dump is recognised by.
func (d dump) key() string { return strings.Join(d, "\n") }
