package pmemfs

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/testpart"
)

// stirrer does random operations on a few names of the root directory. What they answer does not matter to it.
type stirrer struct {
	fs   *FS
	rng  *rand.Rand
	held []Handle
}

func (s *stirrer) name() []byte { return fmt.Appendf(nil, "%0*d", 1+s.rng.IntN(3)*100, s.rng.IntN(12)) }

func (s *stirrer) handle() Handle {
	a, err := s.fs.Lookup(&Cred{}, nil, s.fs.Root(), s.name())
	if err != nil {
		return s.fs.Root()
	}
	return a.Handle
}

// target returns a block that operations are likely to touch: of the ring, of the inodes, or of early allocations.
func (s *stirrer) target() uint64 {
	switch s.rng.IntN(4) {
	case 0:
		return uint64(s.rng.IntN(layout.JournalRing))
	case 1:
		pos := s.fs.j.Appended() % uint64(s.fs.super().RingBytes())
		return layout.JournalRing + pos>>layout.BlockShift
	}
	return s.fs.super().InodeBoot - 1 + uint64(s.rng.IntN(150))
}

// step does one operation and returns its error.
func (s *stirrer) step() error {
	fs, c, root, rng := s.fs, &Cred{}, s.fs.Root(), s.rng
	off := uint64(rng.IntN(1<<20) + rng.IntN(2)*rng.IntN(1<<40))
	var err error
	switch rng.IntN(14) {
	case 0, 1:
		_, err = fs.Create(c, nil, root, s.name(), &CreateOptions{})
	case 2, 3, 4:
		_, _, err = fs.Write(c, nil, s.handle(), bytes.Repeat([]byte{byte(off)}, 1+rng.IntN(1<<(3+rng.IntN(15)))), off)
	case 5:
		err = fs.Unlink(c, nil, root, s.name())
	case 6:
		err = fs.Rename(c, nil, root, s.name(), root, s.name(), RenameFlags(rng.IntN(3)))
	case 7:
		_, err = fs.Setattr(c, nil, s.handle(), &SetAttr{Mask: SetSize, Size: off})
	case 8:
		err = fs.SetXattr(c, nil, s.handle(), s.name(), make([]byte, rng.IntN(1<<rng.IntN(14))), 0)
	case 9:
		err = fs.PunchHole(c, nil, s.handle(), off, 1+uint64(rng.IntN(1<<20)))
	case 10:
		err = fs.Allocate(c, nil, s.handle(), off, 1+uint64(rng.IntN(1<<17)), rng.IntN(2) == 0)
	case 11:
		if h := s.handle(); fs.Hold(h) == nil {
			s.held = append(s.held, h)
		}
	case 12:
		err = s.release()
	case 13:
		err = fs.SyncAll()
	}
	return err
}

func (s *stirrer) release() error {
	n := len(s.held)
	if n == 0 {
		return nil
	}
	h := s.held[n-1]
	s.held = s.held[:n-1]
	return s.fs.Release(h)
}

// TestFaultAnywhere lets any metadata block fault under any operation. The engine may refuse, but what it does must stay
// whole, in memory and, when it has become read-only, at the next open. When a block is lost, because a checkpoint came upon
// it, that is remembered although its memory is well again; a new filesystem takes over.
func TestFaultAnywhere(t *testing.T) {
	testpart.NotRace(t)
	for seed := range uint64(6) {
		faultAnywhere(t, seed)
	}
}

func faultAnywhere(t *testing.T, seed uint64) {
	fs, path := faulty(t, 12<<20)
	s := &stirrer{fs: fs, rng: rand.New(rand.NewPCG(seed, 7))}
	defer func() {
		if t.Failed() {
			t.Logf("replay: faultAnywhere(t, %d)", seed)
		}
	}()
	for i := range 600 {
		if i%4 != 3 {
			_ = s.step() // it may well be refused
			continue
		}
		heal := poison(t, fs.region, s.target())
		err := inTime(t, "an operation over a fault", s.step)
		heal()
		if fs.j.Err() != nil {
			if !errors.Is(err, ErrIO) && !errors.Is(err, ErrReadOnly) {
				t.Errorf("step %d: the filesystem became read-only and the call answered %v", i, err)
			}
			s.reopen(t, path)
			fs = s.fs
		}
		if fs.j.AnyLost() {
			stillLost(t, fs, path)
			fs, path = faulty(t, 12<<20)
			s.fs, s.held = fs, nil
		}
	}
	for len(s.held) > 0 {
		if err := s.release(); err != nil {
			t.Error(err)
		}
	}
	checkFS(t, fs)
	closeFS(t, fs)
	checkImage(t, path)
}

// stillLost expects the lost blocks of a filesystem to be lost at the next open, and check to name them.
func stillLost(t *testing.T, fs *FS, path string) {
	t.Helper()
	lost := fs.j.LostBlocks()
	if err := fs.Close(); err != nil && !errors.Is(err, ErrReadOnly) {
		t.Error(err)
	}
	r, err := Check(path, CheckOptions{})
	if err != nil || r.LostBlocks != uint64(len(lost)) || len(r.Faults) < len(lost) {
		t.Errorf("check: %+v, %v, with %d lost blocks", r, err, len(lost))
	}
	again, err := Open(path, Options{NoBackground: true})
	if err != nil {
		// The inode file's own inode, or the whole of it, may be what is lost.
		if !errors.Is(err, ErrDamaged) || lost[0] != fs.super().InodeBoot {
			t.Errorf("open with lost blocks %v: %v", lost, err)
		}
		return
	}
	if got := again.j.LostBlocks(); !slices.Equal(got, lost) {
		t.Errorf("lost blocks %v, after the next open %v", lost, got)
	}
	closeFS(t, again)
}

func (s *stirrer) reopen(t *testing.T, path string) {
	t.Helper()
	if err := s.fs.Close(); !errors.Is(err, ErrReadOnly) {
		t.Errorf("close of a failed filesystem: %v", err)
	}
	checkImage(t, path)
	fs, err := Open(path, Options{NoBackground: true})
	if err != nil {
		t.Fatal(err)
	}
	s.fs, s.held = fs, nil
}

// TestTruncatedBeneath takes the file away beneath a filesystem in use: every call returns, the process lives, and Close
// ends it.
func TestTruncatedBeneath(t *testing.T) {
	testpart.NotRaceFault(t)
	for seed := range uint64(4) {
		fs, path := faulty(t, 12<<20)
		var wg sync.WaitGroup
		for w := range uint64(4) {
			s := &stirrer{fs: fs, rng: rand.New(rand.NewPCG(seed, w))}
			wg.Go(func() {
				for range 300 {
					_ = s.step()
				}
			})
		}
		if err := os.Truncate(path, int64(layout.BlockSize*(seed*100))); err != nil {
			t.Fatal(err)
		}
		if inTime(t, "the workers", func() error { wg.Wait(); return nil }) != nil {
			return
		}
		closed := inTime(t, "close", fs.Close)
		if seed == 0 && closed == nil {
			t.Error("closed cleanly over an image that is gone")
		}
	}
}
