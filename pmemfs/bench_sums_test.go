package pmemfs

import (
	"testing"
	"time"
)

// BenchmarkSums does the same work on a filesystem without and on one with checksums of data, by turns, and reports the
// time of each and their ratio.
func BenchmarkSums(b *testing.B) {
	const fileSize = 16 << 20
	for _, w := range []struct {
		name string
		size int
		call func(fs *FS, h Handle, p []byte, off uint64) error
	}{
		{"read4K", 4 << 10, readCall}, {"read100", 100, readCall}, {"read1M", 1 << 20, readCall},
		{"write4K", 4 << 10, writeCall}, {"write100", 100, writeCall}, {"write64K", 64 << 10, writeCall}, {"write1M", 1 << 20, writeCall},
		{"append4K", 4 << 10, appendCall},
	} {
		b.Run(w.name, func(b *testing.B) {
			var fss [2]*FS
			var files [2]Handle
			for i := range fss {
				fss[i], files[i] = benchSumFS(b, i == 1, fileSize)
			}
			p := make([]byte, w.size)
			var took [2]time.Duration
			b.SetBytes(int64(w.size))
			b.ResetTimer()
			const turn = 64
			for n := 0; n < b.N; n += turn {
				for i := range fss {
					start := time.Now()
					for k := range turn {
						if err := w.call(fss[i], files[i], p, uint64((n+k)*7%(fileSize/w.size)*w.size)); err != nil {
							b.Fatal(err)
						}
					}
					took[i] += time.Since(start)
				}
			}
			calls := float64((b.N + turn - 1) / turn * turn)
			b.ReportMetric(float64(took[0])/calls, "ns-plain")
			b.ReportMetric(float64(took[1])/calls, "ns-sums")
			b.ReportMetric(float64(took[1])/float64(took[0]), "ratio")
		})
	}
}

func readCall(fs *FS, h Handle, p []byte, off uint64) error {
	_, _, err := fs.Read(superuser, nil, h, p, off)
	return err
}

func writeCall(fs *FS, h Handle, p []byte, off uint64) error {
	_, _, err := fs.Write(superuser, nil, h, p, off)
	return err
}

// appendCall writes behind the end of the file, and empties it now and then.
func appendCall(fs *FS, h Handle, p []byte, off uint64) error {
	if off == 0 {
		if _, err := fs.Setattr(superuser, nil, h, &SetAttr{Mask: SetSize}); err != nil {
			return err
		}
	}
	a, err := fs.Getattr(nil, h)
	if err != nil {
		return err
	}
	_, _, err = fs.Write(superuser, nil, h, p, a.Size)
	return err
}

// benchSumFS returns a filesystem in volatile memory with a file of so many bytes.
func benchSumFS(b *testing.B, sums bool, size int) (*FS, Handle) {
	b.Helper()
	fs, err := OpenMemory(1<<30, DomainVolatile, Options{DataChecksums: sums})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := fs.Close(); err != nil {
			b.Error(err)
		}
	})
	a, err := fs.Create(superuser, nil, fs.Root(), []byte("data"), &CreateOptions{})
	if err != nil {
		b.Fatal(err)
	}
	if _, _, err := fs.Write(superuser, nil, a.Handle, make([]byte, size), 0); err != nil {
		b.Fatal(err)
	}
	return fs, a.Handle
}
