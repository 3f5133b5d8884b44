package pmemfs

import (
	"path/filepath"
	"testing"
)

// BenchmarkUnstable writes a file on an ordinary file in pieces and commits it: each piece stable, or all unstable.
func BenchmarkUnstable(b *testing.B) {
	for _, c := range []struct {
		name     string
		n, piece int
	}{{"16x1MiB", 16, 1 << 20}, {"64x256KiB", 64, 256 << 10}, {"256x4KiB", 256, 4096}} {
		for _, unstable := range []bool{false, true} {
			name := c.name + "/stable"
			if unstable {
				name = c.name + "/unstable"
			}
			b.Run(name, func(b *testing.B) { benchUnstable(b, c.n, c.piece, unstable) })
		}
	}
}

func benchUnstable(b *testing.B, n, piece int, unstable bool) {
	path := filepath.Join(b.TempDir(), "img")
	must(b, Format(path, FormatOptions{Size: 256 << 20}))
	fs, err := Open(path, Options{})
	must(b, err)
	h := mkfile(b, fs, "f")
	p := make([]byte, piece)
	before := fs.Counters()
	for b.Loop() {
		for i := range n {
			if unstable {
				_, _, _, err = fs.WriteUnstable(superuser, nil, h, p, uint64(i*piece))
			} else {
				_, _, err = fs.Write(superuser, nil, h, p, uint64(i*piece))
			}
			must(b, err)
		}
		must(b, fs.Commit(nil, h, 0, 0))
	}
	after := fs.Counters()
	b.ReportMetric(float64(after.Fences-before.Fences)/float64(b.N), "fences/op")
	b.SetBytes(int64(n * piece))
	closeFS(b, fs)
}
