package alloc

import (
	"sync/atomic"

	"pmemfs/pmemfs/internal/critical"
	"pmemfs/pmemfs/internal/layout"
)

// epochs are what says whether snapshots share something. They change only while no operation is under way (Pause).
type epochs struct {
	now     atomic.Uint64 // birth epoch of what is made
	newest  atomic.Uint64 // epoch of the newest snapshot, 0 for none
	reserve atomic.Int64  // blocks, SetSnapshotReserve
}

// SetEpochs sets the birth epoch of what is made from now on, and the epoch of the newest snapshot, 0 for none. The caller has paused the
// allocator, or nobody uses it yet.
func (a *Allocator) SetEpochs(now, newest uint64) {
	a.epochs.now.Store(now)
	a.epochs.newest.Store(newest)
}

// Epoch returns the birth epoch of what the operation makes.
func (op *Op) Epoch() uint64 { return max(op.a.epochs.now.Load(), 1) }

// Newest returns the epoch of the newest snapshot, 0 for none.
func (op *Op) Newest() uint64 { return op.a.epochs.newest.Load() }

// Snapshots reports whether there are any.
func (op *Op) Snapshots() bool { return op.a.epochs.newest.Load() != 0 }

// Shared reports whether a snapshot has what was born in an epoch and is inode owner's, so that it must not be changed where it is. It
// costs a load.
func (op *Op) Shared(owner, birth uint64) bool { return op.a.Shared(owner, birth) }

// Shared is Op.Shared as it is now: it may be otherwise for the next operation.
func (a *Allocator) Shared(owner, birth uint64) bool {
	newest := a.epochs.newest.Load()
	return birth <= newest && newest != 0 && owner >= layout.RootIno // a damaged image may have a birth epoch of 0
}

// Release gives up n blocks of inode owner: it frees them, or, if a snapshot has them, keeps them for it. meta says that they were a tree
// node. The run is what the medium says, so one that is not in the image wraps layout.ErrDamaged.
func (op *Op) Release(owner, start, n, birth uint64, meta bool) error {
	if !op.Shared(owner, birth) {
		return op.FreeBlocks(start, n)
	}
	if err := op.a.vetRun(start, n); err != nil {
		return err
	}
	flags := uint32(0)
	if meta {
		flags = layout.KeptMeta
		op.Tx.Drop(start)
	}
	if last := len(op.kept) - 1; last >= 0 && !meta {
		k := &op.kept[last]
		if k.Owner == owner && k.Birth == birth && k.Flags == 0 && k.Start+uint64(k.Len) == start {
			k.Len += uint32(n)
			return nil
		}
	}
	op.kept = append(op.kept, layout.Kept{Start: start, Len: uint32(n), Flags: flags, Birth: birth, Owner: owner})
	return nil
}

// KeepInode keeps a shared inode as the medium has it, for the snapshots that have it. The operation changes its shadow, once.
func (op *Op) KeepInode(ino, birth uint64) {
	op.kept = append(op.kept, layout.Kept{Start: ino, Flags: layout.KeptInode, Birth: birth, Owner: ino})
}

// Kept returns what the operation keeps for snapshots.
func (op *Op) Kept() []layout.Kept { return op.kept }

// HoldUntilDone takes a latch exclusively, until the operation has been committed or aborted. Who takes several does so in an order of
// their own, after every other lock.
func (op *Op) HoldUntilDone(l *critical.Latch) {
	l.Lock()
	op.latches = append(op.latches, l)
}

// preserve lets the snapshots take what the operation keeps for them into its record.
func (op *Op) preserve() error {
	if len(op.kept) == 0 {
		return nil
	}
	return op.a.Preserve(op.self)
}

// SetSnapshotReserve sets how many blocks, beside the emergency reserve, stay free for operations that free others: while there are
// snapshots a removal takes space first.
func (a *Allocator) SetSnapshotReserve(blocks int64) { a.epochs.reserve.Store(blocks) }

// AnyBad reports whether there may be bad blocks at all. It costs two loads.
func (a *Allocator) AnyBad() bool { return a.anyBad() }
