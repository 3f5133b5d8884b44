package pmemfs

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"pmemfs/pmemfs/testpart"
)

// A filesystem that runs full again and again must account for every block.
func TestCheckWhenFull(t *testing.T) {
	testpart.NotRace(t)
	for seed := range uint64(4) {
		fs := memFSWith(t, MinSize+int64(seed)*(1<<20), seed%2 == 1)
		fillUp(t, fs, rand.New(rand.NewPCG(seed, 3)))
		checkMedium(t, fs.region.Bytes())
		checkFS(t, fs)
		closeFS(t, fs)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// fillUp makes, preallocates, fragments and removes files of a full filesystem.
func fillUp(t *testing.T, fs *FS, rng *rand.Rand) {
	t.Helper()
	full := 0
	check := func(err error) {
		t.Helper()
		if errors.Is(err, ErrNoSpace) {
			full++
		} else if err != nil && !errors.Is(err, ErrNotExist) && !errors.Is(err, ErrNoXattr) {
			t.Fatal(err)
		}
	}
	for range 4000 {
		name := fmt.Appendf(nil, "file%d", rng.IntN(60))
		a, err := fs.Create(root, nil, fs.Root(), name, &CreateOptions{})
		check(err)
		if err != nil {
			check(fs.Unlink(root, nil, fs.Root(), name))
			continue
		}
		off := uint64(rng.IntN(400)) << 12
		switch rng.IntN(12) {
		case 0:
			check(fs.Unlink(root, nil, fs.Root(), name))
		case 1:
			check(fs.Allocate(root, nil, a.Handle, off, uint64(rng.IntN(200000)+1), rng.IntN(2) == 0))
		case 2:
			check(fs.PunchHole(root, nil, a.Handle, off+uint64(rng.IntN(5000)), uint64(rng.IntN(100000)+1)))
		case 3:
			check(fs.SetXattr(root, nil, a.Handle, fmt.Appendf(nil, "x%d", rng.IntN(9)), bytes.Repeat(name, rng.IntN(3000)), 0))
		case 4:
			_, err := fs.Setattr(root, nil, a.Handle, &SetAttr{Mask: SetSize, Size: uint64(rng.IntN(500000))})
			check(err)
		case 5:
			check(fs.RemoveXattr(root, nil, a.Handle, fmt.Appendf(nil, "x%d", rng.IntN(9))))
		default:
			_, _, err := fs.Write(root, nil, a.Handle, bytes.Repeat([]byte{7}, rng.IntN(60000)+1), off+uint64(rng.IntN(4096)))
			check(err)
		}
	}
	if full == 0 {
		t.Error("it was never full")
	}
}

// Sixteen goroutines work on shared directories; the medium is checked between their operations and after them.
func TestCheckUnderLoad(t *testing.T) {
	fs := memFSWith(t, 64<<20, true)
	var wg sync.WaitGroup
	for w := range uint64(16) {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(w, 4))
			for range 400 {
				churn(fs, rng)
			}
		})
	}
	for range 5 {
		checkFS(t, fs)
	}
	wg.Wait()
	checkMedium(t, fs.region.Bytes())
	checkFS(t, fs)
	closeFS(t, fs)
}

// churn does something to names that other goroutines use as well; most of it may fail.
func churn(fs *FS, rng *rand.Rand) {
	name := func() []byte { return fmt.Appendf(nil, "n%d", rng.IntN(40)) }
	dir := fs.Root()
	if a, err := fs.Lookup(root, nil, dir, name()); err == nil && a.Type == TypeDir {
		dir = a.Handle
	}
	switch rng.IntN(8) {
	case 0:
		_, _ = fs.Mkdir(root, nil, dir, name(), nil)
	case 1:
		_ = fs.Unlink(root, nil, dir, name())
	case 2:
		_ = fs.Rmdir(root, nil, dir, name())
	case 3:
		_ = fs.Rename(root, nil, fs.Root(), name(), dir, name(), RenameFlags(rng.IntN(3)))
	case 4:
		if a, err := fs.Lookup(root, nil, dir, name()); err == nil && fs.Hold(a.Handle) == nil {
			_ = fs.Unlink(root, nil, dir, name())
			_, _ = fs.Link(root, nil, a.Handle, fs.Root(), name())
			_ = fs.Release(a.Handle)
		}
	default:
		if a, err := fs.Create(root, nil, dir, name(), &CreateOptions{}); err == nil {
			_, _, _ = fs.Write(root, nil, a.Handle, make([]byte, rng.IntN(30000)), uint64(rng.IntN(100000)))
		}
	}
}
