package writeback

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"pmemfs/pmemfs/internal/layout"
)

// TestBufferModel adds random pieces to a buffer and to a plain array, and compares them: every byte that was written is there once, as
// last written, the runs ascend and do not touch one another, unless they are too long to be joined.
func TestBufferModel(t *testing.T) {
	const size = 60_000
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 1))
		f := &Buffer{}
		model, written := make([]byte, size), make([]bool, size)
		total := int64(0)
		for step := range 150 {
			n := 1 + rng.IntN(3000)
			off := rng.IntN(size - n)
			p := make([]byte, n)
			for i := range p {
				p[i], written[off+i] = byte(rng.IntN(256)), true
			}
			copy(model[off:], p)
			total += f.add(p, uint64(off))
			clear(p) // the buffer has a copy
			if !agrees(t, f, model, written, total) {
				t.Fatalf("seed %d, step %d", seed, step)
			}
		}
	}
}

// agrees compares a buffer with what was written.
func agrees(t *testing.T, f *Buffer, model []byte, written []bool, total int64) bool {
	t.Helper()
	var at uint64
	sum := int64(0)
	for i, r := range f.runs {
		if i > 0 && r.off <= at {
			t.Errorf("run %d begins at %d, the one before ends at %d", i, r.off, at)
		}
		for ; at < r.off; at++ {
			if written[at] {
				t.Errorf("byte %d is missing", at)
				return false
			}
		}
		if !bytes.Equal(r.p, model[r.off:r.end()]) {
			t.Errorf("run %d is not what was written", i)
		}
		at, sum = r.end(), sum+int64(len(r.p))
	}
	for b := range uint64(len(model) / layout.BlockSize) {
		any := false
		for _, w := range written[b*layout.BlockSize : (b+1)*layout.BlockSize] {
			any = any || w
		}
		if f.covers(b) != any {
			t.Errorf("block %d: covers says %v", b, !any)
		}
	}
	if sum != total || sum != f.bytes {
		t.Errorf("%d bytes, the buffer says %d, and grew by %d", sum, f.bytes, total)
	}
	return !t.Failed()
}

// TestBufferJoin appends to a run until it is too long to be joined: the next one begins behind it.
func TestBufferJoin(t *testing.T) {
	f := &Buffer{}
	piece := make([]byte, WriteMax)
	for off := uint64(0); off < 2*joinMax; off += WriteMax {
		f.add(piece, off)
	}
	if len(f.runs) != 2 || len(f.runs[0].p) != joinMax || f.runs[1].off != joinMax {
		t.Errorf("%d runs, the first has %d bytes", len(f.runs), len(f.runs[0].p))
	}
}

// TestOverlay shows an inode as the writes have left it, and leaves it alone once their attributes are on the medium.
func TestOverlay(t *testing.T) {
	in, out := make(layout.Inode, layout.InodeSize), make(layout.Inode, layout.InodeSize)
	layout.InitInode(in, 20, 1)
	in.SetMode(layout.ModeRegular | layout.ModeSetUID | 0o755)
	in.SetSize(100)
	f := &Buffer{writes: 3, end: 5000, now: 77, killSetID: true, demand: demand{fresh: 2}}
	f.Overlay(out, in)
	if out.Size() != 5000 || out.Mode() != layout.ModeRegular|0o755 || out.Mtime() != 77 || out.Ctime() != 77 || out.Change() != in.Change()+3 || out.Blocks() != 2 {
		t.Errorf("size %d, mode %o, times %d %d, change %d, blocks %d", out.Size(), out.Mode(), out.Mtime(), out.Ctime(), out.Change(), out.Blocks())
	}
	f.writes = 0
	f.Overlay(out, in)
	if !bytes.Equal(out, in) {
		t.Error("flushed attributes are changed again")
	}
}
