package layout

import "testing"

// TestSumOffsets compares the offsets of checksums with SPEC.md's words.
func TestSumOffsets(t *testing.T) {
	sb := Superblock{RingBlocks: 200}
	if sb.Sums().On() || sb.Sums().Holds(JournalRing+200) {
		t.Error("an image without the feature has checksums")
	}
	sb.ROCompat = ROCompatSums
	s := sb.Sums()
	for block, want := range map[uint64]int64{
		0:                   (4 + 200) * 4096,
		7:                   (4+200)*4096 + 28,
		GroupBlocks - 1:     (4+200)*4096 + 4*32255,
		GroupBlocks:         (GroupBlocks + 1) * 4096,
		5*GroupBlocks + 100: (5*GroupBlocks+1)*4096 + 400,
	} {
		if got := s.Offset(block); got != want {
			t.Errorf("checksum of block %d is at %d, expected %d", block, got, want)
		}
		if at := BlockOf(s.Offset(block)); !s.Holds(at) {
			t.Errorf("block %d is not known to be of a table", at)
		}
	}
	for _, block := range []uint64{0, 1, 203, 236, GroupBlocks, GroupBlocks + 33} {
		if s.Holds(block) {
			t.Errorf("block %d is taken for one of a table", block)
		}
	}
}

// TestSumsBounds refuses superblocks without room for the tables.
func TestSumsBounds(t *testing.T) {
	b := make([]byte, BlockSize)
	for _, c := range []struct {
		name         string
		blocks, boot uint64
		ok           bool
	}{
		{"room", 40_000, JournalRing + MinRingBlocks + SumBlocks + 1, true},
		{"inodes in the table", 40_000, JournalRing + MinRingBlocks + SumBlocks, false},
		{"no room behind the last bitmap", GroupBlocks + 1 + SumBlocks, JournalRing + MinRingBlocks + SumBlocks + 1, false},
		{"just room", GroupBlocks + 2 + SumBlocks, JournalRing + MinRingBlocks + SumBlocks + 1, true},
	} {
		sb := Superblock{Blocks: c.blocks, RingBlocks: MinRingBlocks, Backup: c.blocks - 1, InodeBoot: c.boot, ROCompat: ROCompatSums}
		EncodeSuperblock(b, &sb)
		if _, err := DecodeSuperblock(b); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestBackupBlocks finds where mkfs puts the copy when it leaves out the blocks of a last group that is too short.
func TestBackupBlocks(t *testing.T) {
	for n, want := range map[uint64][2]uint64{
		1024:             {1023, ^uint64(0)},
		GroupBlocks:      {GroupBlocks - 1, GroupBlocks - 1},
		GroupBlocks + 20: {GroupBlocks + 19, GroupBlocks - 1},
	} {
		if got := BackupBlocks(n); got != want {
			t.Errorf("%d blocks: %d, expected %d", n, got, want)
		}
	}
}

// TestSumsCovered asks of every block of a few tables whose checksums it holds.
func TestSumsCovered(t *testing.T) {
	sb := Superblock{RingBlocks: 200, ROCompat: ROCompatSums}
	s := sb.Sums()
	for _, group := range []uint64{0, 1, 7} {
		at := group * GroupBlocks
		for i := range uint64(SumBlocks) {
			first, n := s.Covered(s.Table(group) + i)
			if first != at || n == 0 || BlockOf(s.Offset(first)) != s.Table(group)+i || BlockOf(s.Offset(first+n-1)) != s.Table(group)+i {
				t.Errorf("block %d of the table of group %d covers %d blocks from %d on", i, group, n, first)
			}
			at += n
		}
		if at != (group+1)*GroupBlocks {
			t.Errorf("the table of group %d ends at block %d", group, at)
		}
	}
	if first, n := s.Covered(GroupBlocks); first != 0 || n != 0 {
		t.Errorf("a bitmap covers %d blocks", n)
	}
}
