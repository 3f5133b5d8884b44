package vm

import (
	"bytes"
	"fmt"
	"path"
	"sort"
)

// File types as cpio's "newc" format stores them (the S_IFMT bits of a mode).
const (
	cpioDir     = 0o040000
	cpioRegular = 0o100000
	cpioSymlink = 0o120000
)

// Archive collects the entries of an initramfs. The zero value is empty and
// ready. It is not safe for concurrent use and lives in memory only.
type Archive struct {
	entries map[string]entry
}

type entry struct {
	mode uint32
	data []byte
}

// AddFile adds a regular file, and the directories above it that are missing.
func (a *Archive) AddFile(name string, perm uint32, data []byte) {
	a.add(name, cpioRegular|perm, data)
}

// AddSymlink adds a symbolic link to target.
func (a *Archive) AddSymlink(name, target string) {
	a.add(name, cpioSymlink|0o777, []byte(target))
}

// AddDir adds a directory of mode 0755.
func (a *Archive) AddDir(name string) {
	a.add(name, cpioDir|0o755, nil)
}

func (a *Archive) add(name string, mode uint32, data []byte) {
	if a.entries == nil {
		a.entries = make(map[string]entry)
	}
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if _, ok := a.entries[dir]; ok {
			break
		}
		a.entries[dir] = entry{mode: cpioDir | 0o755}
	}
	a.entries[name] = entry{mode: mode, data: data}
}

// Bytes returns the archive in cpio's "newc" format, which the kernel unpacks
// itself (Documentation/driver-api/early-userspace/buffer-format.rst). Names
// are sorted, so a directory stands before what it holds.
func (a *Archive) Bytes() []byte {
	names := make([]string, 0, len(a.entries))
	for name := range a.entries {
		names = append(names, name)
	}
	sort.Strings(names)

	var out bytes.Buffer
	for i, name := range names {
		writeEntry(&out, i+1, name, a.entries[name])
	}
	writeEntry(&out, 0, "TRAILER!!!", entry{})
	return out.Bytes()
}

// writeEntry writes one header, name and body, each padded to 4 bytes.
func writeEntry(out *bytes.Buffer, ino int, name string, e entry) {
	const uid, gid, links, mtime, major, minor, check = 0, 0, 1, 0, 0, 0, 0
	fmt.Fprintf(out, "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X",
		ino, e.mode, uid, gid, links, mtime, len(e.data),
		major, minor, major, minor, len(name)+1, check)
	out.WriteString(name)
	out.WriteByte(0)
	pad(out)
	out.Write(e.data)
	pad(out)
}

func pad(out *bytes.Buffer) {
	for out.Len()%4 != 0 {
		out.WriteByte(0)
	}
}
