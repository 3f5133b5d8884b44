// Package volume holds what the parts of an open filesystem share: the medium, the floors built on it, and the way to their locks.
//
// A Volume is filled by pmemfs.Open, floor by floor, and does not change after that, but for its superblock.
//
// # Lock order
//
// A call enters the filesystem (Enter), then takes the stripe of the inode that it is about (Stripe), then those locks that an
// operation takes by itself. OwnMu comes after the stripes. See the package comment of pmemfs for all of it.
package volume

import (
	"log/slog"
	"sync/atomic"

	"pmemfs/pmemfs/internal/alloc"
	"pmemfs/pmemfs/internal/critical"
	"pmemfs/pmemfs/internal/inode"
	"pmemfs/pmemfs/internal/journal"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/pmem"
)

// Volume is an open filesystem as its parts see it.
type Volume struct {
	Region   *pmem.Region
	Journal  *journal.Journal
	Alloc    *alloc.Allocator
	Inodes   *inode.Table
	Log      *slog.Logger
	ReadOnly bool

	// SuperMu is held by whoever stores a superblock, or compares the two.
	SuperMu critical.Mutex
	super   atomic.Pointer[layout.Superblock]

	XattrKey0, XattrKey1 uint64 // hash key of extended attributes

	// AddFeatures sets feature bits in both superblocks, before anything relies on them. A fence for each if one of the bits is new; durable on
	// return.
	AddFeatures func(roCompat, incompat uint64) error

	// OwnMu guards the orphan index and the list of bad blocks. An operation that changes one holds it until it ends (alloc.Op.Own).
	OwnMu *critical.Mutex
	// AccountsMu guards the tree of the accounts of quotas, also over the fence of a record that changes it. It comes after the stripes and
	// after OwnMu.
	AccountsMu critical.Mutex
	// Enter takes the gate of a call that concerns an inode, to read. The caller releases it with RUnlock. The error says that the
	// filesystem is closed.
	Enter func(ino uint64) (*critical.RWMutex, error)
	// Stripe returns the lock of an inode.
	Stripe func(ino uint64) *critical.Latch
}

// Super returns the superblock as it is now. Nobody changes it: another one takes its place.
func (v *Volume) Super() *layout.Superblock { return v.super.Load() }

// SetSuper makes a superblock the one that Super returns.
func (v *Volume) SetSuper(sb *layout.Superblock) { v.super.Store(sb) }

// Slot returns the medium's bytes of an inode slot, whatever is in it. inode.ErrStale means that there is no such slot.
func (v *Volume) Slot(ino uint64) (layout.Inode, error) {
	off, err := v.Inodes.Offset(ino)
	if err != nil {
		return nil, err
	}
	return layout.Inode(v.Region.Bytes()[off : off+layout.InodeSize]), nil
}

// View enters, takes the stripe of inode ino to read, and calls f. A memory fault in f becomes its error. Any number of goroutines
// may be in f at once. No fence.
func (v *Volume) View(ino uint64, f func() error) (err error) {
	defer v.Region.Unguard(v.Region.Guard(), &err)
	g, err := v.Enter(ino)
	if err != nil {
		return err
	}
	defer g.RUnlock()
	s := v.Stripe(ino)
	s.RLock()
	defer s.RUnlock()
	return f()
}

// Change enters, takes the stripe of inode ino exclusively, and commits the operation that f has filled. An error of f, or a memory fault
// in it, ends the operation without effect. One fence, unless f needs more; durable on return.
func (v *Volume) Change(ino uint64, f func(op *alloc.Op) error) error {
	g, err := v.Enter(ino)
	if err != nil {
		return err
	}
	defer g.RUnlock()
	return v.ChangeEntered(ino, f)
}

// ChangeEntered is Change for a caller who has entered, or who holds all gates.
func (v *Volume) ChangeEntered(ino uint64, f func(op *alloc.Op) error) (err error) {
	defer v.Region.Unguard(v.Region.Guard(), &err)
	s := v.Stripe(ino)
	s.Lock()
	defer s.Unlock()
	op := v.Alloc.Begin()
	defer op.Done()
	if err := f(op); err != nil {
		return err
	}
	return op.Commit()
}
