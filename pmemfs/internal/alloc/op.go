package alloc

import (
	"errors"
	"fmt"
	"sync/atomic"

	"pmemfs/pmemfs/internal/critical"
	"pmemfs/pmemfs/internal/journal"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/mutation"
)

// ErrNoSpace is returned when no block or inode is free, even after a checkpoint released the quarantine.
var ErrNoSpace = errors.New("no space left")

// reserveBlocks are kept for operations that free space: an unlink on a full filesystem may need a tree node.
const reserveBlocks = 32

// A checkpoint is asked for when more than this share of the image waits in quarantine, or more than so many blocks: who
// overwrites in large pieces would otherwise go through all free space before anything of it is used again, and memory
// that was touched lately is cheaper than memory that has never been (BenchmarkWrite64K with -benchtime 3000x, in package pmemfs).
const (
	quarantineShare = 16
	quarantineMax   = 32 << 20 >> layout.BlockShift
)

// Allocator is the block and inode allocator of a filesystem.
type Allocator struct {
	J      *journal.Journal
	Blocks *Bits
	Inodes *Bits
	// Retire logs in op that a block, which is bad and whose bit is set, belongs to the list of bad blocks. It is set
	// before the first use; nil refuses.
	Retire func(op *Op, block uint64) error
	// Gone is told of each inode number that was freed, when that is durable and before the number is used again, under the
	// locks of the operation. It is set before the first use; nil for nobody.
	Gone func(ino uint64)
	// Preserve logs in op what it keeps for snapshots (Op.Kept). It is set before there are snapshots.
	Preserve func(op *Op) error

	epochs  epochs
	pausing pausing
	// Accounts keep quotas; nil while there are none. It is set while nobody has begun an operation.
	Accounts Accountant

	suspects    suspects
	retired     atomic.Uint64
	reservation atomic.Int64 // blocks
}

// Accountant keeps the accounts of quotas.
type Accountant interface {
	// Charge logs in op what it changes of accounts, and notes that in op.Charges. An error says that it may not, or that an account
	// cannot be found. The caller holds the locks of the operation.
	Charge(op *Op) error
	// Charged is told whether an operation that was charged has happened.
	Charged(op *Op, happened bool)
}

// Charge is what an operation changes of an account.
type Charge struct {
	Key     uint64 // of the account
	Account any    // what the Accountant keeps of it
	Change  layout.Usage
	Held    layout.Usage // of that, what was added to the account before the commit
	Prepaid int64        // of that, the blocks that had been added before the operation
	Audited layout.Usage // of that, what is of inodes that Auditor has counted already
	Auditor any          // nil for none
	Capped  bool         // the account's limits count
}

// Op is a transaction together with what it has reserved and freed. It is used by one goroutine, and ends with Commit
// or Abort.
type Op struct {
	Tx       *journal.Tx
	a        *Allocator
	reserved []Run
	freed    []Run
	own      []Run // freed, and held by FreeOwn
	inodes   []Run // reserved inode numbers
	gone     []Run // freed inode numbers
	retired  []uint64
	kept     []layout.Kept     // for snapshots
	latches  []*critical.Latch // HoldUntilDone
	slot     uint32            // of pausing
	inside   bool              // counted in there
	retiring bool              // Retire is at work
	self     *Op               // for Retire: handing op itself to a function that the compiler cannot see would move its users' structs to the heap
	owned    *critical.Mutex
	// Frees marks an operation that gives space back, which may use the emergency reserve.
	Frees bool
	// Trims marks an operation that cuts the inode file.
	Trims bool
	// Uncapped marks an operation that accounts are charged for whatever their limits say.
	Uncapped bool
	// Prepaid, unless it is nil, is how many blocks the accounts of the file have been charged for in advance. The operation takes what it
	// needs from there.
	Prepaid *int64
	// Charges are what the operation changes of accounts.
	Charges []Charge
	// Reservation is how many of the reserved blocks (Allocator.AddReservation) are the operation's own. It leaves the others.
	Reservation int64
}

// Begin starts an operation. It waits while the allocator is paused.
func (a *Allocator) Begin() *Op {
	op := opPool.Get().(*Op)
	a.pausing.begin(op.slot)
	op.Tx, op.a, op.self, op.inside = a.J.Begin(), a, op, true
	return op
}

// BeginPaused starts an operation of the caller, who has paused the allocator. It waits for no lock that others hold who wait for the end of
// the pause: so it leaves bad blocks taken, and frees none (KeepBad).
func (a *Allocator) BeginPaused() *Op {
	op := opPool.Get().(*Op)
	op.Tx, op.a, op.self = a.J.Begin(), a, op
	op.KeepBad()
	return op
}

// Allocator returns the allocator that op belongs to.
func (op *Op) Allocator() *Allocator { return op.a }

// EmergencyReserve returns how many blocks ordinary operations leave free, for those that free others.
func (a *Allocator) EmergencyReserve() int64 {
	return min(reserveBlocks, int64(a.Blocks.Limit()/64)) + a.epochs.reserve.Load()
}

// AddReservation reserves n blocks more for data that is still to be flushed (or fewer, if n is negative): operations leave so many free,
// except for their own Op.Reservation. It lasts as long as the process.
func (a *Allocator) AddReservation(n int64) { a.reservation.Add(n) }

// Reserved returns how many blocks are reserved for data that is still to be flushed.
func (a *Allocator) Reserved() int64 { return a.reservation.Load() }

// take reserves up to want blocks, checkpointing once when only the quarantine has any. keep blocks are left free.
func (op *Op) take(goal, want uint64, large bool, keep int64) (Run, error) {
	if keep += op.a.Reserved() - op.Reservation; op.Frees {
		keep = 0
	}
	for try := 0; ; try++ {
		n := min(int64(want), op.a.Blocks.Avail()-keep)
		var r Run
		if n > 0 {
			var err error
			if r, err = op.a.Blocks.Reserve(goal, uint64(n), large); err != nil {
				return r, err
			}
		}
		if r.Len > 0 && op.a.anyBad() {
			var err error
			if r, err = op.usable(r); err != nil {
				return r, err
			}
			if r.Len == 0 {
				try-- // there is one free block less now
				continue
			}
		}
		if r.Len > 0 {
			op.reserved = append(op.reserved, r)
			return r, nil
		}
		if try > 0 || op.a.Blocks.Quarantined() == 0 {
			return Run{}, ErrNoSpace
		}
		if err := op.a.J.Checkpoint(); err != nil {
			return Run{}, err
		}
	}
}

// AllocNode is AllocBlocks for one tree node. It may use half of the emergency reserve, so that a write into blocks that are
// allocated already, or over what is there, finds room for the extent that it splits.
func (op *Op) AllocNode(goal uint64) (uint64, error) {
	r, err := op.alloc(goal, 1, false, op.a.EmergencyReserve()/2)
	return r.Start, err
}

// AllocBlocks reserves between 1 and want blocks in one run near goal (0 for anywhere) and logs them as used. large
// asks for 2 MiB alignment when goal is taken. Returns ErrNoSpace when nothing is free.
func (op *Op) AllocBlocks(goal, want uint64, large bool) (Run, error) {
	return op.alloc(goal, want, large, op.a.EmergencyReserve())
}

func (op *Op) alloc(goal, want uint64, large bool, keep int64) (Run, error) {
	r, err := op.take(goal, want, large, keep)
	if err != nil {
		return r, err
	}
	op.Tx.Count(-int64(r.Len), 0)
	return r, op.a.Blocks.logRange(op.Tx, r, true)
}

// FreeBlocks logs a run, which may span groups, as free. It is reusable after a checkpoint. Bad blocks in it go to the list
// of bad blocks instead. The run is what the medium says, so one that is not in the image wraps layout.ErrDamaged.
func (op *Op) FreeBlocks(start, n uint64) error {
	if err := op.a.vetRun(start, n); err != nil {
		return err
	}
	if op.a.anyBad() {
		return op.freeAround(start, n)
	}
	return op.freeRuns(start, n)
}

// vetRun returns an error for a run of blocks that is not in the image.
func (a *Allocator) vetRun(start, n uint64) error {
	if limit := a.Blocks.Limit(); start >= limit || n > limit-start {
		return fmt.Errorf("%w: %d blocks at %d to be freed, of %d", layout.ErrDamaged, n, start, limit)
	}
	return nil
}

// freeRuns frees blocks of which none is bad.
func (op *Op) freeRuns(start, n uint64) error {
	for n > 0 {
		r := Run{start, min(n, layout.GroupBits-start%layout.GroupBits)}
		if err := op.a.Blocks.hold(r); err != nil {
			return err
		}
		if mutation.QuarantineHeld.Off() {
			op.a.Blocks.unpin(r, true)
		} else {
			op.freed = append(op.freed, r)
		}
		op.Tx.Count(int64(r.Len), 0)
		if err := op.a.Blocks.logRange(op.Tx, r, false); err != nil {
			return err
		}
		start, n = start+r.Len, n-r.Len
	}
	return nil
}

// FreeNode frees the block of a tree node.
func (op *Op) FreeNode(block uint64) error {
	op.Tx.Drop(block)
	return op.FreeBlocks(block, 1)
}

// ReserveInode takes a free inode number without logging it. ErrNoSpace means that the inode file must grow.
func (op *Op) ReserveInode() (uint64, error) {
	r, err := op.a.Inodes.Reserve(0, 1, false)
	if err != nil {
		return 0, err
	}
	if r.Len == 0 {
		return 0, ErrNoSpace
	}
	op.inodes = append(op.inodes, r)
	return r.Start, nil
}

// ReserveInodeAt takes one inode number, which is free, without logging it. ErrNoSpace means that it is not.
func (op *Op) ReserveInodeAt(ino uint64) error {
	r, err := op.a.Inodes.take(ino/layout.GroupBits, int(ino%layout.GroupBits), 1, 1, true, false)
	if err != nil {
		return err
	}
	if r.Len == 0 {
		return ErrNoSpace
	}
	op.inodes = append(op.inodes, r)
	return nil
}

// LogInode logs a reserved inode number as used.
func (op *Op) LogInode(ino uint64) error {
	op.Tx.Count(0, 1)
	return op.a.Inodes.logRange(op.Tx, Run{ino, 1}, true)
}

// FreeInode logs an inode number as free. It may be reused at once: slots are only ever written through records.
func (op *Op) FreeInode(ino uint64) error {
	r := Run{ino, 1}
	if err := op.a.Inodes.hold(r); err != nil {
		return err
	}
	op.gone = append(op.gone, r)
	op.Tx.Count(0, -1)
	return op.a.Inodes.logRange(op.Tx, r, false)
}

// Commit makes the operation durable and stores it in place.
func (op *Op) Commit() error {
	if err := op.preserve(); err != nil {
		return err
	}
	accounts := op.a.Accounts
	if accounts != nil {
		if err := accounts.Charge(op); err != nil {
			return err
		}
	}
	tx, done := op.Tx, false
	op.Tx = nil // it ends with its Commit, also when a memory fault ends that: to abort it again would pool it twice
	defer func() {
		if !done {
			op.rollback()
		}
	}()
	seq, err := tx.Commit()
	if err != nil {
		return err
	}
	done = true
	if accounts != nil {
		accounts.Charged(op, true)
	}
	for _, r := range op.reserved {
		op.a.Blocks.Committed(r)
	}
	for _, r := range op.inodes {
		op.a.Inodes.Committed(r)
	}
	for _, r := range op.gone {
		if op.a.Gone != nil {
			op.a.Gone(r.Start)
		}
		op.a.Inodes.unpin(r, true)
		op.a.Inodes.lower(r.Start)
	}
	for _, r := range op.freed {
		if op.Trims && mutation.QuarantineTrimmed.Off() {
			op.a.Blocks.unpin(r, true)
			continue
		}
		op.a.Blocks.quarantine(seq, r)
	}
	op.forgetRetired()
	a := op.a
	busy := len(op.freed) > 0 && a.Blocks.Quarantined() > int64(min(a.Blocks.Limit()/quarantineShare, quarantineMax))
	op.recycle()
	if busy {
		a.J.Wake()
	}
	return nil
}

// Abort drops the operation; nothing has happened. After Commit it does nothing, so that it can be deferred.
func (op *Op) Abort() {
	if op.Tx == nil {
		return
	}
	op.Tx.Abort()
	op.Tx = nil
	op.rollback()
}

// rollback gives back what an operation took that has not happened.
func (op *Op) rollback() {
	if len(op.Charges) > 0 {
		op.a.Accounts.Charged(op, false)
	}
	if op.a.J.Err() != nil && !mutation.QuarantineFailed.Off() {
		// Its record may be durable though nobody was told, so the next open may find it done. Whoever was given its
		// blocks now would write into its files: they stay taken.
		op.recycle()
		return
	}
	for _, r := range op.reserved {
		op.a.Blocks.Unreserve(r)
	}
	for _, r := range op.inodes {
		op.a.Inodes.Unreserve(r)
	}
	for _, list := range [][]Run{op.freed, op.own} {
		for _, r := range list {
			op.a.Blocks.unpin(r, false)
		}
	}
	for _, r := range op.gone {
		op.a.Inodes.unpin(r, false)
	}
	op.recycle()
}
