// Package snapshot keeps snapshots of a volume: all its files as they were at one instant. SPEC.md, "Snapshots", has the format, and
// DESIGN.md why it is so.
//
// Nothing is copied when a snapshot is made. What changes afterwards is kept by the operation that changes it: nodes and data blocks
// are replaced and the old ones go to a list of kept blocks, an inode is changed where it is and its old bytes go to a tree of kept
// inodes (Set.preserve). Both are divided into shards by the number of the inode, each with a latch of its own.
//
// # Lock order
//
//	Set.workMu            one deletion, or a rollback, is at work
//	  Set.mu              the table of snapshots; not held by those who read in them
//	    the gate
//	      Snapshot.latch  held to read by whoever reads in the snapshot
//	        the stripes of the caller
//	          volume.OwnMu
//	            shard     in ascending order: exclusively until the operation that changes the shard is durable
//	              the locks of alloc and journal (see there)
//
// A reader in a snapshot takes the stripe of an inode, and then the latch of its shard to read.
//
// # Durability
//
// Create, Delete, Hold and Release are one record each, durable on return. What a deletion frees, it frees in bounded records later; an
// open goes on with it.
package snapshot

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"pmemfs/pmemfs/internal/critical"
	"pmemfs/pmemfs/internal/inode"
	"pmemfs/pmemfs/internal/journal"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/mutation"
	"pmemfs/pmemfs/internal/tree"
	"pmemfs/pmemfs/internal/volume"
	"pmemfs/pmemfs/safego"
)

// Error is an error of this package, of which the request is the cause.
type Error struct{ text string }

// Error returns the text.
func (e *Error) Error() string { return e.text }

// Errors of this package.
var (
	// ErrNotFound is returned for a name that no snapshot has.
	ErrNotFound = &Error{"no such snapshot"}
	// ErrExist is returned for a name that a snapshot has.
	ErrExist = &Error{"a snapshot of that name exists"}
	// ErrName is returned for what is no name of a snapshot or a hold, and for a description that is too long.
	ErrName = &Error{"not a name for that"}
	// ErrFull is returned when there are as many snapshots, or holds of one, as there may be.
	ErrFull = &Error{"as many as there may be"}
	// ErrHeld is returned for the deletion of a snapshot that is held.
	ErrHeld = &Error{"the snapshot is held"}
	// ErrNewer is returned for a rollback to a snapshot that is not the newest.
	ErrNewer = &Error{"there are newer snapshots"}
	// ErrBusy is returned to who did not want to wait.
	ErrBusy = &Error{"would have to wait"}
	// ErrStopped is returned by what Stop has ended, or a filesystem that is closed.
	ErrStopped = &Error{"the filesystem is being closed"}
)

// Snapshot is a snapshot that is not being deleted.
type Snapshot struct {
	layout.Snapshot // as the table has it; nobody changes it: another one takes its place

	gate *gate
}

// gate is what a snapshot's readers hold.
type gate struct {
	latch critical.Latch
	gone  bool // guarded by latch
}

// Enter begins reading in a snapshot. False means that it is gone. The caller calls Leave when it is done.
func (s *Snapshot) Enter() bool {
	s.gate.latch.RLock()
	if s.gate.gone {
		s.gate.latch.RUnlock()
		return false
	}
	return true
}

// TryEnter is Enter if that need not wait. False also means that it would have to.
func (s *Snapshot) TryEnter() bool {
	if !s.gate.latch.TryRLock() {
		return false
	}
	if s.gate.gone {
		s.gate.latch.RUnlock()
		return false
	}
	return true
}

// Leave ends what Enter began.
func (s *Snapshot) Leave() { s.gate.latch.RUnlock() }

// shard is a share of what snapshots hold. The rest of it is on the medium.
type shard struct {
	critical.Latch
	_ [24]byte // one line each
}

// Set is the snapshots of a volume. Safe for any number of goroutines.
type Set struct {
	v    *volume.Volume
	list atomic.Pointer[[]*Snapshot] // ascending by epoch; nobody changes a list

	mu     critical.Mutex
	table  layout.Table // zero before the first snapshot
	doomed []uint64     // epochs of those being deleted, ascending

	workMu critical.Mutex
	work   chan struct{} // nil without a background
	stop   chan struct{}
	done   safego.Group
	ended  sync.Once

	shards atomic.Pointer[[]shard] // nil before the first snapshot
	table0 atomic.Uint64           // block of the shard table
}

// Open finds the snapshots of a volume. Errors wrap layout.ErrDamaged, or are memory faults; the set is empty then.
func Open(v *volume.Volume) (*Set, error) {
	s := &Set{v: v}
	s.mu.Name("snapshots", 1)
	s.workMu.Name("deletion of snapshots", 1)
	s.list.Store(&[]*Snapshot{})
	v.Alloc.Preserve = s.preserve
	if v.Super().Incompat&layout.IncompatSnapshots == 0 {
		return s, nil
	}
	return s, s.load()
}

// load reads the table.
func (s *Set) load() (err error) {
	defer s.v.Region.Unguard(s.v.Region.Guard(), &err)
	in, err := s.v.Inodes.View(nil, layout.SnapshotIno)
	if errors.Is(err, inode.ErrStale) {
		return nil // the feature was about to be used
	}
	if err != nil {
		return err
	}
	t := tableTree(s.v.Journal, in)
	p, err := t.Get(0)
	if err != nil {
		return err
	}
	table, ok := layout.DecodeTable(p)
	if !ok {
		return fmt.Errorf("%w: the state of the snapshots", layout.ErrDamaged)
	}
	s.table = table
	var list []*Snapshot
	var c tree.Cursor
	for err = t.SeekGE(&c, 1); err == nil && c.Valid(); err = t.Next(&c) {
		x, ok := layout.DecodeSnapshot(c.Key(), c.Payload())
		if !ok || x.Epoch >= table.Epoch {
			return fmt.Errorf("%w: the snapshot of epoch %d", layout.ErrDamaged, c.Key())
		}
		if x.Flags&layout.SnapshotDeleting != 0 {
			s.doomed = append(s.doomed, x.Epoch)
		} else {
			list = append(list, s.fresh(x))
		}
	}
	if err != nil {
		return err
	}
	if _, ok := find(list, table.Rollback); !ok && table.Rollback != 0 {
		return fmt.Errorf("%w: a rollback is under way to a snapshot that is not there", layout.ErrDamaged)
	}
	if err := s.openShards(table); err != nil {
		return err
	}
	s.publish(list)
	return nil
}

// openShards verifies the shard table and makes the latches of the shards.
func (s *Set) openShards(t layout.Table) error {
	err := s.v.Journal.Verify(t.Shards, func(b []byte) error {
		if !layout.ShardTable(b).Is(t.Shards, t.Count) {
			return fmt.Errorf("%w: block %d is not the table of %d shards", layout.ErrDamaged, t.Shards, t.Count)
		}
		return nil
	})
	if err == nil {
		s.setShards(t.Shards, newShards(t))
	}
	return err
}

// newShards returns as many shards as the table has.
func newShards(t layout.Table) []shard {
	shards := make([]shard, t.Count)
	for i := range shards {
		shards[i].Name("kept for snapshots", int(t.Count))
	}
	return shards
}

// setShards makes shards, whose table is in a block, those of the set.
func (s *Set) setShards(table uint64, shards []shard) {
	s.table0.Store(table)
	s.shards.Store(&shards)
}

// fresh returns a snapshot that nobody reads in yet.
func (s *Set) fresh(x layout.Snapshot) *Snapshot {
	g := &gate{}
	g.latch.Name("snapshot", 1)
	return &Snapshot{x, g}
}

// publish makes a list the snapshots there are, and the allocator share what is older than the newest of them.
func (s *Set) publish(list []*Snapshot) {
	newest, kept := uint64(0), int64(0)
	if n := len(list); n > 0 {
		newest, kept = list[n-1].Epoch, reserveFor(list[n-1].Inodes)
	}
	s.list.Store(&list)
	s.v.Alloc.SetEpochs(s.table.Epoch, newest)
	s.v.Alloc.SetSnapshotReserve(kept)
}

// reserveFor returns how many blocks stay free for removals while a snapshot of so many inodes is the newest: each may have to be kept,
// with its entry in the list, and the nodes of its directory copied.
func reserveFor(inodes uint64) int64 { return int64(inodes/6 + 64) }

// All returns the snapshots, oldest first. The list is not to be changed.
func (s *Set) All() []*Snapshot { return *s.list.Load() }

// ByName returns a snapshot, nil if no one has the name.
func (s *Set) ByName(name string) *Snapshot {
	for _, x := range s.All() {
		if x.Name == name {
			return x
		}
	}
	return nil
}

// ByEpoch returns the snapshot of an epoch, nil if there is none.
func (s *Set) ByEpoch(epoch uint64) *Snapshot {
	list := s.All()
	if i, ok := find(list, epoch); ok {
		return list[i]
	}
	return nil
}

func find(list []*Snapshot, epoch uint64) (int, bool) {
	return slices.BinarySearchFunc(list, epoch, func(x *Snapshot, e uint64) int { return cmp.Compare(x.Epoch, e) })
}

// held reports whether a snapshot has what was so from an epoch until another.
func held(list []*Snapshot, birth, until uint64) bool {
	i, _ := find(list, birth)
	return i < len(list) && list[i].Epoch <= until && !mutation.SnapshotHeld.Off()
}

// tableTree returns the table to read.
func tableTree(j *journal.Journal, in layout.Inode) tree.Tree {
	block, height := in.DataRoot()
	return tree.Tree{J: j, Kind: layout.TreeSnapshot, Owner: layout.SnapshotIno, Root: tree.Root{Block: block, Height: height}}
}
