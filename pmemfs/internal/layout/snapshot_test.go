package layout

import (
	"bytes"
	"testing"
)

// FuzzSnapshot decodes what snapshots have from any bytes. What is accepted encodes to what it was, but for what is reserved.
func FuzzSnapshot(f *testing.F) {
	line := EncodeSnapshot(&Snapshot{Epoch: 3, Time: 5, Blocks: 7, Inodes: 9, Name: "name", Text: "text", Holds: []string{"a", "bc"}})
	table := EncodeTable(&Table{Epoch: 4, Shards: 99, Count: 8, Rollback: 2, Next: 17})
	kept := EncodeKept(&Kept{Start: 5, Len: 3, Birth: 2, Owner: 17})
	shard := EncodeShard(&Shard{1, 2, 3, 4, 5, 6, 7})
	for _, b := range [][]byte{line, table, kept[:], shard[:], nil} {
		f.Add(uint64(3), b)
	}
	f.Fuzz(func(t *testing.T, epoch uint64, b []byte) {
		if x, ok := DecodeSnapshot(epoch, b); ok {
			again := EncodeSnapshot(&x)
			clear(b[28:32])
			if !bytes.Equal(again, b) || !SnapshotName(x.Name) || x.Epoch > EpochMax || len(x.Holds) > HoldsMax || len(x.Text) > SnapshotTextMax {
				t.Errorf("a snapshot of %+v", x)
			}
		}
		if x, ok := DecodeTable(b); ok {
			clear(b[20:24])
			if !bytes.Equal(EncodeTable(&x), b) || x.Epoch == 0 || x.Count == 0 || x.Count > ShardsMax {
				t.Errorf("a state of %+v", x)
			}
		}
		if x, ok := DecodeKept(b); ok {
			if again := EncodeKept(&x); !bytes.Equal(again[:], b) || x.Birth == 0 || (x.Len == 0) != (x.Flags&KeptInode != 0) {
				t.Errorf("an entry of %+v", x)
			}
		}
		var block [BlockSize]byte
		copy(block[ShardSize:], b)
		for i := range ShardsMax {
			x := ShardTable(block[:]).Shard(i)
			if again := EncodeShard(&x); ShardTable(block[:]).Shard(i) != decoded(again) {
				t.Errorf("a shard of %+v", x)
			}
		}
		ino, until := KeptInodeOf(epoch)
		if until > EpochMax || KeptInodeKey(ino, until) != epoch {
			t.Errorf("%#x is of inode %d until %d", epoch, ino, until)
		}
		until, number := KeptBlockOf(epoch)
		if until > EpochMax || KeptBlockKey(until, number) != epoch {
			t.Errorf("%#x is of epoch %d and number %d", epoch, until, number)
		}
	})
}

// decoded returns what a line of a shard table says.
func decoded(line [ShardSize]byte) Shard {
	var block [BlockSize]byte
	copy(block[ShardOffset(0):], line[:])
	return ShardTable(block[:]).Shard(0)
}

func TestShardOf(t *testing.T) {
	var found [ShardsMax]int
	for ino := range uint64(3200) {
		i := ShardOf(ino, ShardsMax)
		found[i]++
		if ShardOf(ino, 1) != 0 || ShardOf(ino, 8) != i%8 {
			t.Fatalf("inode %d is in shard %d", ino, i)
		}
	}
	for i, n := range found {
		if n < 50 || n > 200 {
			t.Errorf("shard %d has %d of 3200 inodes", i, n)
		}
	}
}
