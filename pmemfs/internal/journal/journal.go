// Package journal makes a change of many words atomic and durable with one fence.
//
// A transaction (Tx) collects the whole effect of an operation in shadows, outside the live structures. Commit encodes
// the difference as one record, appends it to the ring, flushes its lines and fences: the operation is durable, and the
// record's checksum says so, without a second fence. Only then are the same bytes stored in place, with ordinary stores.
// A checkpoint flushes each line dirtied since the last one once, fences, moves the tail in a journal head, and fences
// again before the ring space is reused.
//
// The caller holds the locks that protect everything the transaction reads or changes from before its first read until
// Commit returns. Changes of bitmaps are logged as ranges of bits, so they commute and need no lock of the caller.
//
// # Memory that faults
//
// Commit loads from every line that it will store to in place before it appends its record, so that memory that is known
// to be bad ends an operation while nothing has happened. A block that faults later, when a durable record is stored in
// place or a checkpoint flushes it, is lost: that is noted behind the head that lets the record go, and whoever reads the
// block gets a LostError for ever after, whatever the memory says. A fault in the ring or a head fails the journal.
//
// # Lock order
//
//	storeMu               page-cache domain: records are stored one by one, so that one that the host refuses is the last
//	  ckptMu              one checkpoint at a time
//	    mu                sequences and positions in the ring, the records in flight
//	      dirtyMap.mu     the list of what is dirty
//	    lostSet.mu        the lost blocks; leaf
//	    the locks of alloc, when a checkpoint releases what has been freed
//	fenceMu               page-cache domain: who fences for all that is stored; not held over the fence
//	  mu
//
// No lock of all commits is held over a copy, a checksum or a fence of memory: records are stored in the ring and in place side by side.
// They become durable in the order of their sequences all the same, since each waits for those before it (awaitEarlier).
//
// None of them is held while waiting for a caller's lock, so any lock of a caller may be held around Commit.
package journal

import (
	"cmp"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"pmemfs/pmemfs/internal/critical"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/pmem"
	"pmemfs/pmemfs/safego"
)

// ErrFailed is returned by every Commit after the medium refused a fence: what is durable is no longer known, so
// nothing more is acknowledged. The cause is wrapped.
var ErrFailed = errors.New("journal failed; filesystem is read-only")

// ErrReadOnly is returned by every Commit after Refuse.
var ErrReadOnly = errors.New("filesystem is open for reading")

// ErrTooBig is returned for a transaction whose record exceeds MaxRecord. Callers bound their transactions, so it is
// an error in pmemfs.
var ErrTooBig = errors.New("transaction is larger than a journal record may be")

// State is what a journal starts from.
type State struct {
	Head layout.Head // as written by recovery: empty window
	Ring int64       // byte offset of the ring
	Size int64       // bytes in the ring
	Lost []uint64    // lost blocks that the head lists
	Sums layout.Sums // where the image keeps checksums of data, if it does

	// Uncounted says that the free blocks of a head with Recount could not be counted for good, as some bitmap cannot be relied on.
	Uncounted bool

	Replayed uint64 // records of the window that recovery has replayed

	// Notes are the request notes of the mounts before, oldest first. NotesErr is why some may be
	// missing, nil if none is.
	Notes    []layout.RequestNote
	NotesErr error
}

// Counts are the filesystem-wide counters that records carry as deltas.
type Counts struct{ Free, Inodes int64 }

// Journal is the ring and the set of dirty lines. Safe for concurrent use.
type Journal struct {
	// Lines of the cache count here. These are aligned, as they come first in an object of many pages: each slot is a line, and so is what
	// every commit changes.
	slots      [slotCount]slot
	mu         critical.Mutex
	pos        uint64 // end of the last record
	seq        uint64 // sequence of the next record
	tail       uint64 // ring space before this is free
	lowSeq     uint64 // all records before this are stored in place
	prefaulted uint64 // the ring before this position has been stored to by this mount
	fences     uint64 // of records that their owners fence
	lines      uint64 // that those flush

	low     uint64    // all records that end before this are stored in place
	lowCnt  Counts    // counters as of low
	pending bool      // the background checkpointer has been woken
	paused  bool      // no record is given a position
	recount bool      // heads say that the next open counts the bitmaps
	bulk    []bulkDue // of records that are stored in the ring and not fenced
	changed accountsChanged
	_       [layout.LineSize]byte

	// What every commit reads and none changes is apart from that, or each would make the other processors fetch it again.
	region   *pmem.Region
	ring     int64
	size     uint64
	sums     layout.Sums
	epoch    uint64
	salt     uint64
	limit    uint64 // dirty bytes of ring that start a background checkpoint
	firstSeq uint64 // seq at the start
	firstPos uint64 // pos at the start
	claims   bool   // records say up to which sequence all is durable
	grouped  bool   // a fence is a system call, for as many records as there are
	dirty    *dirtyMap
	verified []atomic.Uint64 // a bit per block: its deferred checksum has been verified, or it is dirty
	lost     lostSet
	failure  atomic.Pointer[error]
	release  atomic.Pointer[func(seq uint64)]
	onLost   atomic.Pointer[func(block uint64)]
	onFail   atomic.Pointer[func(error)]
	wake     chan struct{}
	stop     chan struct{}
	stopped  safego.Group
	_        [layout.LineSize]byte

	storeMu critical.Mutex // from reservation to store, where the host may refuse a store
	fenceMu critical.Mutex
	due     []pmem.Range  // what the one who fences makes durable
	fencing bool          // somebody is fencing; guarded by fenceMu
	fenceIs sync.Cond     // fencing has ended
	durable uint64        // where the last durable record ends, for whoever is fencing
	fenced  atomic.Uint64 // sequence of the last durable record; of a grouped journal

	ckptMu  critical.Mutex
	version uint64
	ranges  []pmem.Range
	taken   []*dirtyLeaf
	saving  []savedAccount

	checkpoints    atomic.Uint64
	checkpointTime atomic.Int64 // of these, in nanoseconds
	roomWaits      atomic.Uint64
	groups         [GroupBuckets]atomic.Uint64 // fences by the number of records that they made durable; of a grouped journal
	groupRecords   atomic.Uint64               // and those records
}

// MaxRecord returns the largest record that the ring takes, in bytes.
func (j *Journal) MaxRecord() int { return int(j.size / 4) }

// Options tune a Journal.
type Options struct {
	// NoBackground leaves checkpoints to Checkpoint and to a full ring; tests that count need it.
	NoBackground bool
	// Idle is how long after the last wake-up an idle journal is checkpointed; 0 means a second.
	Idle time.Duration
}

// New returns a journal over a recovered region. Close stops it.
func New(region *pmem.Region, st State, o Options) *Journal {
	j := &Journal{
		region: region, ring: st.Ring, size: uint64(st.Size), sums: st.Sums, epoch: st.Head.Epoch, salt: st.Head.Salt,
		pos: st.Head.TailPos, seq: st.Head.TailSeq, tail: st.Head.TailPos, low: st.Head.TailPos, lowSeq: st.Head.TailSeq,
		lowCnt:  Counts{int64(st.Head.FreeBlocks), int64(st.Head.UsedInodes)},
		version: st.Head.Version, recount: st.Head.Recount,
		wake: make(chan struct{}, 1),
		stop: make(chan struct{}),
	}
	j.limit = min(j.size/2, 4<<20)
	j.fenceIs.L = &j.fenceMu
	j.claims = region.Durability() != pmem.Process && region.Domain() != pmem.Volatile
	j.grouped = region.Domain() == pmem.PageCache
	j.durable, j.firstPos, j.firstSeq, j.prefaulted = j.pos, j.pos, j.seq, j.pos&^(layout.BlockSize-1)
	if j.grouped {
		j.prefaulted = ^uint64(0) // a system call stores, and says if the host does not
	} else {
		region.CountAlso(j.counted)
	}
	j.fenced.Store(j.seq - 1)
	reach := uint64(region.Reach()) >> layout.BlockShift // what is kept for each block never moves
	j.verified = region.SideWords(int64(reach+63) / 64)
	j.dirty = newDirtyMap(reach)
	j.mu.Name("journal: ring", 1)
	j.storeMu.Name("journal: records of a file", 1)
	j.fenceMu.Name("journal: fence", 1)
	j.ckptMu.Name("journal: checkpoint", 1)
	j.dirty.mu.Name("journal: list of what is dirty", 1)
	j.lost.mu.Name("journal: lost blocks", 1)
	for _, block := range st.Lost {
		j.lose(block)
	}
	if !o.NoBackground {
		idle := cmp.Or(o.Idle, time.Second)
		j.stopped.Go("checkpoints", func() { j.background(idle) })
	}
	return j
}

// OnCheckpoint sets the function that each checkpoint calls when every record below seq has left the window: blocks
// that they freed may be reused.
func (j *Journal) OnCheckpoint(f func(seq uint64)) { j.release.Store(&f) }

// OnFail sets the function that is told, once, why the journal has failed. It must not use the journal.
func (j *Journal) OnFail(f func(error)) { j.onFail.Store(&f) }

// Region returns the medium.
func (j *Journal) Region() *pmem.Region { return j.region }

// Sums returns where the image keeps checksums of data. It does not change.
func (j *Journal) Sums() layout.Sums { return j.sums }

// Epoch returns the mount epoch.
func (j *Journal) Epoch() uint64 { return j.epoch }

// Checkpoints returns how many checkpoints have moved the tail.
func (j *Journal) Checkpoints() uint64 { return j.checkpoints.Load() }

// Err returns the failure that made the journal read-only, or nil.
func (j *Journal) Err() error {
	if p := j.failure.Load(); p != nil {
		return *p
	}
	return nil
}

// Refuse makes every Commit and Checkpoint return ErrReadOnly from now on.
func (j *Journal) Refuse() { j.failure.Store(&refused) }

var refused = ErrReadOnly

// Fail makes the journal fail for a reason that its caller has found: nothing is acknowledged any more.
func (j *Journal) Fail(cause error) { _ = j.fail(cause) }

// fail records the first failure and returns it.
func (j *Journal) fail(cause error) error {
	err := fmt.Errorf("%w: %w", ErrFailed, cause)
	if f := j.onFail.Load(); j.failure.CompareAndSwap(nil, &err) && f != nil {
		(*f)(err)
	}
	return j.Err()
}

// Close stops the background checkpointer. It does not checkpoint.
func (j *Journal) Close() {
	close(j.stop)
	j.stopped.Wait()
}

// Appended returns the logical position behind the last record: the bytes of ring that were ever used.
func (j *Journal) Appended() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.pos
}
