package pmemfs

import (
	"pmemfs/pmemfs/internal/pmem"
	"testing"
)

// lazyFS is a filesystem in memory where a fence is dear.
func lazyFS(t testing.TB, size int64) *FS {
	t.Helper()
	fs, err := OpenMemory(size, DomainPageCache, Options{NoBackground: true})
	must(t, err)
	return fs
}

// lazyBytes mounts a copy of a medium where a fence is dear.
func lazyBytes(t testing.TB, medium []byte) *FS {
	t.Helper()
	region, err := pmem.NewMemory(int64(len(medium)), pmem.PageCache)
	must(t, err)
	region.Write(0, medium)
	fs, err := mount(region, Options{NoBackground: true})
	must(t, err)
	return fs
}

// writeUnstable writes unstable, and says so if that was not what happened.
func writeUnstable(t testing.TB, fs *FS, h Handle, p []byte, off uint64) Attr {
	t.Helper()
	n, stable, a, err := fs.WriteUnstable(superuser, nil, h, p, off)
	if err != nil || n != len(p) || stable {
		t.Fatalf("%d of %d bytes, stable %v, %v", n, len(p), stable, err)
	}
	return a
}

func mkfile(t testing.TB, fs *FS, name string) Handle {
	t.Helper()
	a, err := fs.Create(superuser, nil, fs.Root(), []byte(name), &CreateOptions{})
	must(t, err)
	return a.Handle
}
