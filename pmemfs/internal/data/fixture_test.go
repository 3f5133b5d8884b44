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

// state is what a file block is.
type state byte
