package pmemfs

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestQuotaTreeMoving gives a tree to an account, and takes it away, again and again, while files and directories move about in it and come and
// go: nothing is missed, and the accounts are right at any time.
func TestQuotaTreeMoving(t *testing.T) {
	fs, err := OpenMemory(64<<20, DomainVolatile, Options{})
	must(t, err)
	b := &bench{FS: fs, t: t, root: fs.Root()}
	top := b.mkdir(b.root, "top")
	var dirs []Handle
	for i := range 12 {
		at := top
		if i > 3 {
			at = dirs[i-4]
		}
		dirs = append(dirs, b.mkdir(at, fmt.Sprint("d", i)))
	}
	for i := range 600 {
		b.create(dirs[i%12], fmt.Sprint("f", i))
	}
	var ended atomic.Bool
	var movers sync.WaitGroup
	for m := range 3 {
		rng := rand.New(rand.NewPCG(uint64(m), 5))
		movers.Go(func() {
			for i := 0; !ended.Load(); i++ {
				from, to, name := dirs[rng.IntN(12)], dirs[rng.IntN(12)], fmt.Append(nil, "f", rng.IntN(600))
				var err error
				switch i % 8 {
				case 0:
					_, err = b.Create(superuser, nil, from, fmt.Append(nil, "f", rng.IntN(600)), &CreateOptions{Mode: Guarded})
				case 1:
					err = b.Unlink(superuser, nil, from, name)
				case 2:
					n := rng.IntN(8)
					err = b.Rename(superuser, nil, dirs[n], fmt.Append(nil, "d", n+4), to, fmt.Append(nil, "d", n+4), 0)
				default:
					err = b.Rename(superuser, nil, from, name, to, name, RenameNoReplace)
				}
				// Directories lie in others by now, and links come up to the border of what is converted.
				for _, fine := range []error{nil, ErrExist, ErrNotExist, ErrInvalid, ErrNotEmpty, ErrCrossesQuota, ErrStale} {
					if errors.Is(err, fine) {
						err = nil
					}
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	converted := func(id uint32) {
		t.Helper()
		for began := time.Now(); ; {
			q, err := b.QuotaOf(QuotaProject, id)
			must(t, err)
			if !q.Converting {
				return
			}
			if time.Since(began) > hangs {
				t.Fatal("the walk does not end")
			}
		}
	}
	for range 5 {
		id, err := b.SetTreeQuota(top, QuotaLimits{HardFiles: 100_000})
		must(t, err)
		converted(id)
		inTree(b, top, id)
		must(t, b.RemoveTreeQuota(id))
		converted(id)
		b.used(QuotaProject, id, 0, 0)
	}
	ended.Store(true)
	movers.Wait()
	if list, err := b.CheckQuotas(); err != nil || len(list) > 0 {
		t.Errorf("%v differ, %v", list, err)
	}
	checkFS(t, fs)
	closeFS(t, fs)
}

// inTree demands that all that can be found in a directory belongs to an account.
func inTree(b *bench, dir Handle, id uint32) {
	b.t.Helper()
	var kids []Handle
	must(b.t, b.Readdir(superuser, nil, dir, cookieDotDot, true, func(e *DirEntry) bool {
		kids = append(kids, e.Attr.Handle)
		if e.Type == TypeDir {
			return true
		}
		q, err := b.TreeQuota(e.Attr.Handle)
		if errors.Is(err, ErrStale) {
			return true // removed since
		}
		if err != nil || q.ID != id {
			b.t.Errorf("%s, inode %d, is in tree %d, %v", e.Name, e.Ino, q.ID, err)
		}
		return true
	}))
	for _, k := range kids {
		if a, err := b.Getattr(nil, k); err == nil && a.Type == TypeDir {
			inTree(b, k, id)
		}
	}
}
