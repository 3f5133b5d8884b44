package snapshot

import (
	"fmt"

	"pmemfs/pmemfs/internal/alloc"
	"pmemfs/pmemfs/internal/journal"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/tree"
)

// part is a shard in the hands of who holds its latch.
type part struct {
	i              int
	s              *Set
	line           layout.Shard
	inodes, blocks tree.Tree
}

// open returns shard i as the medium has it, for op to change, or to read if that is nil.
func (s *Set) open(op *alloc.Op, i int) part {
	j := s.v.Journal
	block := s.table0.Load()
	line := layout.ShardTable(journal.View(j, nil, layout.BlockOffset(block), layout.BlockSize)).Shard(i)
	return part{
		i: i, s: s, line: line,
		inodes: tree.Tree{J: j, Op: op, Kind: layout.TreeKeptInode, Owner: layout.SnapshotIno, Root: tree.Root{Block: line.Inodes, Height: line.InodesHeight}},
		blocks: tree.Tree{J: j, Op: op, Kind: layout.TreeKeptBlock, Owner: layout.SnapshotIno, Root: tree.Root{Block: line.Blocks, Height: line.BlocksHeight}},
	}
}

// save brings the line of a shard up to date and returns it.
func (p *part) save() [layout.ShardSize]byte {
	l := &p.line
	l.Inodes, l.InodesHeight = p.inodes.Root.Block, p.inodes.Root.Height
	l.Blocks, l.BlocksHeight = p.blocks.Root.Block, p.blocks.Root.Height
	l.Nodes += uint64(p.inodes.Nodes + p.blocks.Nodes)
	p.inodes.Nodes, p.blocks.Nodes = 0, 0
	return layout.EncodeShard(l)
}

// patch logs the line of a shard. Others may be changing the lines of other shards.
func (p *part) patch(op *alloc.Op) {
	b := p.save()
	op.Tx.Patch(p.s.table0.Load(), layout.ShardOffset(p.i), b[:])
}

// keep adds an entry that is kept until the snapshot of an epoch.
func (p *part) keep(k *layout.Kept, until, number uint64) error {
	if k.Flags&layout.KeptInode != 0 {
		old, err := p.s.v.Slot(k.Start) // as it is until the operation is durable
		if err != nil {
			return err
		}
		if err := p.inodes.Insert(layout.KeptInodeKey(k.Start, until), old); err != nil {
			return err
		}
		p.line.KeptInodes++
	}
	p.line.KeptBlocks += uint64(k.Len)
	b := layout.EncodeKept(k)
	return p.blocks.Insert(layout.KeptBlockKey(until, number), b[:])
}

// drop takes an entry away.
func (p *part) drop(key uint64, k *layout.Kept) error {
	if k.Flags&layout.KeptInode != 0 {
		until, _ := layout.KeptBlockOf(key)
		if err := p.inodes.Delete(layout.KeptInodeKey(k.Start, until)); err != nil {
			return err
		}
		p.line.KeptInodes--
	}
	p.line.KeptBlocks -= uint64(k.Len)
	return p.blocks.Delete(key)
}

// next returns the number of the next entry that is kept until the snapshot of an epoch.
func (p *part) next(until uint64) (uint64, error) {
	var c tree.Cursor
	if err := p.blocks.SeekLE(&c, layout.KeptBlockKey(until, layout.KeptNumberMax)); err != nil || !c.Valid() {
		return 0, err
	}
	u, number := layout.KeptBlockOf(c.Key())
	switch {
	case u != until:
		return 0, nil
	case number == layout.KeptNumberMax:
		return 0, fmt.Errorf("%w: the list of kept blocks has no more numbers", layout.ErrDamaged)
	}
	return number + 1, nil
}

// decode reads the entry under a cursor.
func decode(c *tree.Cursor) (layout.Kept, error) {
	k, ok := layout.DecodeKept(c.Payload())
	if !ok {
		return k, fmt.Errorf("%w: entry %#x of a list of kept blocks", layout.ErrDamaged, c.Key())
	}
	return k, nil
}

// preserve logs in op what it keeps for the newest snapshot, which has all of it. From here on it holds the latches of the shards.
func (s *Set) preserve(op *alloc.Op) error {
	kept, until, shards := op.Kept(), op.Newest(), *s.shards.Load()
	if op.Allocator().AnyBad() {
		op.Own(s.v.OwnMu) // it comes before the latches, and a block that is about to be used may turn out to be bad
	} else {
		op.KeepBad() // one may have become known only now
	}
	mask := uint64(0)
	for i := range kept {
		mask |= 1 << layout.ShardOf(kept[i].Owner, uint32(len(shards)))
	}
	for i := range shards {
		if mask>>i&1 != 0 {
			op.HoldUntilDone(&shards[i].Latch)
		}
	}
	var lines [layout.ShardsMax][layout.ShardSize]byte
	for i := range shards {
		if mask>>i&1 == 0 {
			continue
		}
		p := s.open(op, i)
		number, err := p.next(until)
		if err != nil {
			return err
		}
		for k := range kept {
			if layout.ShardOf(kept[k].Owner, uint32(len(shards))) != i {
				continue
			}
			if err := p.keep(&kept[k], until, number); err != nil {
				return err
			}
			number++
		}
		lines[i] = p.save()
	}
	for i := range shards {
		if mask>>i&1 != 0 {
			op.Tx.Patch(s.table0.Load(), layout.ShardOffset(i), lines[i][:])
		}
	}
	return nil
}

// Kept copies inode ino as a snapshot has it to buf, if it has changed since. It returns false if what there is now is what the snapshot
// has, if it was born by then. The stripe of the inode is held to read. Unless it is to
// wait for a change to be durable, it returns ErrBusy rather than do so.
func (s *Set) Kept(ino, epoch uint64, wait bool, buf *[layout.InodeSize]byte) (ok bool, err error) {
	shards := *s.shards.Load()
	i := layout.ShardOf(ino, uint32(len(shards)))
	switch {
	case wait:
		shards[i].RLock()
	case !shards[i].TryRLock():
		return false, ErrBusy
	}
	defer shards[i].RUnlock()
	p := s.open(nil, i)
	var c tree.Cursor
	if err := p.inodes.SeekGE(&c, layout.KeptInodeKey(ino, epoch)); err != nil || !c.Valid() {
		return false, err
	}
	if n, _ := layout.KeptInodeOf(c.Key()); n != ino {
		return false, nil
	}
	in := layout.Inode(c.Payload())
	if len(in) != layout.InodeSize || !in.Sealed(ino) {
		return false, fmt.Errorf("%w: inode %d as it was", layout.ErrDamaged, ino)
	}
	if in.BirthEpoch() > epoch {
		return false, nil // made later
	}
	copy(buf[:], in)
	return true, nil
}
