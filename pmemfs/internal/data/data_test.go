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

// state is what a file block is.
type state byte

const (
	hole state = iota
	unwritten
	written
)

// file is a file on a medium beside its bytes and the states of its blocks.
type file struct {
	t      *testing.T
	m      *alloctest.Medium
	bytes  []byte // as long as the file
	states [fileMax / layout.BlockSize]state
	what   string
}

func newFile(t *testing.T, blocks uint64) *file { return newFileOn(t, alloctest.New(t, blocks, false)) }

func newFileOn(t *testing.T, m *alloctest.Medium) *file {
	f := &file{t: t, m: m}
	f.m.NewInode(t, ino, layout.ModeRegular)
	return f
}

func (f *file) edit(change func(op *alloc.Op, in layout.Inode) error) error {
	return f.m.Try(func(op *alloc.Op) error { return change(op, op.Tx.Inode(alloctest.InodeOffset(ino))) })
}

func (f *file) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatalf("%s: %v", f.what, err)
	}
}

func (f *file) grow(size int) {
	if size > len(f.bytes) {
		f.bytes = append(f.bytes, make([]byte, size-len(f.bytes))...)
	}
}

func (f *file) write(p []byte, off uint64) {
	f.t.Helper()
	for len(p) > 0 {
		n := 0
		f.must(f.edit(func(op *alloc.Op, in layout.Inode) (err error) {
			n, err = data.Write(op, in, p, off)
			in.SetSize(max(in.Size(), off+uint64(n)))
			return err
		}))
		if n <= 0 || n > len(p) {
			f.t.Fatalf("%s: %d of %d bytes written", f.what, n, len(p))
		}
		end := off + uint64(n)
		f.grow(int(end))
		copy(f.bytes[off:], p[:n])
		for b := off >> layout.BlockShift; b < layout.BlocksFor(end); b++ {
			f.states[b] = written
		}
		p, off = p[n:], end
	}
}

func (f *file) truncate(size uint64) {
	f.t.Helper()
	f.must(f.edit(func(op *alloc.Op, in layout.Inode) error {
		if size < in.Size() {
			if done, err := data.Shrink(op, in, size); !done || err != nil {
				return errors.Join(err, fmt.Errorf("done: %v", done))
			}
		}
		in.SetSize(size)
		return nil
	}))
	if size < uint64(len(f.bytes)) {
		clear(f.states[layout.BlocksFor(size):])
	}
	f.bytes = f.bytes[:min(int(size), len(f.bytes))]
	f.grow(int(size))
}

func (f *file) punch(off, end uint64) {
	f.t.Helper()
	for at := off; at < end; {
		f.must(f.edit(func(op *alloc.Op, in layout.Inode) (err error) {
			next, err := data.Punch(op, in, at, end)
			if err == nil && next <= at {
				f.t.Fatalf("%s: punch goes on at %d after %d", f.what, next, at)
			}
			at = next
			return err
		}))
	}
	if off < uint64(len(f.bytes)) {
		clear(f.bytes[off:min(end, uint64(len(f.bytes)))])
	}
	for b := layout.BlocksFor(off); b < end>>layout.BlockShift; b++ {
		f.states[b] = hole
	}
}

func (f *file) allocate(off, end uint64) {
	f.t.Helper()
	for at := off; at < end; {
		f.must(f.edit(func(op *alloc.Op, in layout.Inode) (err error) {
			at, err = data.Allocate(op, in, at, end)
			return err
		}))
	}
	for b := off >> layout.BlockShift; b < layout.BlocksFor(end); b++ {
		if f.states[b] == hole {
			f.states[b] = unwritten
		}
	}
}

// verify reads all of it, a part of it, seeks from everywhere, and counts the blocks.
func (f *file) verify(rng *rand.Rand) {
	f.t.Helper()
	in := f.m.Inode(ino)
	if in.Size() != uint64(len(f.bytes)) {
		f.t.Fatalf("%s: size %d, expected %d", f.what, in.Size(), len(f.bytes))
	}
	from := rng.IntN(len(f.bytes) + 1)
	for _, r := range [][2]int{{0, len(f.bytes)}, {from, from + rng.IntN(len(f.bytes)-from+1)}} {
		got := bytes.Repeat([]byte{0xee}, r[1]-r[0])
		f.must(data.Read(f.m.J, in, got, uint64(r[0])))
		if !bytes.Equal(got, f.bytes[r[0]:r[1]]) {
			f.t.Fatalf("%s: [%d, %d) reads other bytes", f.what, r[0], r[1])
		}
	}
	for range 4 {
		f.seek(uint64(rng.IntN(len(f.bytes) + 1)))
	}
	allocated := uint64(0)
	for _, s := range f.states {
		if s != hole {
			allocated++
		}
	}
	if _, height := in.DataRoot(); height == 0 && in.Blocks() != allocated || in.Blocks() < allocated {
		f.t.Fatalf("%s: %d blocks, expected %d", f.what, in.Blocks(), allocated)
	}
}

func (f *file) seek(off uint64) {
	f.t.Helper()
	for _, forHole := range []bool{false, true} {
		want := off
		for want < uint64(len(f.bytes)) && (f.states[want>>layout.BlockShift] != written) != forHole {
			want = (want>>layout.BlockShift + 1) << layout.BlockShift
		}
		want = min(want, uint64(len(f.bytes)))
		got, err := data.Seek(f.m.J, f.m.Inode(ino), off, forHole)
		f.must(err)
		if got != want {
			f.t.Fatalf("%s: seek from %d, for a hole %v: %d, expected %d", f.what, off, forHole, got, want)
		}
	}
}

func randomRange(rng *rand.Rand) (off, end uint64) {
	n := 1 + rng.IntN(1<<(1+rng.IntN(18)))
	off = uint64(rng.IntN(fileMax - min(n, fileMax-1)))
	if rng.IntN(3) == 0 {
		off &^= layout.BlockSize - 1
	}
	if end = min(off+uint64(n), fileMax); rng.IntN(3) == 0 {
		end = min(layout.BlocksFor(end)<<layout.BlockShift, fileMax)
	}
	return off, end
}

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
