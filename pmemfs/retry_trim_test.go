package pmemfs

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/pmem"
	"pmemfs/pmemfs/testpart"
)

// makeMany makes empty files in a directory and returns their handles.
func makeMany(t *testing.T, fs *FS, d Handle, n int) (list []Handle) {
	t.Helper()
	for i := range n {
		a, err := fs.Create(root, nil, d, fmt.Appendf(nil, "%d", i), &CreateOptions{})
		must(t, err)
		list = append(list, a.Handle)
	}
	return list
}

func removeMany(t *testing.T, fs *FS, d Handle, order []int) {
	t.Helper()
	for _, i := range order {
		must(t, fs.Unlink(root, nil, d, fmt.Appendf(nil, "%d", i)))
	}
}

// inodeBlocks returns how many blocks the inode file has.
func inodeBlocks(t *testing.T, fs *FS) uint64 {
	t.Helper()
	in, err := fs.inodes.View(nil, layout.InodeFileIno)
	must(t, err)
	return in.Blocks()
}

// TestTrim makes and removes many files in several orders, again and again: the space comes back, is told as free, can be used for data, and no
// handle of a removed file ever means another one.
func TestTrim(t *testing.T) {
	testpart.NotRace(t)
	const n = 40_000 // more than an inode group
	for _, c := range []string{"as they were made", "the other way round", "in any order", "all but some at the beginning"} {
		t.Run(c, func(t *testing.T) {
			fs := memFS(t, 64<<20)
			d, err := fs.Mkdir(root, nil, fs.Root(), []byte("d"), nil)
			must(t, err)
			before, err := fs.Statfs()
			must(t, err)
			blocks := inodeBlocks(t, fs)
			gone, seen := []Handle(nil), map[Handle]bool{}
			for round := range 2 {
				made := makeMany(t, fs, d.Handle, n)
				for _, h := range made {
					if seen[h] {
						t.Fatalf("%v comes twice", h)
					}
					seen[h] = true
				}
				if got := inodeBlocks(t, fs); got < n/layout.InodesPerBlk {
					t.Fatalf("%d blocks for %d inodes", got, n)
				}
				order := rand.New(rand.NewPCG(uint64(round), 1)).Perm(n)
				for i := range order {
					switch c {
					case "as they were made", "all but some at the beginning":
						order[i] = i
					case "the other way round":
						order[i] = n - 1 - i
					}
				}
				if c == "all but some at the beginning" {
					order = order[100:]
				}
				removeMany(t, fs, d.Handle, order)
				for _, i := range order {
					gone = append(gone, made[i])
				}
				if got := inodeBlocks(t, fs); got > blocks+150 {
					t.Errorf("round %d: the inode file has %d blocks, %d at first", round, got, blocks)
				}
				if c == "all but some at the beginning" {
					for i := range 100 {
						must(t, fs.Unlink(root, nil, d.Handle, fmt.Appendf(nil, "%d", i)))
					}
				}
			}
			must(t, fs.SyncAll())
			after, err := fs.Statfs()
			must(t, err)
			if lost := int64(before.FreeBytes) - int64(after.FreeBytes); lost > 150*layout.BlockSize || after.TotalFiles-after.FreeFiles != before.TotalFiles-before.FreeFiles {
				t.Errorf("%d bytes are lost; %+v, before %+v", lost, after, before)
			}
			checkFS(t, fs)
			// What was given back is used, so that whoever still looked there would find other bytes.
			big := mkfile(t, fs, "big")
			for off := uint64(0); err == nil; off += 1 << 20 {
				_, _, err = fs.Write(root, nil, big, make([]byte, 1<<20), off)
			}
			if !errors.Is(err, ErrNoSpace) {
				t.Error(err)
			}
			for _, h := range gone {
				if _, err := fs.Getattr(nil, h); !errors.Is(err, ErrStale) {
					t.Fatalf("%v: %v, expected that it is stale", h, err)
				}
			}
			checkFS(t, fs)
			again := mountBytes(t, shadowMedium(fs))
			for _, h := range gone[len(gone)-100:] {
				if _, err := again.Getattr(nil, h); !errors.Is(err, ErrStale) {
					t.Errorf("%v after a restart: %v", h, err)
				}
			}
			closeFS(t, again)
			closeFS(t, fs)
		})
	}
}

// TestTrimKeeps holds the last file of many: the file behind it goes, what is before stays until that one is removed. Its
// neighbours' numbers are used first.
func TestTrimKeeps(t *testing.T) {
	testpart.NotRace(t)
	fs := memFS(t, 64<<20)
	d, err := fs.Mkdir(root, nil, fs.Root(), []byte("d"), nil)
	must(t, err)
	made := makeMany(t, fs, d.Handle, 5000)
	must(t, fs.Hold(made[4999]))
	order := make([]int, 5000)
	for i := range order {
		order[i] = i
	}
	removeMany(t, fs, d.Handle, order)
	if got := inodeBlocks(t, fs); got < 5000/layout.InodesPerBlk {
		t.Errorf("%d blocks are left below a file that is open", got)
	}
	if a, err := fs.Getattr(nil, made[4999]); err != nil || a.Handle != made[4999] {
		t.Errorf("%+v, %v", a, err)
	}
	if a, err := fs.Create(root, nil, d.Handle, []byte("new"), &CreateOptions{}); err != nil || a.Ino > made[10].Ino {
		t.Errorf("a new file has number %d, the first ones are free (%v)", a.Ino, err)
	}
	must(t, fs.Release(made[4999]))
	if got := inodeBlocks(t, fs); got > trimmed {
		t.Errorf("%d blocks are left", got)
	}
	checkFS(t, fs)
	closeFS(t, fs)
}

// trimmed is the most blocks that are left of an inode file with a few inodes: less is not worth giving back.
const trimmed = 100

// TestTrimAtOpen cuts the power between the removal of the last file and what it sets off, and opens an image of an earlier
// version, which did not give back: the open does.
func TestTrimAtOpen(t *testing.T) {
	testpart.NotRace(t)
	fs := memFS(t, 64<<20)
	makeMany(t, fs, fs.Root(), 5000)
	var medium []byte
	order := make([]int, 5000)
	for i := range order {
		order[i] = i
	}
	removeMany(t, fs, fs.Root(), order[:4999])
	must(t, fs.SyncAll())
	fences := fs.Counters().Fences
	fs.region.SetPersistHook(func(p pmem.Failpoint, _ pmem.Range) error {
		if p.After && medium == nil {
			medium = bytes.Clone(fs.region.Bytes())
		}
		return nil
	})
	must(t, fs.Unlink(root, nil, fs.Root(), []byte("4999")))
	fs.region.SetPersistHook(nil)
	if got := fs.Counters().Fences - fences; got != 2 {
		t.Errorf("%d fences for the last removal and the cut, expected 2", got)
	}
	closeFS(t, fs)
	fs = mountBytes(t, medium)
	if _, err := fs.Lookup(root, nil, fs.Root(), []byte("4999")); !errors.Is(err, ErrNotExist) {
		t.Errorf("the name is there: %v", err)
	}
	if got := inodeBlocks(t, fs); got > trimmed {
		t.Errorf("%d blocks are left", got)
	}
	checkFS(t, fs)
	closeFS(t, fs)
}

// TestTrimWhenFull fills an image with empty files, removes most of them, less than is worth giving back by itself, and needs the space.
func TestTrimWhenFull(t *testing.T) {
	testpart.NotRace(t)
	fs := memFS(t, 8<<20)
	big := mkfile(t, fs, "big")
	makeMany(t, fs, fs.Root(), 2000)
	var err error
	for off := uint64(0); err == nil; off += 4096 {
		_, _, err = fs.Write(root, nil, big, make([]byte, 4096), off)
	}
	if !errors.Is(err, ErrNoSpace) {
		t.Fatal(err)
	}
	before := inodeBlocks(t, fs)
	for i := 1999; i >= 1100; i-- {
		must(t, fs.Unlink(root, nil, fs.Root(), fmt.Appendf(nil, "%d", i)))
	}
	a, err := fs.Getattr(nil, big)
	must(t, err)
	n := uint64(0)
	for err = nil; err == nil; n++ {
		_, _, err = fs.Write(root, nil, big, make([]byte, 4096), a.Size+n<<12)
	}
	if after := inodeBlocks(t, fs); after >= before || n < 20 {
		t.Errorf("%d blocks of inodes, %d before; %d blocks could be written", after, before, n)
	}
	checkFS(t, fs)
	closeFS(t, fs)
}

// TestTrimBeside makes, removes and looks at files from several goroutines while the inode file grows and is cut, beside a scrub.
func TestTrimBeside(t *testing.T) {
	fs := memFS(t, 64<<20)
	var wg sync.WaitGroup
	h := mkfile(t, fs, "data")
	for g := range 4 {
		d, err := fs.Mkdir(root, nil, fs.Root(), fmt.Appendf(nil, "d%d", g), nil)
		must(t, err)
		wg.Go(func() {
			for range 2 {
				var list []Handle
				for i := range 700 {
					a, err := fs.Create(root, nil, d.Handle, fmt.Appendf(nil, "%d", i), &CreateOptions{})
					if err != nil {
						t.Error(err)
					}
					list = append(list, a.Handle)
				}
				for i := range 700 {
					if err := fs.Unlink(root, nil, d.Handle, fmt.Appendf(nil, "%d", i)); err != nil {
						t.Error(err)
					}
					for _, h := range list[:i+1][max(0, i-20):] {
						if _, err := fs.Getattr(nil, h); !errors.Is(err, ErrStale) {
							t.Errorf("%v: %v", h, err)
						}
					}
				}
			}
		})
	}
	done := make(chan struct{})
	wg.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			r, err := fs.Scrub(t.Context(), ScrubOptions{})
			if err != nil || len(r.Findings) > 0 {
				t.Errorf("%d findings, the first %v, %v", len(r.Findings), r.Findings[:min(1, len(r.Findings))], err)
			}
			time.Sleep(time.Millisecond)
		}
	})
	wg.Go(func() {
		defer close(done)
		for i := range 100 {
			if _, _, err := fs.Write(root, nil, h, make([]byte, 300_000), uint64(i%7)<<20); err != nil {
				t.Error(err)
			}
			if i%10 == 0 {
				if err := fs.SyncAll(); err != nil {
					t.Error(err)
				}
			}
		}
	})
	wg.Wait()
	if got := inodeBlocks(t, fs); got > trimmed {
		t.Errorf("%d blocks are left", got)
	}
	checkFS(t, fs)
	closeFS(t, fs)
}

// TestTrimRefused refuses the fence of the record that cuts the inode file: the removal has happened, the filesystem has failed, and
// the image is whole.
func TestTrimRefused(t *testing.T) {
	testpart.NotRace(t)
	fs := memFS(t, 64<<20)
	made := makeMany(t, fs, fs.Root(), 3000)
	for i := range 2999 {
		must(t, fs.Unlink(root, nil, fs.Root(), fmt.Appendf(nil, "%d", i)))
	}
	fences := 0
	fs.region.SetPersistHook(pmem.Before(func(pmem.Range) error {
		if fences++; fences > 1 {
			return errors.New("refused by the test")
		}
		return nil
	}))
	if err := fs.Unlink(root, nil, fs.Root(), []byte("2999")); err != nil || fences != 2 {
		t.Errorf("%v, %d fences", err, fences)
	}
	for _, h := range made {
		if _, err := fs.Getattr(nil, h); !errors.Is(err, ErrStale) {
			t.Fatalf("%v: %v", h, err)
		}
	}
	medium := bytes.Clone(fs.region.Bytes())
	fs.region.SetPersistHook(nil)
	if err := fs.Close(); !errors.Is(err, ErrReadOnly) {
		t.Errorf("close: %v", err)
	}
	again := mountBytes(t, medium)
	if got := inodeBlocks(t, again); got > trimmed {
		t.Errorf("%d blocks are left", got)
	}
	checkFS(t, again)
	closeFS(t, again)
}
