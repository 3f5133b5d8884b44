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
//	ckptMu            one checkpoint at a time
//	  fenceMu         one fence at a time; whoever holds it fences for all that was appended
//	    mu            ring positions, in-flight queue
//	  shard.mu        stores in place and the set of dirty lines of a part of the blocks
//	lostSet.mu        the lost blocks; leaf
//
// None of them is held while waiting for a caller's lock, so any lock of a caller may be held around Commit.
package journal

import (
	"cmp"
	"errors"
	"fmt"
	"runtime"
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

	// Notes are the request notes of the mounts before, oldest first. NotesErr is why some may be
	// missing, nil if none is.
	Notes    []layout.RequestNote
	NotesErr error
}

// Counts are the filesystem-wide counters that records carry as deltas.
type Counts struct{ Free, Inodes int64 }

// inflight is a record between append and the end of its stores in place.
type inflight struct {
	end    uint64
	seq    uint64
	counts Counts
	done   bool
}

// Journal is the ring and the set of dirty lines. Safe for concurrent use.
type Journal struct {
	region *pmem.Region
	ring   int64
	size   uint64
	sums   layout.Sums
	epoch  uint64
	salt   uint64
	limit  uint64 // dirty bytes of ring that start a background checkpoint

	mu      critical.Mutex
	pos     uint64 // end of the last appended record
	seq     uint64 // sequence of the next record
	tail    uint64 // ring space before this is free
	low     uint64 // all records before this are stored in place
	lowSeq  uint64
	lowCnt  Counts // counters as of low
	queue   []inflight
	head    int    // first live element of queue
	base    uint64 // number of elements ever removed from queue
	pending bool   // the background checkpointer has been woken

	fenceMu critical.Mutex
	fencing bool          // somebody is fencing; guarded by fenceMu
	fenceIs sync.Cond     // fencing has ended
	durable atomic.Uint64 // records that end at or before this are durable
	fenced  atomic.Uint64 // their last sequence

	ckptMu  critical.Mutex
	version uint64
	ranges  []pmem.Range
	taken   [shardCount]dirtySet

	shards   [shardCount]shard
	lost     lostSet
	verified []atomic.Uint64 // a bit per block: its deferred checksum has been verified, or it is dirty

	failure atomic.Pointer[error]
	release atomic.Pointer[func(seq uint64)]
	onLost  atomic.Pointer[func(block uint64)]
	onFail  atomic.Pointer[func(error)]
	wake    chan struct{}
	stop    chan struct{}
	stopped safego.Group

	checkpoints atomic.Uint64
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
		lowCnt:   Counts{int64(st.Head.FreeBlocks), int64(st.Head.UsedInodes)},
		version:  st.Head.Version,
		verified: make([]atomic.Uint64, (region.Size()>>layout.BlockShift+63)/64),
		wake:     make(chan struct{}, 1),
		stop:     make(chan struct{}),
	}
	j.limit = min(j.size/2, 4<<20)
	j.fenceIs.L = &j.fenceMu
	j.nameLocks()
	j.durable.Store(j.pos)
	j.fenced.Store(j.seq - 1)
	for i := range j.shards {
		j.shards[i].dirty, j.taken[i] = newDirtySet(), newDirtySet()
	}
	for _, block := range st.Lost {
		j.lose(block)
	}
	if !o.NoBackground {
		idle := cmp.Or(o.Idle, time.Second)
		j.stopped.Go("checkpoints", func() { j.background(idle) })
	}
	return j
}

// nameLocks names the locks, for builds that time them.
func (j *Journal) nameLocks() {
	j.mu.Name("journal: ring", 1)
	j.fenceMu.Name("journal: fence", 1)
	j.ckptMu.Name("journal: checkpoint", 1)
	for i := range j.shards {
		j.shards[i].mu.Name("journal: dirty blocks", shardCount)
	}
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

// Counts returns the counters after every committed record.
func (j *Journal) Counts() Counts {
	j.mu.Lock()
	defer j.mu.Unlock()
	c := j.lowCnt
	for _, r := range j.queue[j.head:] {
		c.Free += r.counts.Free
		c.Inodes += r.counts.Inodes
	}
	return c
}

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

// append gives rec a sequence and a position in the ring and copies it there. It waits for space. On return the record is
// stored but not durable. ticket names its position in the in-flight queue. On an error nothing has happened.
func (j *Journal) append(rec []byte, entries uint32, counts Counts, body uint32) (seq, end, ticket uint64, err error) {
	need := layout.LineUp(uint64(len(rec)))
	j.mu.Lock()
	for j.pos+need-j.tail > j.size {
		j.mu.Unlock()
		if err := j.Checkpoint(); err != nil {
			return 0, 0, 0, err
		}
		runtime.Gosched() // records that are not yet stored in place hold the tail back
		j.mu.Lock()
	}
	defer j.mu.Unlock()
	if err := j.Err(); err != nil {
		return 0, 0, 0, err
	}
	h := layout.RecordHead{
		Length: uint32(len(rec)), Seq: j.seq, Epoch: j.epoch, Salt: j.salt, Fenced: j.claim(),
		Free: counts.Free, Inodes: counts.Inodes, Entries: entries,
	}
	layout.EncodeRecordHead(rec, &h, body)
	if err := j.storeRing(j.pos, rec); err != nil {
		return 0, 0, 0, err
	}
	j.seq++
	j.pos += need
	j.queue = append(j.queue, inflight{end: j.pos, seq: h.Seq, counts: counts})
	if j.pos-j.tail > j.limit && !j.pending {
		j.pending = true
		select {
		case j.wake <- struct{}{}:
		default:
		}
	}
	return h.Seq, j.pos, j.base + uint64(len(j.queue)-j.head) - 1, nil
}

// claim returns the last sequence that a power cut is known to spare. Where fences are dropped at the user's wish, none is.
func (j *Journal) claim() uint64 {
	if j.region.Durability() == pmem.Process || j.region.Domain() == pmem.Volatile {
		return 0
	}
	return j.fenced.Load()
}

// storeRing copies rec to logical position pos, in two parts when it wraps. It returns an error when the host could not store all of
// it; then it is no record. Memory that faults ends the call.
func (j *Journal) storeRing(pos uint64, rec []byte) (err error) {
	at := pos % j.size
	defer func() {
		if cause := recover(); cause != nil {
			fault := j.region.Fault(cause)
			if fault.Host == nil {
				panic(cause)
			}
			err = fault
		}
		if err != nil {
			err = j.refused(at, err)
		}
	}()
	n := min(uint64(len(rec)), j.size-at)
	if err := j.region.Put(j.ring+int64(at), rec[:n]); err != nil || n == uint64(len(rec)) {
		return err
	}
	return j.region.Put(j.ring, rec[n:])
}

// refused makes a record of which a part was stored in the ring none, and returns why the host did not store the rest.
func (j *Journal) refused(at uint64, cause error) (err error) {
	err = cause
	defer func() {
		if fault := recover(); fault != nil {
			j.region.Fault(fault) // its head is not stored either
		}
	}()
	j.region.Zero(j.ring+int64(at), layout.RecordHeader)
	return err
}

// applied marks a record as stored in place and advances the low-water mark over all such.
func (j *Journal) applied(ticket uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.queue[j.head+int(ticket-j.base)].done = true
	for j.head < len(j.queue) && j.queue[j.head].done {
		r := &j.queue[j.head]
		j.low, j.lowSeq = r.end, r.seq+1
		j.lowCnt.Free += r.counts.Free
		j.lowCnt.Inodes += r.counts.Inodes
		j.head++
		j.base++
	}
	if j.head == len(j.queue) {
		j.queue, j.head = j.queue[:0], 0
	} else if j.head > 1024 {
		j.queue = j.queue[:copy(j.queue, j.queue[j.head:])]
		j.head = 0
	}
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
