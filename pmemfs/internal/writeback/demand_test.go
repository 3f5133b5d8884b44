package writeback

import (
	"testing"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/volumetest"
)

// TestDemand counts each block once, however often it is written to, and gives the reservation back with the flush.
func TestDemand(t *testing.T) {
	f := open(t, false)
	ino, gen := volumetest.File(t, f.v)
	for range 5 {
		f.write(ino, gen, []byte("x"), 0)
		f.write(ino, gen, make([]byte, 2*layout.BlockSize), layout.BlockSize/2)
	}
	d := f.b.Of(ino)
	if d.fresh != 3 || d.splits != 0 || d.reserved != 3 || f.v.Alloc.Reserved() != 3 {
		t.Errorf("demand %+v, %d reserved of %d", d.demand, d.reserved, f.v.Alloc.Reserved())
	}
	if err := f.b.FlushAll(); err != nil || f.v.Alloc.Reserved() != 0 || f.b.Dirty() || f.b.Bytes() != 0 {
		t.Errorf("flush: %v, %d reserved, %d bytes", err, f.v.Alloc.Reserved(), f.b.Bytes())
	}
	f.write(ino, gen, make([]byte, 3*layout.BlockSize), 0)
	if d := f.b.Of(ino); d.fresh != 0 || d.reserved != 0 {
		t.Errorf("blocks that the file has: demand %+v, %d reserved", d.demand, d.reserved)
	}
	f.b.Drop(ino)
	if f.b.Dirty() || f.v.Alloc.Reserved() != 0 {
		t.Error("a dropped buffer is still there")
	}
}

// TestNodesReserved asks for nodes as soon as the extents do not fit the inode.
func TestNodesReserved(t *testing.T) {
	in := make(layout.Inode, layout.InodeSize)
	layout.InitInode(in, 20, 1)
	for _, c := range []struct {
		d    demand
		want int64
	}{{demand{}, 0}, {demand{fresh: 3}, 3}, {demand{fresh: 4}, 5}, {demand{fresh: 400}, 411}, {demand{splits: 1}, 0}, {demand{splits: 40}, 3}} {
		if got := c.d.blocksFor(in); got != c.want {
			t.Errorf("%+v takes %d blocks, expected %d", c.d, got, c.want)
		}
	}
}
