package pmemfs

import (
	"fmt"
	"path/filepath"
	"runtime"
	"testing"

	"pmemfs/pmemfs/safego"
)

// TestActivity makes files and looks at what is told of it.
func TestActivity(t *testing.T) {
	path := filepath.Join(t.TempDir(), "image")
	if err := Format(path, FormatOptions{Size: 64 << 20}); err != nil {
		t.Fatal(err)
	}
	fs, err := Open(path, Options{NoBackground: true})
	if err != nil {
		t.Fatal(err)
	}
	defer fs.Close()
	before := fs.Activity()
	if before.Replayed != 0 || before.OpenTook <= 0 || before.EmergencyBytes == 0 {
		t.Errorf("after Open %+v", before)
	}
	const files = 20
	for i := range files {
		if _, err := fs.Create(&Cred{}, nil, fs.Root(), fmt.Appendf(nil, "file %d", i), &CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	a := fs.Activity()
	if n := a.Changes - before.Changes; n != files {
		t.Errorf("%d changes, want %d", n, files)
	}
	if a.RingAppended-before.RingAppended < files*64 || a.RingBytes == 0 || a.GroupChanges-before.GroupChanges != files || a.Groups[0] < files {
		t.Errorf("after %d files %+v", files, a)
	}
	if err := fs.j.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	if b := fs.Activity(); b.CheckpointTime <= a.CheckpointTime || b.RingBytes != 0 {
		t.Errorf("after a checkpoint %+v", b)
	}
}

func readOnce(s *stripe) {
	s.RLock()
	defer s.RUnlock()
}

func lockOnce(s *stripe) {
	s.Lock()
	defer s.Unlock()
}

// TestWaited has a reader and a writer wait for an inode.
func TestWaited(t *testing.T) {
	fs, err := OpenMemory(64<<20, DomainVolatile, Options{NoBackground: true})
	if err != nil {
		t.Fatal(err)
	}
	defer fs.Close()
	for i, get := range []func(*stripe){readOnce, lockOnce} {
		s := fs.stripes.of(fs.Root().Ino)
		s.Lock()
		done := make(chan struct{})
		safego.Go("waiter", func() {
			defer close(done)
			get(s)
		})
		for {
			r, w := fs.stripes.waited()
			if [2]uint64{r, w}[i] == 1 {
				break
			}
			runtime.Gosched()
		}
		s.Unlock()
		<-done
	}
	if a := fs.Activity(); a.ReadersWaited != 1 || a.WritersWaited != 1 {
		t.Errorf("%d readers and %d writers have waited", a.ReadersWaited, a.WritersWaited)
	}
}
