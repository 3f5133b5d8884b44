package pmemfs

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// worker does random operations in a directory of its own and in one that all share.
type worker struct {
	b      *bench
	rng    *rand.Rand
	shared Handle
	own    Handle
}

// raced says whether an error is one that others may cause; anything else fails the test.
func raced(err error) bool {
	for _, e := range []error{nil, ErrNotExist, ErrExist, ErrNotEmpty, ErrIsDir, ErrNotDir, ErrInvalid, ErrStale, ErrPerm} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// step does one operation and returns its error.
func (w *worker) step() error {
	b, c := w.b, superuser
	d := [2]Handle{w.shared, w.own}[w.rng.IntN(2)]
	name := fmt.Appendf(nil, "n%d", w.rng.IntN(12))
	other := fmt.Appendf(nil, "n%d", w.rng.IntN(12))
	a, err := b.Lookup(c, nil, d, name)
	if err != nil && !errors.Is(err, ErrNotExist) {
		return err
	}
	switch w.rng.IntN(12) {
	case 0, 1:
		_, err = b.Create(c, nil, d, name, &CreateOptions{Mode: CreateMode(w.rng.IntN(2))})
	case 2:
		_, err = b.Mkdir(c, nil, d, name, nil)
	case 3:
		err = b.Unlink(c, nil, d, name)
	case 4:
		err = b.Rmdir(c, nil, d, name)
	case 5:
		err = b.Rename(c, nil, d, name, [2]Handle{w.shared, w.own}[w.rng.IntN(2)], other, RenameFlags(w.rng.IntN(3)))
	case 6:
		_, err = b.Link(c, nil, a.Handle, d, other)
	case 7, 8:
		_, _, err = b.Write(c, nil, a.Handle, make([]byte, 1+w.rng.IntN(20000)), w.rng.Uint64N(50000))
	case 9:
		_, err = b.Setattr(c, nil, a.Handle, &SetAttr{Mask: SetSize, Size: w.rng.Uint64N(50000)})
	case 10:
		err = w.holdAndRemove(d, name, a.Handle)
	case 11:
		err = b.Readdir(c, nil, d, 0, true, func(e *DirEntry) bool { return e.Ino != 0 })
	}
	return err
}

// holdAndRemove uses a file while its name goes.
func (w *worker) holdAndRemove(d Handle, name []byte, h Handle) error {
	if err := w.b.Hold(h); err != nil {
		return err
	}
	err := w.b.Unlink(superuser, nil, d, name)
	if _, gone := w.b.Getattr(nil, h); gone != nil {
		w.b.t.Errorf("a held file is gone: %v", gone)
	}
	return errors.Join(err, w.b.Release(h))
}

// TestConcurrent lets twelve goroutines change one tree, checkpoints beside them, then counts and checks.
func TestConcurrent(t *testing.T) {
	b := newBench(t, 64<<20)
	shared := b.mkdir(b.root, "shared")
	stop := make(chan struct{})
	var wg, background sync.WaitGroup
	background.Add(1)
	go func() {
		defer background.Done()
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
				if err := b.SyncAll(); err != nil {
					t.Error(err)
				}
			}
		}
	}()
	for g := range uint64(12) {
		w := worker{b: b, rng: rand.New(rand.NewPCG(g, 1)), shared: shared, own: b.mkdir(b.root, fmt.Sprint("own", g))}
		wg.Add(1)
		go func() {
			defer wg.Done()
			for step := range 400 {
				if err := w.step(); !raced(err) {
					t.Errorf("seed %d step %d: %v", g, step, err)
					return
				}
			}
		}()
	}
	wg.Wait()
	close(stop)
	background.Wait()
	checkFS(t, b.FS)
	next := mountBytes(t, b.region.Bytes())
	checkFS(t, next)
	closeFS(t, next)
	b.removeTree(b.root)
	b.must(b.SyncAll())
	b.countSpace()
}

// TestReaddirBesideChanges lists a directory while others come and go: what is there throughout is seen exactly once.
func TestReaddirBesideChanges(t *testing.T) {
	b := newBench(t, 32<<20)
	d := b.mkdir(b.root, "d")
	const stay = 1000
	for i := range stay {
		b.create(d, fmt.Sprint("stay", i))
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for g := range 3 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				name := fmt.Appendf(nil, "come%d-%d", g, i%300)
				if _, err := b.Create(superuser, nil, d, name, &CreateOptions{}); err != nil {
					t.Error(err)
				}
				if i >= 150 {
					if err := b.Unlink(superuser, nil, d, fmt.Appendf(nil, "come%d-%d", g, (i-150)%300)); err != nil {
						t.Error(err)
					}
				}
			}
		}()
	}
	for round := range 20 {
		seen := map[string]int{}
		last := uint64(0)
		b.must(b.Readdir(superuser, nil, d, 0, round%2 == 0, func(e *DirEntry) bool {
			if e.Cookie <= last {
				t.Errorf("cookie %#x after %#x", e.Cookie, last)
			}
			seen[string(e.Name)]++
			last = e.Cookie
			return true
		}))
		for i := range stay {
			if n := seen[fmt.Sprint("stay", i)]; n != 1 {
				t.Errorf("round %d: stay%d was seen %d times", round, i, n)
			}
		}
	}
	close(stop)
	wg.Wait()
}

// TestMovesOfDirectories moves directories about from many goroutines: they stay a tree, which the check proves.
func TestMovesOfDirectories(t *testing.T) {
	b := newBench(t, 16<<20)
	var dirs []Handle
	for i := range 8 {
		dirs = append(dirs, b.mkdir(b.root, fmt.Sprint("d", i)))
	}
	all := append(dirs, b.root)
	var wg sync.WaitGroup
	for g := range uint64(8) {
		wg.Add(1)
		go func() {
			defer wg.Done()
			rng := rand.New(rand.NewPCG(g, 2))
			for range 400 {
				i, name := rng.IntN(len(dirs)), fmt.Appendf(nil, "d%d", rng.IntN(len(dirs)))
				up, err := b.Lookup(superuser, nil, dirs[i], []byte(".."))
				if err != nil {
					t.Error(err)
					return
				}
				if err := b.Rename(superuser, nil, up.Handle, name, all[rng.IntN(len(all))], name, RenameFlags(rng.IntN(2))); !raced(err) {
					t.Error(err)
				}
			}
		}()
	}
	wg.Wait()
}

// TestSixteenWriters asserts the budget: at most one fence to an operation.
func TestSixteenWriters(t *testing.T) {
	b := newBench(t, 64<<20)
	const writers, each = 16, 200
	var files [writers]Handle
	for i := range files {
		files[i] = b.create(b.root, fmt.Sprint("f", i))
	}
	b.must(b.SyncAll())
	before := b.Counters()
	var wg sync.WaitGroup
	for _, h := range files {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range uint64(each) {
				if _, _, err := b.Write(superuser, nil, h, []byte("line of a log\n"), i*14); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	wg.Wait()
	after := b.Counters()
	// A checkpoint, when the ring fills, has two of its own.
	fences := after.Fences - before.Fences - 2*(after.Checkpoints-before.Checkpoints)
	if fences > writers*each {
		t.Errorf("%d fences for %d writes", fences, writers*each)
	}
	t.Logf("%d writes by %d goroutines: %d fences", writers*each, writers, fences)
}

// TestCloseBeside closes a filesystem in use: every call ends, with ErrClosed from some point on.
func TestCloseBeside(t *testing.T) {
	for range 10 {
		fs := memFS(t, 16<<20)
		root := fs.Root()
		var wg sync.WaitGroup
		for g := range 8 {
			wg.Add(1)
			go func() {
				defer wg.Done()
				name := fmt.Appendf(nil, "n%d", g%4)
				for {
					_, err := fs.Create(superuser, nil, root, name, &CreateOptions{Attr: SetAttr{Mask: SetSize}})
					if err == nil {
						err = fs.Readdir(superuser, nil, root, 0, true, func(*DirEntry) bool { return true })
					}
					if errors.Is(err, ErrClosed) {
						return
					}
					if err != nil {
						t.Error(err)
						return
					}
				}
			}()
		}
		time.Sleep(2 * time.Millisecond)
		if err := fs.Close(); err != nil {
			t.Error(err)
		}
		wg.Wait()
		if err := fs.Close(); !errors.Is(err, ErrClosed) {
			t.Errorf("closed twice: %v", err)
		}
	}
}

// removeTree empties a directory.
func (b *bench) removeTree(d Handle) {
	b.t.Helper()
	for _, name := range b.names(d) {
		a, err := b.Lookup(superuser, nil, d, []byte(name))
		b.must(err)
		if a.Type == TypeDir {
			b.removeTree(a.Handle)
			b.must(b.Rmdir(superuser, nil, d, []byte(name)))
		} else {
			b.must(b.Unlink(superuser, nil, d, []byte(name)))
		}
	}
}

// countSpace compares the allocator's count with what can really be taken.
func (b *bench) countSpace() {
	b.t.Helper()
	avail := b.a.Blocks.Avail()
	for b.a.Blocks.Avail() > 0 {
		r, err := b.a.Blocks.Reserve(0, 1<<15, false)
		if err != nil || r.Len == 0 {
			b.t.Errorf("%d blocks are said to be free, %d of them are not to be had: %v", avail, b.a.Blocks.Avail(), err)
			break
		}
		defer b.a.Blocks.Unreserve(r)
	}
	if c := b.j.Counts(); c.Free != avail {
		b.t.Errorf("the journal counts %d free blocks, the allocator %d", c.Free, avail)
	}
}
