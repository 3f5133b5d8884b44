package billyadapter_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-git/go-billy/v5/util"

	"pmemfs/billyadapter"
	"pmemfs/pmemfs"
)

func TestOpenFlags(t *testing.T) {
	f := newFS(t)
	must(t, util.WriteFile(f, "f", []byte("content"), 0o644))
	cases := []struct {
		name string
		flag int
		want error
	}{
		{"f", os.O_CREATE | os.O_EXCL | os.O_RDWR, fs.ErrExist},
		{"none", os.O_RDWR, fs.ErrNotExist},
		{"none/deep", os.O_RDONLY, fs.ErrNotExist},
		{"f/under", os.O_RDONLY, syscall.ENOTDIR},
		{".", os.O_RDWR, syscall.EISDIR},
		{"nul\x00", os.O_RDONLY, syscall.EINVAL},
		{string(bytes.Repeat([]byte("n"), 256)), os.O_CREATE | os.O_RDWR, syscall.ENAMETOOLONG},
		{"f", 3, syscall.EINVAL},
	}
	for _, c := range cases {
		if _, err := f.OpenFile(c.name, c.flag, 0o644); !errors.Is(err, c.want) {
			t.Errorf("open %.10q with %#x: %v, want %v", c.name, c.flag, err, c.want)
		}
	}
	ro, err := f.Open("f")
	must(t, err)
	if _, err := ro.Write([]byte("x")); !errors.Is(err, syscall.EBADF) {
		t.Errorf("write to a read-only file: %v", err)
	}
	if err := ro.Truncate(0); err == nil {
		t.Error("truncated a read-only file")
	}
	must(t, ro.Close())
}

func TestUnlinkedFileLives(t *testing.T) {
	f := newFS(t)
	file, err := f.Create("gone")
	must(t, err)
	_, err = file.Write([]byte("still here"))
	must(t, err)
	must(t, f.Remove("gone"))
	got := make([]byte, 10)
	if _, err := file.ReadAt(got, 0); err != nil || string(got) != "still here" {
		t.Fatalf("read %q, %v after unlink", got, err)
	}
	h := file.(*billyadapter.File).Handle()
	must(t, file.Close())
	if _, err := f.StatHandle(h); !errors.Is(err, syscall.ESTALE) {
		t.Fatalf("the handle of a removed file: %v", err)
	}
}

func TestSeekAndOffsets(t *testing.T) {
	f := newFS(t)
	file, err := f.Create("f")
	must(t, err)
	defer func() { must(t, file.Close()) }()
	if _, err := file.Seek(-1, io.SeekStart); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("seek before the start: %v", err)
	}
	if _, err := file.Seek(0, 9); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("seek from nowhere: %v", err)
	}
	at := file.(io.WriterAt)
	if _, err := at.WriteAt([]byte("x"), -1); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("write at -1: %v", err)
	}
	if _, err := at.WriteAt([]byte("xy"), 1<<63-2); !errors.Is(err, syscall.EFBIG) {
		t.Errorf("write at the end of the world: %v", err)
	}
	if _, err := file.ReadAt(make([]byte, 1), -1); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("read at -1: %v", err)
	}
	if err := file.Truncate(-1); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("truncate to -1: %v", err)
	}
}

// TestAppendConcurrently has many files append, opened through filesystems that have only the engine in common, as the protocols have it too:
// every record is there, whole and once.
func TestAppendConcurrently(t *testing.T) {
	eng := newEngine(t)
	f := billyadapter.New(eng, pmemfs.Cred{})
	const writers, records = 8, 800
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			file, err := billyadapter.New(eng, pmemfs.Cred{}).OpenFile("log", os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
			if err != nil {
				t.Error(err)
				return
			}
			for r := range records {
				if _, err := fmt.Fprintf(file, "%02d-%03d\n", w, r); err != nil {
					t.Error(err)
				}
			}
			if err := file.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	got, err := util.ReadFile(f, "log")
	must(t, err)
	seen := map[string]bool{}
	for line := range bytes.Lines(got) {
		seen[string(line)] = true
	}
	if len(seen) != writers*records || len(got) != writers*records*7 {
		t.Fatalf("%d distinct records in %d bytes", len(seen), len(got))
	}
}

func TestLocks(t *testing.T) {
	f := newFS(t)
	must(t, util.WriteFile(f, "f", nil, 0o644))
	var mu sync.Mutex
	inside := 0
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			file, err := f.Open("f")
			if err != nil {
				t.Error(err)
				return
			}
			if err := file.Lock(); err != nil {
				t.Error(err)
			}
			mu.Lock()
			if inside++; inside != 1 {
				t.Error("two held the lock")
			}
			mu.Unlock()
			time.Sleep(time.Millisecond)
			mu.Lock()
			inside--
			mu.Unlock()
			if err := file.Close(); err != nil { // gives the lock up as well
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// TestConcurrentTree works in one directory from many goroutines, as one instance and as derived ones.
func TestConcurrentTree(t *testing.T) {
	f := newFS(t)
	var wg sync.WaitGroup
	for w := range 8 {
		g := f.WithCred(pmemfs.Cred{})
		wg.Go(func() {
			for i := range 40 {
				name := fmt.Sprintf("shared/%d/f%d", i%4, w*1000+i)
				if err := util.WriteFile(g, name, []byte(name), 0o644); err != nil {
					t.Errorf("write %s: %v", name, err)
					return
				}
				if err := g.Rename(name, name+"x"); err != nil {
					t.Errorf("rename %s: %v", name, err)
				}
				if got, err := util.ReadFile(g, name+"x"); err != nil || string(got) != name {
					t.Errorf("read %s: %q, %v", name, got, err)
				}
				if i%2 == 0 {
					if err := g.Remove(name + "x"); err != nil {
						t.Errorf("remove %s: %v", name, err)
					}
				}
			}
		})
	}
	wg.Wait()
	left := 0
	for i := range 4 {
		infos, err := f.ReadDir(fmt.Sprintf("shared/%d", i))
		must(t, err)
		left += len(infos)
	}
	if left != 8*20 {
		t.Fatalf("%d files left, want %d", left, 8*20)
	}
}
