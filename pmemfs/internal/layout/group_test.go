package layout

import (
	"fmt"
	"math/bits"
	"math/rand/v2"
	"testing"
)

// naiveBits is a bitmap as a child would keep it.
type naiveBits [GroupBits]bool

func (n *naiveBits) compare(t *testing.T, b []byte, what string) {
	t.Helper()
	used := 0
	for i, set := range n {
		if BitmapTest(b, i) != set {
			t.Fatalf("%s: bit %d is %v", what, i, !set)
		}
		if set {
			used++
		}
		if got := BitmapWord(b, i/64)>>(i%64)&1 == 1; got != set {
			t.Fatalf("%s: bit %d of word %d is %v", what, i%64, i/64, got)
		}
	}
	if BitmapUsed(b) != used {
		t.Fatalf("%s: %d used, expected %d", what, BitmapUsed(b), used)
	}
}

func TestBitmapSetClear(t *testing.T) {
	const seed = 1
	rng := rand.New(rand.NewPCG(seed, 0))
	b, model := make([]byte, BlockSize), new(naiveBits)
	InitBitmap(b, KindBlocks, 7)
	for step := range 300 {
		start := rng.IntN(GroupBits)
		n := 1 + rng.IntN(min(GroupBits-start, 1<<rng.IntN(15)))
		set := rng.IntN(2) == 0
		if set {
			BitmapSet(b, start, n)
		} else {
			BitmapClear(b, start, n)
		}
		for i := start; i < start+n; i++ {
			model[i] = set
		}
		model.compare(t, b, fmt.Sprintf("seed %d step %d: [%d,+%d) %v", seed, step, start, n, set))
	}
	if !BitmapIs(b, KindBlocks, 7) || BitmapIs(b, KindInodes, 7) || BitmapIs(b, KindBlocks, 6) {
		t.Error("the header does not say what the bitmap is")
	}
}

func TestBitmapSetWhole(t *testing.T) {
	b := make([]byte, BlockSize)
	InitBitmap(b, KindInodes, 0)
	BitmapSet(b, 0, GroupBits)
	if BitmapUsed(b) != GroupBits || !allZero(b[24:bitmapHeader]) {
		t.Error("setting every bit does not set every bit, or more")
	}
}

func TestWordMask(t *testing.T) {
	for w := range 3 {
		for start := range 192 {
			for n := range 200 - start {
				want := uint64(0)
				for i := max(start, w*64); i < min(start+n, w*64+64); i++ {
					want |= 1 << (i - w*64)
				}
				if got := WordMask(w, start, n); got != want {
					t.Fatalf("WordMask(%d, %d, %d) = %#x, expected %#x", w, start, n, got, want)
				}
			}
		}
	}
}

// TestGroups walks the block numbers around group edges.
func TestGroups(t *testing.T) {
	for _, x := range []struct{ blocks, groups uint64 }{
		{1, 1}, {GroupBlocks, 1}, {GroupBlocks + 1, 2}, {3 * GroupBlocks, 3}, {MaxBlocks, (MaxBlocks-1)/GroupBlocks + 1},
	} {
		if got := GroupCount(x.blocks); got != x.groups {
			t.Errorf("%d groups for %d blocks, expected %d", got, x.blocks, x.groups)
		}
	}
	for g, want := range map[uint64]uint64{0: 1, 1: GroupBlocks, 2: 2 * GroupBlocks} {
		if got := BitmapBlock(g); got != want || got/GroupBlocks != g {
			t.Errorf("bitmap of group %d is block %d, expected %d", g, got, want)
		}
	}
	if BlockOffset(GroupBlocks)%(2<<20) != 0 {
		t.Error("groups are not 2 MiB aligned")
	}
}

// TestInodeFile checks the numbering of inodes at the edges of inode groups against a walk over all blocks.
func TestInodeFile(t *testing.T) {
	ino := uint64(0)
	for block := uint64(0); block < 3*InodeGroupBlocks+5; block++ {
		if block%InodeGroupBlocks == 0 {
			if c := block / InodeGroupBlocks; InodeGroupBitmap(c) != block || c != ino/GroupBits {
				t.Fatalf("bitmap of inode group %d is block %d, expected %d", c, InodeGroupBitmap(c), block)
			}
		} else {
			for i := range uint64(InodesPerBlk) {
				if b, off := InodeFileBlock(ino); b != block || off != int64(i)*InodeSize {
					t.Fatalf("inode %d is at block %d byte %d, expected %d, %d", ino, b, off, block, i*InodeSize)
				}
				ino++
			}
		}
		if got := InodeCapacity(block + 1); got != ino {
			t.Fatalf("%d blocks hold %d inodes, expected %d", block+1, got, ino)
		}
	}
	if InodeCapacity(0) != 0 {
		t.Error("an empty inode file holds inodes")
	}
	if b, _ := InodeFileBlock(1 << 55); b < 1<<51 {
		t.Errorf("a huge number is at block %d: overflow", b)
	}
}

func TestBlockArithmetic(t *testing.T) {
	for _, n := range []uint64{0, 1, 4095, 4096, 4097, 1 << 62, 1<<63 - 1, ^uint64(0), ^uint64(0) - 4095} {
		sum, carry := bits.Add64(n, BlockSize-1, 0)
		want := sum>>BlockShift | carry<<(64-BlockShift)
		if got := BlocksFor(n); got != want {
			t.Errorf("%d bytes take %d blocks, expected %d", n, got, want)
		}
	}
	for _, b := range []uint64{0, 1, 12345, MaxBlocks - 1} {
		if got := BlockOf(BlockOffset(b) + BlockSize - 1); got != b || BlockOffset(b) < 0 {
			t.Errorf("block %d: its last byte is in block %d", b, got)
		}
	}
}
