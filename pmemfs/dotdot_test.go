package pmemfs

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
)

// TestWithin moves directories in and out of one that ".." must not lead out of, while others go up from them: nobody ever comes to what is
// outside, by Lookup or by Readdir, whether he may wait or not.
func TestWithin(t *testing.T) {
	fs := memFS(t, 64<<20)
	c := &Cred{}
	mkdir := func(dir Handle, name string) Handle {
		a, err := fs.Mkdir(c, nil, dir, []byte(name), nil)
		if err != nil {
			t.Fatal(err)
		}
		return a.Handle
	}
	top, out := mkdir(fs.Root(), "top"), mkdir(fs.Root(), "out")
	in := mkdir(top, "in")
	moved := mkdir(in, "moved")
	deep := mkdir(moved, "deep")
	may := map[Handle][]Handle{moved: {moved, in}, deep: {deep, moved}}
	var movers, walkers sync.WaitGroup
	var stop atomic.Bool
	movers.Go(func() {
		for !stop.Load() {
			if err := fs.Rename(c, nil, in, []byte("moved"), out, []byte("moved"), 0); err != nil {
				t.Errorf("out: %v", err)
			}
			if err := fs.Rename(c, nil, out, []byte("moved"), in, []byte("moved"), 0); err != nil {
				t.Errorf("in: %v", err)
			}
		}
	})
	var up [2]atomic.Int64 // not led up, and led up
	for from, list := range may {
		for _, noWait := range []bool{false, true} {
			walkers.Go(func() {
				for range 20_000 {
					got, err := climb(fs, top, from, noWait)
					switch {
					case errors.Is(err, ErrWouldBlock) && noWait:
					case err != nil:
						t.Errorf("%v", err)
					case got == list[0].Ino:
						up[0].Add(1)
					case got == list[1].Ino:
						up[1].Add(1)
					default:
						t.Errorf("from %v up to inode %d", from, got)
						return
					}
				}
			})
		}
	}
	walkers.Wait()
	stop.Store(true)
	movers.Wait()
	t.Logf("led up %d times, and %d times not", up[1].Load(), up[0].Load())
	withinEdges(t, fs, top, in, out)
	checkFS(t, fs)
	closeFS(t, fs)
}

// climb goes up from a directory, by its name or as it is listed, in turn.
func climb(fs *FS, top, from Handle, noWait bool) (ino uint64, err error) {
	c, call := &Cred{}, &Call{Within: [2]Handle{top}, NoWait: noWait}
	if climbs.Add(1)%2 == 0 {
		a, err := fs.Lookup(c, call, from, nameDotDot)
		return a.Ino, err
	}
	err = fs.Readdir(c, call, from, cookieDot, true, func(e *DirEntry) bool {
		ino = e.Ino
		if e.HasAttr && e.Attr.Ino != ino {
			ino = 0
		}
		return false
	})
	return ino, err
}

var climbs atomic.Int64

// withinEdges goes up with bounds that are one in the other, or not there.
func withinEdges(t *testing.T, fs *FS, top, in, out Handle) {
	t.Helper()
	nowhere := Handle{Ino: ^uint64(0)}
	moved, err := fs.Lookup(&Cred{}, nil, in, []byte("moved"))
	if err != nil {
		t.Fatal(err)
	}
	for i, row := range []struct {
		from   Handle
		within [2]Handle
		want   Handle
	}{
		{moved.Handle, [2]Handle{top, in}, in},
		{moved.Handle, [2]Handle{{}, in}, in},
		{in, [2]Handle{top, in}, in},
		{in, [2]Handle{top}, top},
		{top, [2]Handle{top}, top},
		{in, [2]Handle{fs.Root()}, top},
		{top, [2]Handle{fs.Root()}, fs.Root()},
		{fs.Root(), [2]Handle{fs.Root()}, fs.Root()},
		{out, [2]Handle{top}, out},
		{moved.Handle, [2]Handle{top, nowhere}, moved.Handle},
		{moved.Handle, [2]Handle{{Ino: top.Ino, Gen: top.Gen + 1}}, moved.Handle},
	} {
		a, err := fs.Lookup(&Cred{}, &Call{Within: row.within}, row.from, nameDotDot)
		if err != nil || a.Handle != row.want {
			t.Errorf("row %d: %v, %v, want %v", i, a.Handle, err, row.want)
		}
	}
}
