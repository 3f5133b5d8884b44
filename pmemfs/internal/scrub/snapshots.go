package scrub

import (
	"fmt"

	"pmemfs/pmemfs/internal/data"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/media"
	"pmemfs/pmemfs/internal/tree"
)

// snapshots verifies the table of snapshots, the shard table, and what each shard has.
func (s *pass) snapshots() error {
	if s.Snapshots == nil || s.Snapshots.Shards() == 0 {
		return nil
	}
	if err := s.snapshotTable(); err != nil {
		return err
	}
	err := s.hold(0, func() error {
		if block, err := s.Snapshots.InspectTable(); err != nil {
			s.found(Finding{Object: "shard table of snapshots", Offset: layout.BlockOffset(block), Ino: layout.SnapshotIno}, err)
		}
		return nil
	})
	for i := 0; err == nil && i < s.Snapshots.Shards(); i++ {
		if err = s.pastInodes(i); err == nil {
			err = s.pastBlocks(i)
		}
	}
	return err
}

// snapshotTable verifies inode 7 and its tree.
func (s *pass) snapshotTable() error {
	for s.walk = (tree.Walk{}); !s.walk.Done; {
		nodes := 0
		err := s.Snapshots.Frozen(func() error {
			return s.hold(0, func() error {
				in, err := s.v.Inodes.View(nil, layout.SnapshotIno)
				if err != nil {
					return err
				}
				block, height := in.DataRoot()
				t := tree.Tree{J: s.v.Journal, Kind: layout.TreeSnapshot, Owner: layout.SnapshotIno, Root: tree.Root{Block: block, Height: height}}
				s.walk.Fresh()
				nodes = t.Inspect(&s.walk, nil, s.badNode(layout.SnapshotIno, layout.TreeSnapshot))
				return nil
			})
		})
		if ends(err) {
			return err
		}
		if err != nil {
			off, _ := s.v.Inodes.Offset(layout.SnapshotIno) // it is there, or there was no table
			s.found(Finding{Object: fmt.Sprintf("inode %d", layout.SnapshotIno), Offset: media.FaultOffset(err, off), Ino: layout.SnapshotIno}, err)
			return nil
		}
		s.report.Nodes += uint64(nodes)
		if err := s.read(uint64(nodes) << layout.BlockShift); err != nil {
			return err
		}
	}
	return nil
}

// eachLeaf calls leaf with each leaf of one of the two trees of a shard, again as long as it returns false, while nobody changes the shard.
// Between the calls the shard is let go, so that a leaf may come again changed.
func (s *pass) eachLeaf(i int, kind uint8, leaf func(n layout.Node) (done bool, read uint64)) error {
	for s.walk = (tree.Walk{}); !s.walk.Done; {
		read := uint64(0)
		err := s.hold(0, func() error {
			s.Snapshots.Inspect(i, func(inodes, blocks *tree.Tree) {
				t := inodes
				if kind == layout.TreeKeptBlock {
					t = blocks
				}
				s.walk.Fresh()
				key, done := s.walk.Key, true
				nodes := t.Inspect(&s.walk, func(n layout.Node) { done, read = leaf(n) }, s.badNode(layout.SnapshotIno, kind))
				s.report.Nodes += uint64(nodes)
				read += uint64(nodes) << layout.BlockShift
				if !done {
					s.walk.Key, s.walk.Done = key, false
				}
			})
			return nil
		})
		if err != nil {
			return err
		}
		if err := s.read(read); err != nil {
			return err
		}
	}
	return nil
}

// pastInodes verifies the kept inodes of a shard.
func (s *pass) pastInodes(i int) error {
	return s.eachLeaf(i, layout.TreeKeptInode, func(n layout.Node) (bool, uint64) {
		for r := range n.Count() {
			ino, until := layout.KeptInodeOf(n.Key(r))
			if in := layout.Inode(n.Payload(r)); len(in) != layout.InodeSize || !in.Sealed(ino) {
				s.found(Finding{
					Object: fmt.Sprintf("inode %d in %s", ino, s.Snapshots.Having(until, until)), Offset: layout.BlockOffset(n.Self()), Ino: ino,
				}, fmt.Errorf("%w: checksum, magic or number is wrong", layout.ErrDamaged))
			}
		}
		return true, 0
	})
}

// pastBlocks verifies the nodes that only snapshots have, and that the memory of their data can be read. Where the image has checksums of data,
// those of such blocks are left to the offline check: the list does not say which blocks are written file data and have one.
func (s *pass) pastBlocks(i int) error {
	key, from := uint64(0), uint64(0) // the entry, and the block in it, to go on with
	return s.eachLeaf(i, layout.TreeKeptBlock, func(n layout.Node) (bool, uint64) {
		blocks := 0
		at, _ := n.Search(key)
		for ; at < n.Count(); at++ {
			if n.Key(at) != key {
				key, from = n.Key(at), 0
			}
			k, ok := layout.DecodeKept(n.Payload(at))
			if !ok || k.Flags&layout.KeptInode != 0 {
				continue
			}
			until, _ := layout.KeptBlockOf(key)
			for ; from < uint64(k.Len); from++ {
				if blocks == holdBlocks {
					return false, uint64(blocks) << layout.BlockShift
				}
				s.pastBlock(&k, k.Start+from, until)
				blocks++
			}
		}
		key++
		return true, uint64(blocks) << layout.BlockShift
	})
}

// pastBlock verifies a block that only snapshots have.
func (s *pass) pastBlock(k *layout.Kept, block, until uint64) {
	what := "data block"
	var err error
	switch {
	case block == 0 || block >= s.v.Super().Blocks:
		err = fmt.Errorf("%w: no block of the image", layout.ErrDamaged)
	case k.Flags&layout.KeptMeta != 0:
		what = "node"
		s.report.Nodes++
		err = s.v.Journal.Inspect(block, func(b []byte) error {
			n := layout.Node(b)
			if err := n.Validate(block); err != nil {
				return err
			}
			if n.Owner() != k.Owner {
				return fmt.Errorf("%w: a node of inode %d", layout.ErrDamaged, n.Owner())
			}
			return nil
		})
	default:
		s.report.DataBlocks++
		err = data.InspectMemory(s.v.Journal, block)
	}
	if err != nil {
		s.found(Finding{
			Object: fmt.Sprintf("%s at block %d of inode %d in %s", what, block, k.Owner, s.Snapshots.Having(k.Birth, until)),
			Offset: layout.BlockOffset(block), Ino: k.Owner,
		}, err)
	}
}
