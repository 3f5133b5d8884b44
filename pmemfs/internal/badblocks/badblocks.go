// Package badblocks keeps the list of bad blocks: blocks whose memory is bad and that nobody owns any more.
//
// The list is the extent map of inode layout.BadBlocksIno, in which file block n is image block n. Its blocks are set in
// the bitmaps like those of any file, so that the allocator cannot hand them out. The inode is made with the first bad
// block.
//
// # Concurrency and durability
//
// The list is changed by operations that change other things too, when they free a bad block or come upon one in the free
// space. Each such operation holds the list's lock, which it takes as late as it finds the block, until it is committed or
// aborted (alloc.Op.Own). The change is durable and atomic with the operation.
//
// # Lock order
//
//	the callers' stripes
//	  the list's lock (volume.OwnMu)
//	    the locks of alloc and journal (see there)
package badblocks

import (
	"errors"

	"pmemfs/pmemfs/internal/alloc"
	"pmemfs/pmemfs/internal/critical"
	"pmemfs/pmemfs/internal/extent"
	"pmemfs/pmemfs/internal/inode"
	"pmemfs/pmemfs/internal/layout"
)

// List is the list of bad blocks. Safe for concurrent use.
type List struct {
	a      *alloc.Allocator
	inodes *inode.Table
	mu     *critical.Mutex
}

// New returns the list of a filesystem. mu is held by operations that change it, and may be the lock of other inodes that
// nobody but the filesystem sees.
func New(a *alloc.Allocator, inodes *inode.Table, mu *critical.Mutex) *List {
	return &List{a: a, inodes: inodes, mu: mu}
}

// Retire logs in op that a block belongs to the list. The caller has taken it from its owner, and its bit is, or is being,
// set. Errors wrap layout.ErrDamaged, or are those of the allocator.
func (l *List) Retire(op *alloc.Op, block uint64) error {
	op.Own(l.mu)
	in, err := l.inodes.EditOrOwn(op, layout.BadBlocksIno)
	if err != nil {
		return err
	}
	m := extent.Open(op.Tx.Journal(), op, in)
	e, ok, err := m.Next(block)
	if err != nil || ok && e.Logical <= block {
		return err // it is there
	}
	in.AddBlocks(1)
	in.SetSize(max(in.Size(), (block+1)<<layout.BlockShift))
	return m.Insert(layout.Extent{Logical: block, Phys: block, Len: 1, Flags: layout.ExtentUnwritten, Birth: op.Epoch()})
}

// Each calls f with each run of bad blocks, in ascending order, and stops at an error of f.
func (l *List) Each(f func(start, n uint64) error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	in, err := l.inodes.View(nil, layout.BadBlocksIno)
	if errors.Is(err, inode.ErrStale) {
		return nil
	}
	if err != nil {
		return err
	}
	m := extent.Open(l.a.J, nil, in)
	for b := uint64(0); ; {
		e, ok, err := m.Next(b)
		if err != nil || !ok {
			return err
		}
		if err := f(e.Phys, uint64(e.Len)); err != nil {
			return err
		}
		b = e.End()
	}
}
