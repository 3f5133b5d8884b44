package tarball

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

// memory is a source of entries with their data.
type memory struct {
	entries []Entry
	data    [][]byte
	at      int
	r       *bytes.Reader
}

func (m *memory) add(e Entry, data string) {
	m.entries, m.data = append(m.entries, e), append(m.data, []byte(data))
}

func (m *memory) Next() (*Entry, error) {
	if m.at == len(m.entries) {
		return nil, io.EOF
	}
	m.r = bytes.NewReader(m.data[m.at])
	m.at++
	e := m.entries[m.at-1]
	return &e, nil
}

func (m *memory) Read(p []byte) (int, error) { return m.r.Read(p) }

// all is a source of everything that an archive can have.
func all() *memory {
	m := &memory{}
	long := strings.Repeat(strings.Repeat("d", 250)+"/", 20)
	m.add(Entry{Name: ".", Type: Dir, Mode: 0o1777, UID: 1, GID: 2, Mtime: 1e9}, "")
	m.add(Entry{Name: "./a", Type: Regular, Mode: 0o4755, UID: 1 << 30, GID: 1<<32 - 2, Mtime: 1234567890123456789, Atime: -1, HasAtime: true, Size: 5}, "hello")
	m.add(Entry{Name: "./" + long + "f", Type: Regular, Mode: 0o600, Mtime: -1500000001, Size: 1}, "x")
	m.add(Entry{Name: "./bad\xff\nname", Type: Symlink, Mode: 0o777, Target: long}, "")
	m.add(Entry{Name: "./\u00fc", Type: Link, Mode: 0o600, Target: "./a"}, "")
	m.add(Entry{Name: "./null", Type: Char, Mode: 0o666, Major: 1, Minor: 3}, "")
	m.add(Entry{Name: "./big", Type: Block, Mode: 0o660, Major: 4095, Minor: 1 << 22}, "")
	m.add(Entry{Name: "./fifo", Type: FIFO, Mode: 0o644}, "")
	m.add(Entry{Name: "./x", Type: Regular, Mode: 0o644, Xattrs: []Xattr{{"user.zero", []byte("a\x00b\n=")}, {"user.empty", nil}}}, "")
	acl := []byte("\x02\x00\x00\x00\x01\x00\x07\x00\xff\xff\xff\xff\x02\x00\x04\x00\xe8\x03\x00\x00\x04\x00\x05\x00\xff\xff\xff\xff\x10\x00\x05\x00\xff\xff\xff\xff\x20\x00\x00\x00\xff\xff\xff\xff")
	m.add(Entry{Name: "./acl", Type: Dir, Mode: 0o750, Xattrs: []Xattr{{AccessACL, acl}, {DefaultACL, acl}}}, "")
	m.add(Entry{Name: "./hole", Type: Regular, Sparse: true, Size: 1 << 50, Mode: 0o644}, "")
	m.add(Entry{Name: "./sparse", Type: Regular, Sparse: true, Size: 1 << 40, Mode: 0o644, Data: []Extent{{4096, 3}, {1 << 39, 4}, {1<<40 - 1, 1}}}, "abcdefgh")
	m.add(Entry{Name: "./" + strings.Repeat("s", 240), Type: Regular, Sparse: true, Size: 9000, Mode: 0o644, Data: []Extent{{0, 1}}}, "z")
	return m
}

// archived is an archive of a source.
func archived(t testing.TB, m *memory) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Copy(NewWriter(&b), m, func(*Entry) error { return nil }, func(int) {}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// readAll reads an archive: its entries and their data.
func readAll(r *Reader) (m memory, err error) {
	for {
		e, err := r.Next()
		if errors.Is(err, io.EOF) {
			return m, nil
		}
		if err != nil {
			return m, err
		}
		data, err := io.ReadAll(r)
		if err != nil {
			return m, err
		}
		m.add(*e, string(data))
	}
}
