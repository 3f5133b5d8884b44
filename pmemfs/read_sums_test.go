package pmemfs

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"

	"pmemfs/pmemfs/internal/extent"
	"pmemfs/pmemfs/internal/layout"
)

// summed is a filesystem with checksums of data and a file of random bytes in many blocks, its window empty.
type summed struct {
	*bench
	data []byte
	phys []uint64 // of each block of the file
}

func newSummed(t *testing.T) *summed {
	s := &summed{bench: newBench(t, 32<<20), data: make([]byte, 40*layout.BlockSize+1000)}
	rng := rand.New(rand.NewPCG(1, 11))
	for i := range s.data {
		s.data[i] = byte(rng.Uint32())
	}
	s.file = s.create(s.root, "file")
	s.put(s.data[:30*layout.BlockSize], 0) // in bulk
	for off := 30 * layout.BlockSize; off < len(s.data); off += 999 {
		s.put(s.data[off:min(off+999, len(s.data))], off) // through the journal
	}
	s.must(s.SyncAll())
	s.phys = s.blocksOf(s.file)
	return s
}

func (s *summed) put(p []byte, off int) {
	s.t.Helper()
	_, _, err := s.Write(superuser, nil, s.file, p, uint64(off))
	s.must(err)
}

// blocksOf returns the image blocks of a file that has no holes.
func (s *summed) blocksOf(h Handle) (list []uint64) {
	in, err := s.inodes.View(nil, h.Ino)
	s.must(err)
	m := extent.Open(s.j, nil, in)
	for b := uint64(0); ; b++ {
		e, ok, err := m.Next(b)
		s.must(err)
		if !ok {
			return list
		}
		list = append(list, e.Phys+b-e.Logical)
	}
}

// flip changes a bit on the medium behind the filesystem's back and returns what undoes it.
func flip(fs *FS, off int64) (undo func()) {
	change := func() { fs.region.Write(off, []byte{fs.region.Bytes()[off] ^ 4}) }
	change()
	return change
}

func (s *summed) wantDamage(err error, block int) {
	s.t.Helper()
	var sum *ChecksumError
	if !errors.Is(err, ErrIO) || !errors.As(err, &sum) {
		s.t.Fatalf("%v, expected a checksum error", err)
	}
	if sum.Ino != s.file.Ino || sum.Off != uint64(block)*layout.BlockSize || sum.Block != s.phys[block] {
		s.t.Errorf("%v, expected block %d of inode %d at %d", err, block, s.file.Ino, s.phys[block])
	}
}

// TestSumsOnRead damages each block of a file, and each checksum, in turn: what touches the block answers EIO, all else reads
// as ever.
func TestSumsOnRead(t *testing.T) {
	s := newSummed(t)
	got := make([]byte, len(s.data))
	for b, phys := range s.phys {
		offsets := []int64{layout.BlockOffset(phys), layout.BlockOffset(phys+1) - 1, s.super().Sums().Offset(phys), s.super().Sums().Offset(phys) + 3}
		undo := flip(s.FS, offsets[b%len(offsets)])
		lo, hi := b*layout.BlockSize, min((b+1)*layout.BlockSize, len(s.data))
		for _, r := range [][2]int{{lo, len(s.data)}, {lo, hi}, {lo + 10, lo + 20}, {hi - 1, len(s.data)}} {
			n, _, err := s.Read(superuser, nil, s.file, got[:r[1]-r[0]], uint64(r[0]))
			s.wantDamage(err, b)
			if n != 0 {
				t.Errorf("block %d: %d bytes besides the error", b, n)
			}
		}
		if n, eof, err := s.Read(superuser, nil, s.file, got, 0); b > 0 && (err != nil || eof || n != lo || !bytes.Equal(got[:n], s.data[:n])) {
			t.Errorf("block %d: %d bytes before it, %v, %v", b, n, eof, err)
		}
		for _, r := range [][2]int{{0, lo}, {hi, len(s.data)}} {
			if _, _, err := s.Read(superuser, nil, s.file, got[r[0]:r[1]], uint64(r[0])); err != nil || !bytes.Equal(got[r[0]:r[1]], s.data[r[0]:r[1]]) {
				t.Errorf("block %d is damaged, [%d, %d) reads other bytes: %v", b, r[0], r[1], err)
			}
		}
		if r, err := s.Check(); err != nil || len(r.Faults) != 1 {
			t.Errorf("block %d: check finds %v, %v", b, r, err)
		}
		undo()
	}
	if _, _, err := s.Read(superuser, nil, s.file, got, 0); err != nil || !bytes.Equal(got, s.data) {
		t.Errorf("the healthy file: %v", err)
	}
}

// TestSumsOnChange changes a part of a damaged block, which must not make the damage look right, and all of it, which
// ends it.
func TestSumsOnChange(t *testing.T) {
	s := newSummed(t)
	const b = 7
	off := uint64(b * layout.BlockSize)
	block := layout.BlockOffset(s.phys[b])
	setSize := func(n uint64) error {
		_, err := s.Setattr(superuser, nil, s.file, &SetAttr{Mask: SetSize, Size: n})
		return err
	}
	_, _, err := s.Write(superuser, nil, s.file, []byte("x"), off+1)
	s.must(err)
	undo := flip(s.FS, block+5) // among the bytes that stay
	for what, change := range map[string]func() error{
		"small write": func() error { _, _, err := s.Write(superuser, nil, s.file, []byte("y"), off+1); return err },
		"large write": func() error {
			_, _, err := s.Write(superuser, nil, s.file, make([]byte, 2*layout.BlockSize), off+1)
			return err
		},
		"truncate":        func() error { return setSize(off + 100) },
		"punch":           func() error { return s.PunchHole(superuser, nil, s.file, off+1, 100) },
		"punch the end":   func() error { return s.PunchHole(superuser, nil, s.file, off-layout.BlockSize, layout.BlockSize+100) },
		"punch the begin": func() error { return s.PunchHole(superuser, nil, s.file, off+100, 2*layout.BlockSize) },
	} {
		err := change()
		t.Log(what)
		s.wantDamage(err, b)
	}
	a, err := s.Getattr(nil, s.file)
	if s.must(err); a.Size != uint64(len(s.data)) {
		t.Errorf("what was refused has changed the size to %d", a.Size)
	}
	undo()
	flip(s.FS, block+5)
	_, _, err = s.Write(superuser, nil, s.file, make([]byte, layout.BlockSize), off)
	s.must(err)
	got := make([]byte, layout.BlockSize)
	if _, _, err := s.Read(superuser, nil, s.file, got, off); err != nil || !bytes.Equal(got, make([]byte, layout.BlockSize)) {
		t.Errorf("a block that was written anew: %v", err)
	}
	flip(s.FS, layout.BlockOffset(s.phys[b+1]))
	s.must(s.PunchHole(superuser, nil, s.file, off+layout.BlockSize, layout.BlockSize))
	flip(s.FS, layout.BlockOffset(s.phys[b+2]))
	s.must(setSize(off + 2*layout.BlockSize))
	flip(s.FS, layout.BlockOffset(s.phys[0]))
	s.must(s.Unlink(superuser, nil, s.root, []byte("file")))
}

// TestSumsOfTargets damages the block of a symbolic link's target.
func TestSumsOfTargets(t *testing.T) {
	s := newSummed(t)
	target := bytes.Repeat([]byte("t"), 300)
	a, err := s.Symlink(superuser, nil, s.root, []byte("link"), target, nil)
	s.must(err)
	undo := flip(s.FS, layout.BlockOffset(s.blocksOf(a.Handle)[0])+100)
	if _, err := s.Readlink(nil, a.Handle); !errors.Is(err, ErrIO) {
		t.Errorf("a damaged target: %v", err)
	}
	undo()
	if got, err := s.Readlink(nil, a.Handle); err != nil || !bytes.Equal(got, target) {
		t.Errorf("a target: %q, %v", got, err)
	}
}

// TestSumsAfterCrash overwrites a file without a checkpoint and replays the window over media that hold the old checksums.
func TestSumsAfterCrash(t *testing.T) {
	s := newSummed(t)
	sure := shadowMedium(s.FS)
	for off := 0; off < len(s.data)-6000; off += 5000 {
		p := bytes.Repeat([]byte{byte(off)}, 1+off%6000)
		s.put(p, off)
		copy(s.data[off:], p)
	}
	for seed := range uint64(5) {
		medium := powerCut(s.FS, sure, seed)
		checkMedium(t, medium)
		again := mountBytes(t, medium)
		got := make([]byte, len(s.data))
		if _, _, err := again.Read(superuser, nil, s.file, got, 0); err != nil || !bytes.Equal(got, s.data) {
			t.Errorf("seed %d: after a power cut: %v", seed, err)
		}
		closeFS(t, again)
	}
}
