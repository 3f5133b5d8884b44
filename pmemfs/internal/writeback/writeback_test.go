package writeback

import (
	"testing"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/volumetest"
)

// TestRunsBounded writes pieces that do not touch: the one too many is refused, and the file flushed.
func TestRunsBounded(t *testing.T) {
	f := open(t, false)
	ino, gen := volumetest.File(t, f.v)
	for i := range uint64(RunsMax) {
		f.write(ino, gen, []byte{1}, 2*i)
	}
	if n := len(f.b.Of(ino).runs); n != RunsMax {
		t.Errorf("%d runs", n)
	}
	before, after := make(layout.Inode, layout.InodeSize), make(layout.Inode, layout.InodeSize)
	ok, err := f.b.Write(f.inode(ino, gen), []byte{1}, 2*RunsMax, 7, false, before, after)
	if ok || err != nil || f.b.Dirty() || f.inode(ino, gen).Size() != 2*RunsMax-1 {
		t.Errorf("one too many: %v, %v, size %d", ok, err, f.inode(ino, gen).Size())
	}
}

// TestSpaceBounded writes more than is free: what was buffered fits, and the rest is refused.
func TestSpaceBounded(t *testing.T) {
	f := open(t, false)
	ino, gen := volumetest.File(t, f.v)
	before, after := make(layout.Inode, layout.InodeSize), make(layout.Inode, layout.InodeSize)
	verifier, free := f.b.Verifier(), f.v.Alloc.Blocks.Avail()
	n := int64(0)
	for ok := true; ok; n++ {
		var err error
		if ok, err = f.b.Write(f.inode(ino, gen), make([]byte, 16*layout.BlockSize), uint64(n)*16*layout.BlockSize, 7, false, before, after); err != nil {
			t.Fatal(err)
		}
	}
	if 16*n < free*9/10 || 16*n > free {
		t.Errorf("%d blocks were buffered, %d were free", 16*n, free)
	}
	if f.b.Verifier() != verifier || f.v.Alloc.Blocks.Avail() < f.v.Alloc.EmergencyReserve()/2 {
		t.Errorf("something was lost, or the reserve was used: %d blocks are free", f.v.Alloc.Blocks.Avail())
	}
}

// TestBufferOfAnother writes to a new file whose number had a file with a buffer: that is dropped.
func TestBufferOfAnother(t *testing.T) {
	f := open(t, false)
	ino, gen := volumetest.File(t, f.v)
	f.write(ino, gen, []byte("old"), 0)
	f.b.Of(ino).gen++
	f.write(ino, gen, []byte("n"), 0)
	if d := f.b.Of(ino); d.Gen() != gen || f.b.Bytes() != 1 || f.v.Alloc.Reserved() != 1 {
		t.Errorf("generation %d, %d bytes, %d blocks reserved", d.Gen(), f.b.Bytes(), f.v.Alloc.Reserved())
	}
}
