package data_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"pmemfs/pmemfs/internal/alloc"
	"pmemfs/pmemfs/internal/alloctest"
	"pmemfs/pmemfs/internal/data"
	"pmemfs/pmemfs/internal/layout"
)

const (
	ino     = 20
	fileMax = 96 * layout.BlockSize
)

const (
	hole state = iota
	unwritten
	written
)

// TestDataRandom does everything that changes a file's bytes, on media with and without checksums.
func TestDataRandom(t *testing.T) {
	for seed := range uint64(4) {
		rng := rand.New(rand.NewPCG(seed, 1))
		f := newFile(t, 2048)
		if seed%2 == 1 {
			f = newFileOn(t, alloctest.NewWithSums(t, 2048))
		}
		for step := range 1000 {
			off, end := randomRange(rng)
			kind := rng.IntN(8)
			f.what = fmt.Sprintf("seed %d step %d: %d on [%d, %d)", seed, step, kind, off, end)
			switch kind {
			case 0, 1, 2:
				p := make([]byte, end-off)
				for i := range p {
					p[i] = byte(rng.Uint32())
				}
				f.write(p, off)
			case 3: // small
				f.write([]byte{1, 2, 3, 4, 5}[:1+rng.IntN(5)], off)
			case 4:
				f.truncate(off)
			case 5, 6:
				f.punch(off, end)
			case 7:
				f.allocate(off, end)
			}
			f.verify(rng)
		}
		f.what = "at the end"
		f.must(f.edit(func(op *alloc.Op, in layout.Inode) error {
			in.SetSize(0)
			_, err := data.FreeFrom(op, in, 0)
			return err
		}))
		if got := f.m.Inode(ino).Blocks(); got != 0 {
			t.Errorf("an emptied file has %d blocks", got)
		}
		f.m.Verify(t)
	}
}

// fragment makes every second of n blocks of the file a hole.
func fragment(f *file, n uint64) {
	f.write(bytes.Repeat([]byte{1}, int(n)<<layout.BlockShift), 0)
	for b := uint64(1); b < n; b += 2 {
		f.punch(b<<layout.BlockShift, (b+1)<<layout.BlockShift)
	}
}

// TestDataLimits frees and allocates more extents than one operation may, which must say so and go on.
func TestDataLimits(t *testing.T) {
	f := &file{t: t, m: alloctest.New(t, 8192, false)}
	f.m.NewInode(t, ino, layout.ModeRegular)
	const n = 2*data.FreeLimit + 100
	for b := uint64(0); b < 2*n; b += 2 {
		f.must(f.edit(func(op *alloc.Op, in layout.Inode) error {
			_, err := data.Write(op, in, []byte("x"), b<<layout.BlockShift)
			in.SetSize((b + 1) << layout.BlockShift)
			return err
		}))
	}
	calls := func(step func(op *alloc.Op, in layout.Inode) (bool, error)) (count int) {
		t.Helper()
		for done := false; !done; count++ {
			f.must(f.edit(func(op *alloc.Op, in layout.Inode) (err error) {
				done, err = step(op, in)
				return err
			}))
		}
		return count
	}
	at := uint64(0)
	end := uint64(2*n) << layout.BlockShift
	if got := calls(func(op *alloc.Op, in layout.Inode) (bool, error) {
		var err error
		at, err = data.Allocate(op, in, at, end)
		return at == end, err
	}); got != (n+63)/64 {
		t.Errorf("%d operations to allocate %d holes, expected 64 holes each", got, n)
	}
	if got := calls(func(op *alloc.Op, in layout.Inode) (bool, error) { return data.Shrink(op, in, 0) }); got > 2*n/data.FreeLimit+1 {
		t.Errorf("%d operations to free %d extents", got, 2*n)
	}
	if got := f.m.Inode(ino).Blocks(); got != 0 {
		t.Errorf("%d blocks are left", got)
	}
	f.m.Verify(t)
}

// TestDataHuge touches both ends of the largest file.
func TestDataHuge(t *testing.T) {
	f := newFile(t, 2048)
	f.what = "huge"
	const at = data.SizeMax - 5
	for _, off := range []uint64{0, at} {
		f.must(f.edit(func(op *alloc.Op, in layout.Inode) error {
			_, err := data.Write(op, in, []byte("hello"), off)
			in.SetSize(off + 5)
			return err
		}))
	}
	got := make([]byte, 20)
	f.must(data.Read(f.m.J, f.m.Inode(ino), got[:5], at))
	f.must(data.Read(f.m.J, f.m.Inode(ino), got[5:], 0))
	if string(got) != "hellohello"+string(make([]byte, 10)) {
		t.Errorf("read %q", got)
	}
	next, err := data.Seek(f.m.J, f.m.Inode(ino), 4096, false)
	f.must(err)
	if next != at&^(layout.BlockSize-1) {
		t.Errorf("data after the hole at %d", next)
	}
	f.must(f.edit(func(op *alloc.Op, in layout.Inode) error {
		next, err := data.Punch(op, in, 1, data.SizeMax)
		if next != data.SizeMax {
			return fmt.Errorf("punch stopped at %d", next)
		}
		return err
	}))
	if got := f.m.Inode(ino).Blocks(); got != 2 { // the last block is not punched whole: the range ends within it
		t.Errorf("%d blocks are left", got)
	}
	f.m.Verify(t)
}

// TestDataFull fills the medium: errors are clean, what is there can be overwritten, and it all comes back.
func TestDataFull(t *testing.T) {
	f := newFile(t, layout.MinBlocks)
	f.what = "full"
	block := bytes.Repeat([]byte{7}, layout.BlockSize)
	size := uint64(0)
	tryWrite := func(p []byte, off uint64) (n int, err error) {
		err = f.edit(func(op *alloc.Op, in layout.Inode) (err error) {
			n, err = data.Write(op, in, p, off)
			in.SetSize(max(in.Size(), off+uint64(n)))
			return err
		})
		return n, err
	}
	for {
		_, err := tryWrite(block, size)
		if errors.Is(err, alloc.ErrNoSpace) {
			break
		}
		f.must(err)
		size += layout.BlockSize
	}
	before := f.m.Used()
	if _, err := tryWrite(make([]byte, 10*layout.BlockSize), size); !errors.Is(err, alloc.ErrNoSpace) {
		t.Errorf("a large write on a full medium: %v", err)
	}
	if f.m.Used() != before {
		t.Errorf("a failed write took %d blocks", f.m.Used()-before)
	}
	f.bytes, block[0] = bytes.Repeat([]byte{7}, int(size)), 8
	for off := uint64(0); off < size; {
		p := bytes.Repeat(block, 20)
		p = p[:min(uint64(len(p)), size-off)]
		n, err := tryWrite(p, off)
		f.must(err)
		copy(f.bytes[off:], p[:n])
		off += uint64(n)
	}
	got := make([]byte, size)
	f.must(data.Read(f.m.J, f.m.Inode(ino), got, 0))
	if !bytes.Equal(got, f.bytes) {
		t.Error("an overwrite on a full medium reads other bytes")
	}
	f.must(f.edit(func(op *alloc.Op, in layout.Inode) error {
		op.Frees = true
		_, err := data.FreeFrom(op, in, 0)
		return err
	}))
	f.m.Verify(t)
}

// TestDataFragmented writes over a file of many extents at once.
func TestDataFragmented(t *testing.T) {
	f := newFile(t, 2048)
	f.what = "fragmented"
	const n = fileMax / layout.BlockSize
	fragment(f, n)
	f.allocate(20<<layout.BlockShift, 30<<layout.BlockShift)
	f.write(bytes.Repeat([]byte{9}, fileMax-100), 50)
	f.verify(rand.New(rand.NewPCG(1, 9)))
	f.m.Verify(t)
}
