package pmemfs

import (
	"errors"
	"fmt"
	"testing"

	"pmemfs/pmemfs/internal/layout"
)

// TestScrubFindsSnapshots damages everything that snapshots have, one at a time: a scrub names it and the snapshots, and nothing else.
func TestScrubFindsSnapshots(t *testing.T) {
	bothWays(t, func(t *testing.T, sums bool) {
		s := snapped(t, false, sums)
		fs := mountBytes(t, s.medium)
		if r := mustScrub(t, fs, ScrubOptions{}); !r.Clean() {
			t.Fatalf("healthy: %+v", r.Findings)
		}
		must(t, fs.SyncAll())
		s.medium = fs.region.Bytes() // it has moved on
		state, _ := s.shards()
		table, inodes, blocks := s.leaf(layout.SnapshotIno), uint64(0), uint64(0)
		inodes, _, _ = s.pastInode(s.plain)
		blocks, _, _ = s.pastRun(s.plain, 0)
		_, _, node := s.pastRun(s.dir, layout.KeptMeta)
		for _, d := range []target{
			{"inode 7", s.at(layout.SnapshotIno) + 50, false},
			{nodeObject(table, "snapshots", layout.SnapshotIno), layout.BlockOffset(table) + 4000, false},
			{"shard table of snapshots", layout.BlockOffset(state.Shards) + 900, false},
			{nodeObject(inodes, "inodes that snapshots have", layout.SnapshotIno), layout.BlockOffset(inodes) + 4000, false},
			{nodeObject(blocks, "blocks that snapshots have", layout.SnapshotIno), layout.BlockOffset(blocks) + 4000, false},
			{fmt.Sprintf("node at block %d of inode %d in snapshot \"one\"", node.Start, s.dir), layout.BlockOffset(node.Start) + 4000, false},
		} {
			undo := flip(fs, d.off)
			r := mustScrub(t, fs, ScrubOptions{})
			if len(r.Findings) != 1 || r.Findings[0].Object != d.object || r.Findings[0].Problem == "" {
				t.Errorf("%s damaged at %d: found %v", d.object, d.off, r.Findings)
			}
			undo()
		}
		if again := mustScrub(t, fs, ScrubOptions{}); !again.Clean() {
			t.Fatalf("all is well again: found %v", again.Findings)
		}
		checkFS(t, fs)
		closeFS(t, fs)
	})
}

// TestPoisonedSnapshot poisons a block that only a snapshot has: the file is EIO there, and there alone, and the block is named.
func TestPoisonedSnapshot(t *testing.T) {
	s := snapped(t, false, false)
	fs := openFile(t, s.medium)
	s.medium = fs.region.Bytes()
	_, _, k := s.pastRun(s.plain, 0)
	read := func(epoch uint32, name string) error {
		h := fs.Root().In(epoch)
		for _, part := range []string{"dir", name} {
			a, err := fs.Lookup(root, nil, h, []byte(part))
			must(t, err)
			h = a.Handle
		}
		_, _, err := fs.Read(root, nil, h, make([]byte, 6000), 0)
		return err
	}
	heal := poison(t, fs.region, k.Start)
	if err := read(1, "plain"); !errors.Is(err, ErrIO) {
		t.Errorf("a read of what is bad: %v", err)
	}
	for _, x := range []struct {
		epoch uint32
		name  string
	}{{2, "plain"}, {3, "plain"}, {0, "plain"}, {1, "linked"}, {1, "frag"}} {
		must(t, read(x.epoch, x.name))
	}
	object := fmt.Sprintf("data block at block %d of inode %d in snapshot \"one\"", k.Start, s.plain)
	r := mustScrub(t, fs, ScrubOptions{})
	if len(r.Findings) != 1 || r.Findings[0].Object != object {
		t.Errorf("found %v, expected %s", r.Findings, object)
	}
	name, owner, data := fs.namePast(k.Start)
	if want := fmt.Sprintf("data block %d of inode %d in snapshot \"one\"", k.Start, s.plain); name != want || owner != s.plain || !data {
		t.Errorf("it is called %q of %d (%v), expected %q", name, owner, data, want)
	}
	heal()
	must(t, read(1, "plain"))
	checkFS(t, fs)
	closeFS(t, fs)
}
