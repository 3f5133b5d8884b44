package tarball

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
)

// TestRoundTrip writes an archive and reads it: nothing is lost. The Encoder makes the same bytes.
func TestRoundTrip(t *testing.T) {
	text := archived(t, all())
	got, err := readAll(NewReader(bytes.NewReader(text)))
	if err != nil {
		t.Fatal(err)
	}
	want := all()
	if len(got.entries) != len(want.entries) {
		t.Fatalf("%d entries, want %d", len(got.entries), len(want.entries))
	}
	for i := range want.entries {
		g, w := got.entries[i], want.entries[i]
		g.Offset = 0
		if g.Type == Dir {
			g.Name = strings.TrimSuffix(g.Name, "/")
		}
		if len(g.Data) == 0 {
			g.Data = nil
		}
		for j := range g.Xattrs {
			if len(g.Xattrs[j].Value) == 0 {
				g.Xattrs[j].Value = nil
			}
		}
		order(g.Xattrs)
		order(w.Xattrs)
		if !reflect.DeepEqual(g, w) {
			t.Errorf("entry %d: %+v\nwant %+v", i, g, w)
		}
		if !bytes.Equal(got.data[i], want.data[i]) {
			t.Errorf("entry %d: %q, want %q", i, got.data[i], want.data[i])
		}
	}
	encoded, err := io.ReadAll(NewEncoder(all(), func(*Entry) {}, func(int) {}))
	if err != nil || !bytes.Equal(encoded, text) {
		t.Errorf("the encoder's archive differs: %v", err)
	}
}

// order sorts attributes, whose order means nothing.
func order(list []Xattr) {
	for i := range list {
		for j := range i {
			if list[i].Name < list[j].Name {
				list[i], list[j] = list[j], list[i]
			}
		}
	}
}

// TestStandardLibrary has archive/tar read what is written, and reads what it writes.
func TestStandardLibrary(t *testing.T) {
	m := all()
	r := tar.NewReader(bytes.NewReader(archived(t, m)))
	for i := range m.entries {
		h, err := r.Next()
		if err != nil {
			t.Fatalf("entry %d: %v", i, err)
		}
		w := m.entries[i]
		if strings.TrimSuffix(h.Name, "/") != w.Name || uint64(h.Size) != w.Size || h.Uid != int(w.UID) || h.ModTime.UnixNano() != w.Mtime {
			t.Errorf("entry %d: %+v, want %+v", i, h, w)
		}
	}
	if _, err := r.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("after the last entry: %v", err)
	}
	for _, format := range []tar.Format{tar.FormatUSTAR, tar.FormatPAX, tar.FormatGNU} {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		name := "some/" + strings.Repeat("x", 90)
		if format != tar.FormatUSTAR {
			name = strings.Repeat("long/", 100) + "f"
		}
		if err := errors.Join(w.WriteHeader(&tar.Header{Name: name, Size: 3, Mode: 0o640, Format: format}), second(w.Write([]byte("abc"))), w.Close()); err != nil {
			t.Fatal(err)
		}
		got, err := readAll(NewReader(&b))
		if err != nil || len(got.entries) != 1 || got.entries[0].Name != name || string(got.data[0]) != "abc" {
			t.Errorf("%v: %+v %v", format, got.entries, err)
		}
	}
}

func second(_ int, err error) error { return err }

// TestRefused has archives that are wrong, each of which is one error that says where.
func TestRefused(t *testing.T) {
	good := archived(t, all())
	flip := func(at int) []byte {
		b := bytes.Clone(good)
		b[at] ^= 1
		return b
	}
	bomb := func(e Entry) []byte {
		w := NewWriter(io.Discard)
		var b bytes.Buffer
		w.w = &b
		if err := w.Begin(&e); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	claim := strings.ReplaceAll(string(bomb(Entry{Name: "s", Type: Regular, Sparse: true, Size: 3, Data: []Extent{{0, 1}}})), "2\n0\n1\n3\n0\n", "9000000\n0\n")
	for name, c := range map[string]struct {
		text []byte
		want string
	}{
		"empty":     {nil, "empty"},
		"text":      {[]byte(strings.Repeat("no archive\n", 100)), "no tar archive"},
		"short":     {[]byte("x"), "no tar archive"},
		"truncated": {good[:len(good)/2/512*512+7], "ends here"},
		"no end":    {good[:1024], "ends here"},
		"checksum":  {flip(520), "offset 512: the header's checksum is wrong"},
		"huge":      {bomb(Entry{Name: "h", Type: Regular, Size: 1 << 60}), "ends here"},
		"map":       {[]byte(claim), "map of"},
		"trail":     {append(bytes.Clone(good), make([]byte, trailMax+1)...), "follow the end"},
	} {
		_, err := readAll(NewReader(bytes.NewReader(c.text)))
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "offset") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := NewWriter(io.Discard).Begin(&Entry{Name: "s", Type: Socket}); !errors.Is(err, ErrSocket) {
		t.Errorf("a socket: %v", err)
	}
}
