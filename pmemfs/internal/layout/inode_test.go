package layout

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// TestInodeFields sets every field to a value of its own and reads all of them back, so that no two overlap.
func TestInodeFields(t *testing.T) {
	in := Inode(bytes.Repeat([]byte{0xa5}, InodeSize))
	InitInode(in, 0x1111111111111111, 0x2222222222222222)
	in.SetMode(0x8fff)
	in.SetUID(0x33333333)
	in.SetGID(0x44444444)
	in.SetNlink(LinkMax)
	in.SetFlags(0x55555555)
	in.SetSize(0x6666666666666666)
	in.AddBlocks(10)
	in.AddBlocks(-3)
	in.BumpChange()
	in.BumpChange()
	in.SetAtime(-1)
	in.SetMtime(-1 << 63)
	in.SetCtime(1<<63 - 1)
	in.SetBtime(-4)
	in.SetParent(0x7777777777777777)
	in.SetRdev(0x88888888, 0x99999999)
	in.SetVerifier(0xaaaaaaaaaaaaaaaa)
	in.SetBirthEpoch(0xbbbbbbbbbbbbbbbb)
	in.SetDataRoot(0xcccccccccccccccc, 11)
	in.SetXattrRoot(0xdddddddddddddddd, 12)
	in.SetInlineCount(3)
	extents := [InlineExtents]Extent{{1, 2, 3, 4, 5}, {1 << 50, 1 << 49, ExtentMaxLen, ExtentUnwritten, 1 << 48}, {^uint64(0), ^uint64(0), ^uint32(0), ^uint32(0), ^uint64(0)}}
	for i, e := range extents {
		in.SetInlineExtent(i, e)
	}
	in.Seal()
	major, minor := in.Rdev()
	data, dataHeight := in.DataRoot()
	attrs, attrHeight := in.XattrRoot()
	got := []any{in.Ino(), in.Gen(), in.Mode(), in.UID(), in.GID(), in.Nlink(), in.Flags(), in.Size(), in.Blocks(), in.Change(),
		in.Atime(), in.Mtime(), in.Ctime(), in.Btime(), in.Parent(), major, minor, in.Verifier(), in.BirthEpoch(), data, dataHeight,
		attrs, attrHeight, in.InlineCount(), in.IsDir(), in.Free(), in.Unused(), in.Sealed(in.Ino()), in.Sealed(1)}
	want := []any{uint64(0x1111111111111111), uint64(0x2222222222222222), uint16(0x8fff), uint32(0x33333333), uint32(0x44444444),
		uint32(LinkMax), uint32(0x55555555), uint64(0x6666666666666666), uint64(7), uint64(2), int64(-1), int64(-1 << 63), int64(1<<63 - 1),
		int64(-4), uint64(0x7777777777777777), uint32(0x88888888), uint32(0x99999999), uint64(0xaaaaaaaaaaaaaaaa), uint64(0xbbbbbbbbbbbbbbbb),
		uint64(0xcccccccccccccccc), uint8(11), uint64(0xdddddddddddddddd), uint8(12), 3, false, false, false, true, false}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("field %d is %v, expected %v", i, got[i], want[i])
		}
	}
	for i, e := range extents {
		if got := in.InlineExtent(i); got != e {
			t.Errorf("inline extent %d is %+v, expected %+v", i, got, e)
		}
	}
}

// TestInodeFlips flips each bit of a sealed inode.
func TestInodeFlips(t *testing.T) {
	in := Inode(randomBytes(rand.New(rand.NewPCG(1, 1)), InodeSize))
	InitInode(in, 99, 3)
	in.SetMode(ModeDir)
	in.Seal()
	for bit := range InodeSize * 8 {
		in[bit/8] ^= 1 << (bit % 8)
		if in.Sealed(99) {
			t.Errorf("bit %d flipped goes unnoticed", bit)
		}
		in[bit/8] ^= 1 << (bit % 8)
	}
	if !in.Sealed(99) || !in.IsDir() {
		t.Error("what was flipped back is not as it was")
	}
	if zero := Inode(make([]byte, InodeSize)); !zero.Unused() || !zero.Free() || zero.Sealed(0) {
		t.Error("a zeroed slot is not unused")
	}
}
