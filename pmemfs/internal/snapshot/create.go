package snapshot

import (
	"fmt"
	"slices"

	"pmemfs/pmemfs/internal/alloc"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/tree"
)

// shardBlocks is how many blocks of the image there are at least for each shard: each takes a few nodes as soon as it has anything.
const shardBlocks = 1024

// Create makes a snapshot of everything that has been committed, at one instant between two operations. name and text are its name and
// description, now its time. Operations are paused while its record is built and gets its place in the ring, not while it becomes
// durable. The caller holds no gate and no stripe.
//
// One fence, and two more for the first snapshot of an image; durable on return. Errors: ErrName, ErrExist, ErrFull; alloc.ErrNoSpace if what
// later removals need could not be kept free; errors that wrap layout.ErrDamaged, and memory faults.
func (s *Set) Create(name, text string, now int64) (layout.Snapshot, error) {
	if !layout.SnapshotName(name) || len(text) > layout.SnapshotTextMax {
		return layout.Snapshot{}, ErrName
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g, err := s.v.Enter(layout.SnapshotIno)
	if err != nil {
		return layout.Snapshot{}, err
	}
	defer g.RUnlock()
	list := s.All()
	switch {
	case s.ByName(name) != nil:
		return layout.Snapshot{}, ErrExist
	case len(list)+len(s.doomed) >= layout.SnapshotMax, s.table.Epoch >= layout.EpochMax:
		return layout.Snapshot{}, ErrFull
	case s.v.Alloc.Inodes.Limit() > layout.KeptInoMax:
		return layout.Snapshot{}, fmt.Errorf("%w: inode numbers", ErrFull)
	}
	if err := s.v.AddFeatures(0, layout.IncompatSnapshots); err != nil {
		return layout.Snapshot{}, err
	}
	x := layout.Snapshot{Time: now, Name: name, Text: text}
	err = s.record(&x, list)
	return x, err
}

// setupBlocks is the most blocks that the record of a snapshot takes: the shard table, and nodes of the table of snapshots.
const setupBlocks = 1 + layout.MaxHeight

// record commits a snapshot, and sets the counts and the epoch of x.
func (s *Set) record(x *layout.Snapshot, list []*Snapshot) error {
	a := s.v.Alloc
	a.Pause()
	paused := true
	resume := func() {
		if paused {
			paused = false
			a.Resume()
		}
	}
	defer resume()
	if err := s.measure(x); err != nil {
		return err
	}
	table := s.table
	return s.change(a.BeginPaused(), func(op *alloc.Op, in layout.Inode, t *tree.Tree) error {
		var shards []shard
		if table.Epoch == 0 {
			var err error
			if table, err = s.setup(op, in); err != nil {
				return err
			}
			shards = newShards(table)
			for i := range shards {
				op.HoldUntilDone(&shards[i].Latch) // others wait for the shard table until it is in place: else it would overwrite their lines
			}
			if err := t.Insert(0, layout.EncodeTable(&table)); err != nil {
				return err
			}
		}
		x.Epoch = table.Epoch
		table.Epoch++
		if err := t.Update(0, layout.EncodeTable(&table)); err != nil {
			return err
		}
		op.Tx.OnAppended(func() { // what is committed from here on is behind the record, and durable only with it
			if shards != nil {
				s.setShards(table.Shards, shards)
			}
			s.table = table
			s.publish(append(slices.Clone(list), s.fresh(*x)))
			resume()
		})
		return t.Insert(x.Epoch, layout.EncodeSnapshot(x))
	})
}

// change commits an operation on the table. edit gets the shadow of inode 7, which it need not store to, and the tree.
func (s *Set) change(op *alloc.Op, edit func(op *alloc.Op, in layout.Inode, t *tree.Tree) error) (err error) {
	defer s.v.Region.Unguard(s.v.Region.Guard(), &err)
	defer op.Done()
	op.Frees = true
	in, err := s.v.Inodes.EditOrOwn(op, layout.SnapshotIno)
	if err != nil {
		return err
	}
	t := tableTree(s.v.Journal, in)
	t.Op = op
	if err := edit(op, in, &t); err != nil {
		return err
	}
	in.SetDataRoot(t.Root.Block, t.Root.Height)
	in.AddBlocks(t.Nodes)
	return op.Commit()
}

// setup makes the shard table.
func (s *Set) setup(op *alloc.Op, in layout.Inode) (layout.Table, error) {
	table := layout.Table{Epoch: 1, Count: layout.ShardsMax}
	for table.Count > 1 && uint64(table.Count)*shardBlocks > s.v.Alloc.Blocks.Limit() {
		table.Count /= 2
	}
	block, err := op.AllocNode(0)
	if err != nil {
		return table, err
	}
	table.Shards = block
	layout.InitShardTable(op.Tx.NewBlock(block, layout.EntryNode), block, table.Epoch, table.Count)
	in.AddBlocks(1)
	return table, nil
}

// measure sets the counts of x, while operations are paused: those of one instant, and of inodes that nobody is storing to.
func (s *Set) measure(x *layout.Snapshot) (err error) {
	x.Inodes = uint64(s.v.Journal.Counts().Inodes)
	if x.Blocks, err = s.referenced(); err != nil {
		return err
	}
	free := s.v.Alloc.Blocks.Avail() + s.v.Alloc.Blocks.Quarantined() - s.v.Alloc.Reserved()
	if free < reserveFor(x.Inodes)+setupBlocks {
		return alloc.ErrNoSpace
	}
	return nil
}

// referenced returns how many blocks files have: those in use, but for what only snapshots hold, and for what the filesystem itself has
// from the start. Operations are paused.
func (s *Set) referenced() (blocks uint64, err error) {
	defer s.v.Region.Unguard(s.v.Region.Guard(), &err)
	sb := s.v.Super()
	fixed := sb.RingBlocks + layout.JournalRing + 1 + layout.BlocksFor(s.v.Alloc.Inodes.Limit()*layout.InodeSize)
	bitmap := uint64(1)
	if sb.ROCompat&layout.ROCompatSums != 0 {
		bitmap += layout.SumBlocks
	}
	fixed += layout.GroupCount(sb.Blocks) * bitmap
	for ino := uint64(layout.InodeFileIno + 1); ino < layout.RootIno; ino++ {
		if in, err := s.v.Inodes.View(nil, ino); err == nil { // others have nothing
			fixed += in.Blocks()
		}
	}
	held, err := s.Space()
	if err != nil {
		return 0, err
	}
	used := int64(sb.Blocks) - s.v.Journal.Counts().Free - int64(fixed) - int64(held.Blocks+held.Nodes)
	return uint64(max(used, 0)), nil
}

// Space is what snapshots take.
type Space struct {
	Blocks uint64 // that no live file has
	Nodes  uint64 // of the trees that keep account of them
	Inodes uint64 // kept as they were
}

// Space returns what all snapshots take. It costs a look at each shard. A memory fault is an error.
func (s *Set) Space() (sum Space, err error) {
	defer s.v.Region.Unguard(s.v.Region.Guard(), &err)
	shards := s.shards.Load()
	if shards == nil {
		return sum, nil
	}
	for i := range *shards {
		l := s.line(i)
		sum.Blocks, sum.Nodes, sum.Inodes = sum.Blocks+l.KeptBlocks, sum.Nodes+l.Nodes, sum.Inodes+l.KeptInodes
	}
	return sum, nil
}

// line returns the line of a shard.
func (s *Set) line(i int) layout.Shard {
	sh := &(*s.shards.Load())[i]
	sh.RLock()
	defer sh.RUnlock()
	return s.open(nil, i).line
}
