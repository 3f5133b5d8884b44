package pmemfs

import (
	"strconv"
	"testing"
)

// benchFS returns a filesystem in volatile memory and a directory with a thousand files.
func benchFS(b *testing.B) (*FS, *Cred, Handle) {
	b.Helper()
	fs, err := OpenMemory(1<<30, DomainVolatile, Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := fs.Close(); err != nil {
			b.Error(err)
		}
	})
	c := &Cred{}
	d, err := fs.Mkdir(c, nil, fs.Root(), []byte("d"), nil)
	if err != nil {
		b.Fatal(err)
	}
	for i := range 1000 {
		if _, err := fs.Create(c, nil, d.Handle, []byte("old"+strconv.Itoa(i)), &CreateOptions{}); err != nil {
			b.Fatal(err)
		}
	}
	return fs, c, d.Handle
}

func BenchmarkCreate(b *testing.B) {
	fs, c, d := benchFS(b)
	name := make([]byte, 0, 32)
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		name = strconv.AppendInt(append(name[:0], 'f'), int64(i), 10)
		if _, err := fs.Create(c, nil, d, name, &CreateOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCreateUnlink(b *testing.B) {
	fs, c, d := benchFS(b)
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		if _, err := fs.Create(c, nil, d, []byte("x"), &CreateOptions{}); err != nil {
			b.Fatal(err)
		}
		if err := fs.Unlink(c, nil, d, []byte("x")); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLookup(b *testing.B) {
	fs, c, d := benchFS(b)
	names := make([][]byte, 1000)
	for i := range names {
		names[i] = []byte("old" + strconv.Itoa(i))
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		if _, err := fs.Lookup(c, nil, d, names[i%1000]); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkGetattr(b *testing.B) {
	fs, _, d := benchFS(b)
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		if _, err := fs.Getattr(nil, d); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRename(b *testing.B) {
	fs, c, d := benchFS(b)
	from, to := []byte("old1"), []byte("new1")
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		if err := fs.Rename(c, nil, d, from, d, to, 0); err != nil {
			b.Fatal(err)
		}
		from, to = to, from
	}
}

// benchFile returns a file of 16 MiB.
func benchFile(b *testing.B) (*FS, *Cred, Handle) {
	fs, c, d := benchFS(b)
	a, err := fs.Create(c, nil, d, []byte("data"), &CreateOptions{})
	if err != nil {
		b.Fatal(err)
	}
	if _, _, err := fs.Write(c, nil, a.Handle, make([]byte, 16<<20), 0); err != nil {
		b.Fatal(err)
	}
	return fs, c, a.Handle
}

func BenchmarkRead4K(b *testing.B) {
	fs, c, h := benchFile(b)
	p := make([]byte, 4096)
	b.SetBytes(4096)
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		if _, _, err := fs.Read(c, nil, h, p, uint64(i*7%4096)*4096); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkWrite4K(b *testing.B) {
	fs, c, h := benchFile(b)
	p := make([]byte, 4096)
	b.SetBytes(4096)
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		if _, _, err := fs.Write(c, nil, h, p, uint64(i*7%4096)*4096); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkWrite1M(b *testing.B) {
	fs, c, h := benchFile(b)
	p := make([]byte, 1<<20)
	b.SetBytes(1 << 20)
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		if _, _, err := fs.Write(c, nil, h, p, uint64(i%16)<<20); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkWrite64K(b *testing.B) {
	fs, c, h := benchFile(b)
	p := make([]byte, 64<<10)
	b.SetBytes(64 << 10)
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		if _, _, err := fs.Write(c, nil, h, p, uint64(i%256)<<16); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppend4K(b *testing.B) {
	fs, c, h := benchFile(b)
	p := make([]byte, 4096)
	b.SetBytes(4096)
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		if i%32768 == 0 {
			if _, err := fs.Setattr(c, nil, h, &SetAttr{Mask: SetSize}); err != nil {
				b.Fatal(err)
			}
		}
		if _, _, err := fs.Write(c, nil, h, p, uint64(i%32768)*4096); err != nil {
			b.Fatal(err)
		}
	}
}
