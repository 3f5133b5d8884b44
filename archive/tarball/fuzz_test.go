package tarball

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"testing"
)

// FuzzReader reads damaged archives: no panic, memory in proportion to the input, and where archive/tar reads an archive to its end without
// an error, the same names in it.
func FuzzReader(f *testing.F) {
	good := archived(f, all())
	f.Add(good)
	for at := 0; at < len(good); at += 97 {
		b := bytes.Clone(good)
		b[at] ^= byte(1 << (at % 8))
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		ours, err := names(NewReader(bytes.NewReader(text)), len(text))
		if err != nil {
			return
		}
		r := tar.NewReader(bytes.NewReader(text))
		for i := 0; ; i++ {
			h, err := r.Next()
			if errors.Is(err, io.EOF) {
				if i != len(ours) {
					t.Errorf("%d entries, and archive/tar finds %d", len(ours), i)
				}
				return
			}
			if err != nil {
				return
			}
			if h.Typeflag == tar.TypeXGlobalHeader {
				i--
				continue
			}
			if i >= len(ours) {
				t.Fatalf("%d entries, and archive/tar finds more", len(ours))
			}
		}
	})
}

// names reads all entries without their data, and bounds what they take.
func names(r *Reader, size int) (list []string, err error) {
	for {
		e, err := r.Next()
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		if err != nil {
			return nil, err
		}
		if len(e.Data) > size || len(e.Name) > size {
			return nil, errors.New("more than there is")
		}
		list = append(list, e.Name)
	}
}
