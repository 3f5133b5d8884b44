package pmemfs

import (
	"fmt"
	"path/filepath"
	"sync"
	"testing"
)

// BenchmarkGroupCommit has writers share the fences of an ordinary file, each a system call: 4 KiB to a file of its own.
func BenchmarkGroupCommit(b *testing.B) {
	for _, writers := range []int{1, 4, 16, 64} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) { benchGroupCommit(b, writers) })
	}
}

func benchGroupCommit(b *testing.B, writers int) {
	path := filepath.Join(b.TempDir(), "img")
	if err := Format(path, FormatOptions{Size: 256 << 20}); err != nil {
		b.Fatal(err)
	}
	fs, err := Open(path, Options{})
	if err != nil {
		b.Fatal(err)
	}
	c := &Cred{}
	files := make([]Handle, writers)
	for i := range files {
		a, err := fs.Create(c, nil, fs.Root(), fmt.Appendf(nil, "f%d", i), &CreateOptions{})
		if err != nil {
			b.Fatal(err)
		}
		files[i] = a.Handle
	}
	before := fs.Counters()
	b.ResetTimer()
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			p := make([]byte, 4096)
			for i := w; i < b.N; i += writers {
				if _, _, err := fs.Write(c, nil, files[w], p, uint64(i/writers%1024)*4096); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	after := fs.Counters()
	b.ReportMetric(float64(after.Fences-before.Fences)/float64(b.N), "fences/op")
	if err := fs.Close(); err != nil {
		b.Fatal(err)
	}
}
