package writeback

import (
	"testing"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/media"
	"pmemfs/pmemfs/internal/volume"
	"pmemfs/pmemfs/internal/volumetest"
)

// fixture is a volume in memory and its buffers.
type fixture struct {
	t *testing.T
	v *volume.Volume
	b *Buffers
}

func open(t *testing.T, background bool) *fixture {
	t.Helper()
	v := volumetest.New(t, 4096)
	health := media.New(v)
	if err := health.Open(); err != nil {
		t.Fatal(err)
	}
	f := &fixture{t, v, New(v, health, background)}
	t.Cleanup(f.b.End)
	return f
}

// inode returns a file's inode.
func (f *fixture) inode(ino, gen uint64) layout.Inode {
	f.t.Helper()
	in, err := f.v.Inodes.Get(nil, ino, gen)
	if err != nil {
		f.t.Fatal(err)
	}
	return in
}

// write buffers p, and fails the test if that was refused.
func (f *fixture) write(ino, gen uint64, p []byte, off uint64) (after layout.Inode) {
	f.t.Helper()
	before, after := make(layout.Inode, layout.InodeSize), make(layout.Inode, layout.InodeSize)
	s := f.v.Stripe(ino)
	s.Lock()
	defer s.Unlock()
	if ok, err := f.b.Write(f.inode(ino, gen), p, off, 7, false, before, after); !ok || err != nil {
		f.t.Fatalf("write: %v, %v", ok, err)
	}
	return after
}
