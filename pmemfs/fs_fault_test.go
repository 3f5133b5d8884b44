package pmemfs

import (
	"errors"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/pmem"
)

// faulty makes an image in a file and opens it. Its memory can be poisoned.
func faulty(t *testing.T, size int64) (fs *FS, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "img")
	if err := Format(path, FormatOptions{Size: size}); err != nil {
		t.Fatal(err)
	}
	fs, err := Open(path, Options{NoBackground: true})
	if err != nil {
		t.Fatal(err)
	}
	return fs, path
}

// hangs is how long a call may take before it counts as one that never returns, on a machine that does a hundred other things.
const hangs = 5 * time.Minute

// inTime fails the test when f does not return: a lock was left behind.
func inTime(t *testing.T, what string, f func() error) error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-time.After(hangs):
		t.Fatalf("%s hangs", what)
		return nil
	}
}

func create(fs *FS, name string) error {
	_, err := fs.Create(&Cred{}, nil, fs.Root(), []byte(name), &CreateOptions{})
	return err
}

// TestFaultInRing commits to a ring whose memory faults: the filesystem is read-only until it is opened again. The
// transaction must not be pooled twice: two operations that got the same one would mix their changes.
func TestFaultInRing(t *testing.T) {
	fs, path := faulty(t, 8<<20)
	if err := create(fs, "before"); err != nil {
		t.Fatal(err)
	}
	heal := poison(t, fs.region, layout.JournalRing)
	if err := create(fs, "x"); !errors.Is(err, ErrIO) || !strings.Contains(err.Error(), "journal ring, block 4") {
		t.Errorf("create with a faulting ring: %v", err)
	}
	heal()
	for i := range 8 {
		a, b := fs.a.Begin(), fs.a.Begin()
		if a == b || a.Tx == b.Tx {
			t.Fatalf("try %d: two operations share one transaction", i)
		}
		a.Done()
		b.Done()
	}
	if err := create(fs, "x"); !errors.Is(err, ErrReadOnly) {
		t.Errorf("create when the ring has faulted: %v", err)
	}
	if _, err := fs.Lookup(&Cred{}, nil, fs.Root(), []byte("before")); err != nil {
		t.Errorf("lookup when the ring has faulted: %v", err)
	}
	if err := fs.Close(); !errors.Is(err, ErrReadOnly) {
		t.Errorf("close when the ring has faulted: %v", err)
	}
	checkImage(t, path)
	fs, err := Open(path, Options{NoBackground: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := create(fs, "x"); err != nil {
		t.Error(err)
	}
	checkFS(t, fs)
	closeFS(t, fs)
	checkImage(t, path)
}

// TestFaultInBitmap lets the first look at a bitmap fault, and then not.
func TestFaultInBitmap(t *testing.T) {
	fs, path := faulty(t, 8<<20)
	heal := poison(t, fs.region, layout.BitmapBlock(0))
	if err := create(fs, "a"); !errors.Is(err, ErrIO) {
		t.Errorf("create with a faulting bitmap: %v", err)
	}
	heal()
	if err := inTime(t, "create after a fault in the bitmap", func() error { return create(fs, "a") }); err != nil {
		t.Error(err)
	}
	checkFS(t, fs)
	closeFS(t, fs)
	checkImage(t, path)
}

// TestFaultInOrphans lets the orphan index fault under an unlink of an open file.
func TestFaultInOrphans(t *testing.T) {
	fs, path := faulty(t, 8<<20)
	c := &Cred{}
	for _, name := range []string{"a", "b"} {
		a, err := fs.Create(c, nil, fs.Root(), []byte(name), &CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if err := fs.Hold(a.Handle); err != nil {
			t.Fatal(err)
		}
	}
	if err := fs.Unlink(c, nil, fs.Root(), []byte("a")); err != nil {
		t.Fatal(err)
	}
	in, err := fs.inodes.View(nil, layout.OrphanIno)
	if err != nil {
		t.Fatal(err)
	}
	root, _ := in.DataRoot()
	heal := poison(t, fs.region, root)
	unlink := func() error { return fs.Unlink(c, nil, fs.Root(), []byte("b")) }
	if err := unlink(); !errors.Is(err, ErrIO) {
		t.Errorf("unlink with a faulting orphan index: %v", err)
	}
	heal()
	if err := inTime(t, "unlink after a fault in the orphan index", unlink); err != nil {
		t.Error(err)
	}
	checkFS(t, fs)
	closeFS(t, fs)
	checkImage(t, path)
}

// TestFaultAtOpen lets a mount fail by a fault: nothing of it may go on running over memory that is unmapped.
func TestFaultAtOpen(t *testing.T) {
	fs, path := faulty(t, 8<<20)
	boot := fs.super().InodeBoot
	closeFS(t, fs)
	before := runtime.NumGoroutine()
	region, err := pmem.Open(path, pmem.Options{})
	if err != nil {
		t.Fatal(err)
	}
	heal := poison(t, region, boot)
	if _, err := mount(region, Options{}); err == nil {
		t.Error("mounted over a fault")
	}
	for range hangs / (10 * time.Millisecond) {
		if runtime.NumGoroutine() <= before {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if n := runtime.NumGoroutine(); n > before {
		t.Errorf("%d goroutines before the failed mount, %d after it", before, n)
	}
	heal()
	if err := region.Close(); err != nil {
		t.Error(err)
	}
}
