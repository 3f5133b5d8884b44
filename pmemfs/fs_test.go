package pmemfs

import (
	"fmt"
	"testing"
)

func TestSmoke(t *testing.T) {
	fs, err := OpenMemory(64<<20, DomainCacheFlush, Options{NoBackground: true})
	if err != nil {
		t.Fatal(err)
	}
	c := &Cred{}
	for i := 0; i < 5000; i++ {
		a, err := fs.Create(c, fs.Root(), []byte(fmt.Sprintf("file%d", i)), &CreateOptions{})
		if err != nil {
			t.Fatal(i, err)
		}
		if _, _, err := fs.Write(c, a.Handle, make([]byte, i*3), 0); err != nil {
			t.Fatal(i, err)
		}
	}
	n := 0
	if err := fs.Readdir(c, fs.Root(), 0, true, func(e *DirEntry) bool { n++; return true }); err != nil {
		t.Fatal(err)
	}
	t.Log(n, fs.Counters())
	for i := 0; i < 5000; i++ {
		if err := fs.Unlink(c, fs.Root(), []byte(fmt.Sprintf("file%d", i))); err != nil {
			t.Fatal(i, err)
		}
	}
	t.Log(fs.Statfs())
	if err := fs.Close(); err != nil {
		t.Fatal(err)
	}
}
