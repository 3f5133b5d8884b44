package scrub

import (
	"errors"
	"fmt"

	"pmemfs/pmemfs/internal/data"
	"pmemfs/pmemfs/internal/extent"
	"pmemfs/pmemfs/internal/inode"
	"pmemfs/pmemfs/internal/journal"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/media"
	"pmemfs/pmemfs/internal/tree"
	"pmemfs/pmemfs/internal/xattr"
)

// What one hold of an inode's lock may read, so that nobody waits for long.
const (
	holdNodes  = 64
	holdBlocks = 128
)

// inodes verifies every slot of the inode file, but those whose trees were walked before, and what the files own.
func (s *pass) inodes() error {
	first := s.state.Block
	for ino := max(s.state.Ino, layout.BadBlocksIno+1); ino < s.limit(); ino++ {
		s.state.Ino, s.state.Block = ino, first
		if err := s.inode(ino, first); err != nil {
			return err
		}
		first = 0
		if ino%layout.InodesPerBlk == layout.InodesPerBlk-1 {
			if err := s.read(layout.BlockSize); err != nil {
				return err
			}
		}
	}
	return nil
}

// inode verifies one slot, the trees of the file in it, and its data from a block on.
func (s *pass) inode(ino, first uint64) error {
	if ino == layout.QuotaIno || ino == layout.SnapshotIno {
		return nil // accounts and snapshots have looked at them
	}
	var parts []step
	var gen uint64 // of the file that they are for: the number may have another one in between
	_, err := s.holdInode(ino, func(in layout.Inode) (bool, uint64) {
		if in != nil {
			s.report.Inodes++
			parts, gen = s.parts(in, first), in.Gen()
		}
		return true, 0
	})
	if err != nil {
		return err
	}
	for _, part := range parts {
		if err := s.steps(ino, gen, part); err != nil {
			return err
		}
	}
	return nil
}

// step does a part of the work on an inode, whose lock is held. read is in bytes.
type step func(in layout.Inode) (done bool, read uint64)

// steps repeats a step until it is done, or the file gone. Its lock is released in between. gen is the file's generation, 0 for
// whatever there is.
func (s *pass) steps(ino, gen uint64, step step) error {
	s.walk = tree.Walk{}
	for {
		done, err := s.holdInode(ino, func(in layout.Inode) (bool, uint64) {
			if in == nil || gen != 0 && in.Gen() != gen {
				return true, 0
			}
			gen = in.Gen()
			return step(in)
		})
		if done || err != nil {
			return err
		}
	}
}

// parts returns the steps through what a file owns.
func (s *pass) parts(in layout.Inode, first uint64) (list []step) {
	switch in.Mode() & layout.ModeType {
	case layout.ModeDir:
		list = append(list, func(in layout.Inode) (bool, uint64) { return s.nodes(in, layout.TreeDir, false) })
	case layout.ModeRegular, layout.ModeSymlink:
		if in.Flags()&layout.FlagInlineTarget == 0 {
			d := dataStep{key: first, from: first}
			list = append(list, func(in layout.Inode) (bool, uint64) { return s.data(in, &d) })
		}
	}
	if _, height := in.XattrRoot(); height > 0 {
		list = append(list, func(in layout.Inode) (bool, uint64) { return s.nodes(in, layout.TreeXattr, true) })
	}
	return list
}

// hole returns an error if a number without a slot should have one. It need not have one when the inode file has been cut.
func (s *pass) hole(ino uint64) error {
	return s.hold(layout.InodeFileIno, func() error {
		if _, err := s.v.Inodes.Offset(ino); err != nil && ino < s.limit() {
			return fmt.Errorf("%w: the inode file has a hole", layout.ErrDamaged)
		}
		return nil
	})
}

// holdInode verifies a slot and calls step with the inode in it, or nil if there is none or a damaged one, under its lock;
// then it accounts for what step has read. Damage to the slot is found, not an error, and ends the work on it.
func (s *pass) holdInode(ino uint64, step step) (done bool, err error) {
	read, off := uint64(0), int64(0)
	err = s.hold(ino, func() error {
		var in layout.Inode
		var err error
		if off, err = s.v.Inodes.Offset(ino); err == nil {
			in, err = s.slot(ino, off)
		}
		done, read = step(in)
		return err
	})
	if errors.Is(err, inode.ErrStale) {
		err = s.hole(ino)
	}
	switch {
	case ends(err):
		return true, err
	case err != nil:
		done = true
		s.found(Finding{Object: fmt.Sprintf("inode %d", ino), Offset: media.FaultOffset(err, off), Ino: ino}, err)
	}
	if read > 0 {
		err = s.read(read)
		return done, err
	}
	return done, nil
}

var zeroSlot [layout.InodeSize]byte

// slot returns the inode of a slot, nil if there is none.
func (s *pass) slot(ino uint64, off int64) (layout.Inode, error) {
	if block := layout.BlockOf(off); s.v.Journal.Lost(block) {
		return nil, &journal.LostError{Block: block}
	}
	in := layout.Inode(s.v.Region.Bytes()[off : off+layout.InodeSize])
	switch {
	case string(in) == string(zeroSlot[:]):
		return nil, nil
	case !in.Sealed(ino):
		return nil, fmt.Errorf("%w: checksum, magic or number is wrong", layout.ErrDamaged)
	case in.Free():
		return nil, nil
	}
	return in, nil
}

// nodeNames are what the trees of an inode hold, by kind.
var nodeNames = [...]string{layout.TreeDir: "names", layout.TreeExtent: "extents", layout.TreeXattr: "attributes", layout.TreeOrphan: "orphans", layout.TreeAccounts: "accounts",
	layout.TreeSnapshot: "snapshots", layout.TreeKeptInode: "inodes that snapshots have", layout.TreeKeptBlock: "blocks that snapshots have"}

// badNode returns the function that reports a damaged node of a tree; block 0 is the inode itself.
func (s *pass) badNode(ino uint64, kind uint8) func(block uint64, err error) {
	return func(block uint64, err error) {
		f := Finding{Object: fmt.Sprintf("inode %d", ino), Ino: ino}
		if block != 0 {
			f.Object, f.Offset = fmt.Sprintf("node at block %d (%s of inode %d)", block, nodeNames[kind], ino), layout.BlockOffset(block)
		}
		s.found(f, err)
	}
}

// nodes verifies some nodes of a tree, and the values of attributes in them.
func (s *pass) nodes(in layout.Inode, kind uint8, attrs bool) (done bool, read uint64) {
	bad := s.badNode(in.Ino(), kind)
	s.walk.Fresh()
	total := 0
	set := xattr.Open(s.v.Journal, nil, in, s.v.XattrKey0, s.v.XattrKey1)
	block, height := in.DataRoot()
	t := tree.Tree{J: s.v.Journal, Kind: kind, Owner: in.Ino(), Root: tree.Root{Block: block, Height: height}}
	for total < holdNodes && read < holdBlocks<<layout.BlockShift && !s.walk.Done {
		n, values := 0, uint64(0)
		if attrs {
			n, values = set.Inspect(&s.walk, bad, func(name []byte, err error) { s.badValue(in.Ino(), name, err) })
		} else {
			n = t.Inspect(&s.walk, nil, bad)
		}
		total, read = total+max(n, 1), read+uint64(n)<<layout.BlockShift+values
		s.report.Nodes += uint64(n)
	}
	return s.walk.Done, read
}

func (s *pass) badValue(ino uint64, name []byte, err error) {
	off, _ := s.v.Inodes.Offset(ino) // it has been found before
	s.found(Finding{Object: fmt.Sprintf("attribute %q of inode %d", name, ino), Offset: media.FaultOffset(err, off), Ino: ino}, err)
}

// dataStep is where the scrub of a file's data is: in the extent of a key, at a block.
type dataStep struct{ key, from uint64 }

// data verifies a leaf of a file's map and some of the blocks that its extents map.
func (s *pass) data(in layout.Inode, d *dataStep) (done bool, read uint64) {
	s.walk.Fresh()
	s.walk.Key, s.list = d.key, s.list[:0]
	m := extent.Open(s.v.Journal, nil, in)
	nodes := m.Inspect(&s.walk, func(e layout.Extent) { s.list = append(s.list, e) }, s.badNode(in.Ino(), layout.TreeExtent))
	s.report.Nodes += uint64(nodes)
	read = uint64(nodes) << layout.BlockShift
	blocks := 0
	for _, e := range s.list {
		if e.Flags&layout.ExtentUnwritten != 0 {
			continue
		}
		for b := max(e.Logical, d.from); b < e.End(); b++ {
			if blocks == holdBlocks {
				d.key, d.from, s.state.Block = e.Logical, b, e.Logical
				return false, read
			}
			s.dataBlock(in.Ino(), b, e.Phys+b-e.Logical)
			blocks++
			read += layout.BlockSize
		}
	}
	d.key, s.state.Block = s.walk.Key, s.walk.Key
	return s.walk.Done, read
}

func (s *pass) dataBlock(ino, b, phys uint64) {
	s.report.DataBlocks++
	if err := data.InspectBlock(s.v.Journal, ino, b, phys); err != nil {
		s.found(Finding{
			Object: fmt.Sprintf("data at byte %d of inode %d", b<<layout.BlockShift, ino),
			Offset: layout.BlockOffset(phys), Ino: ino,
		}, err)
	}
}
