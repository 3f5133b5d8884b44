// Package quota keeps accounts of what users, groups and projects take of an image, and their limits.
//
// The accounts are a tree of inode layout.QuotaIno, which has limits, and slots, which have what is used. What an operation changes is in its
// own record, as a difference (journal.Tx.Charge), so no lock of an account is held over a fence. Charge finds it out at the commit, by
// comparing the operation's inodes with the medium: no operation needs to know of accounts.
//
// Only inodes with the flag layout.FlagCounted are charged for. Others are from before the first quota; a walk gives them the flag, each in
// the record that charges for it. So the accounts are right at any time for those that have it.
//
// # Lock order
//
//	the callers' stripes, and the lock that an operation owns
//	  volume.AccountsMu the tree of accounts; held over the fence of a record that changes it
//	    shard.mu        which accounts are in memory
//	    account.mu      what one has used, and its limits
//	    Audit.mu        what inodes take; leaf
//	    the locks of alloc and journal (see there)
//
// # Durability
//
// What is charged for is durable with the record that it is for. Limits are durable when the call that sets them returns.
//
// # Damage
//
// An account that cannot be read is neither charged nor limited: a bad byte must not keep its user from all files. It is reported, and a
// repair counts anew.
package quota

import (
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"pmemfs/pmemfs/internal/alloc"
	"pmemfs/pmemfs/internal/inode"
	"pmemfs/pmemfs/internal/journal"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/media"
	"pmemfs/pmemfs/internal/pmem"
	"pmemfs/pmemfs/internal/tree"
	"pmemfs/pmemfs/internal/volume"
)

// Errors.
var (
	// ErrExceeded is returned for an operation that would take more than an account may.
	ErrExceeded = errors.New("quota exceeded")
	// ErrNoAccount is returned for an account that does not exist.
	ErrNoAccount = errors.New("no such account")
)

// graceDefault is how long a soft limit may be exceeded unless somebody says otherwise: what Linux has.
const graceDefault = 7 * 24 * time.Hour

var siteSlots = pmem.NewThroughSite("quota: slots of new accounts")

// Quotas are the accounts of a volume. Safe for any number of goroutines.
type Quotas struct {
	v      *volume.Volume
	health *media.Health
	now    func() int64

	shards [shardCount]shard
	state  atomic.Pointer[layout.QuotaState]
	audit  atomic.Pointer[Audit]
	paused atomic.Bool // nothing is charged for: the accounts are being counted anew
}

// Open returns the accounts of a volume, or nil if it has none. now is the clock, in ns since 1970. Damage of the tree is no error. The
// volume is complete; nobody else uses it yet.
func Open(v *volume.Volume, health *media.Health, now func() int64) (*Quotas, error) {
	if !v.Super().Quotas() {
		return nil, nil
	}
	q := newQuotas(v, health, now)
	st, err := q.readState()
	if errors.Is(err, inode.ErrStale) {
		return nil, nil // the superblocks say that there may be some
	}
	if err != nil && !media.Confined(err) {
		return nil, fmt.Errorf("accounts of quotas: %w", err)
	}
	if err != nil {
		v.Log.Error("the accounts of quotas are damaged: none is limited", "inode", layout.QuotaIno, "error", err)
		st = layout.QuotaState{Walk: layout.WalkDone, Grace: defaultGrace()}
	}
	q.setState(st)
	return q, nil
}

func newQuotas(v *volume.Volume, health *media.Health, now func() int64) *Quotas {
	q := &Quotas{v: v, health: health, now: now}
	for i := range q.shards {
		q.shards[i].mu.Name("accounts in memory", shardCount)
		q.shards[i].accounts = map[uint64]*account{}
	}
	return q
}

// Create makes the accounts of a volume that has none. Both superblocks say that there may be some. Nobody else uses the volume. One
// fence; durable on return.
func Create(v *volume.Volume, health *media.Health, now func() int64) (*Quotas, error) {
	q := newQuotas(v, health, now)
	st := layout.QuotaState{Grace: defaultGrace()}
	err := q.edit(func(t *tree.Tree) error {
		var b [layout.QuotaStateSize]byte
		layout.EncodeQuotaState(b[:], &st)
		return t.Insert(layout.QuotaStateKey(), b[:])
	})
	if err != nil {
		return nil, err
	}
	q.setState(st)
	return q, nil
}

func defaultGrace() (g [6]int64) {
	for i := range g {
		g[i] = int64(graceDefault)
	}
	return g
}

func (q *Quotas) setState(st layout.QuotaState) {
	q.state.Store(&st)
	q.paused.Store(st.Walk == layout.WalkClears)
}

// State returns what is to be walked, and the grace times.
func (q *Quotas) State() layout.QuotaState { return *q.state.Load() }

// Counts reports whether new inodes are to be counted.
func (q *Quotas) Counts() bool { return q != nil && !q.paused.Load() }

// open returns the tree for op, nil to read. v.AccountsMu is held.
func (q *Quotas) open(op *alloc.Op, in layout.Inode) tree.Tree {
	block, height := in.DataRoot()
	return tree.Tree{J: q.v.Journal, Op: op, Kind: layout.TreeAccounts, Owner: layout.QuotaIno, Root: tree.Root{Block: block, Height: height}}
}

// edit changes the tree in a record of its own. The error is f's, the allocator's or the medium's. One fence; durable on return.
func (q *Quotas) edit(f func(t *tree.Tree) error) error {
	q.v.AccountsMu.Lock()
	defer q.v.AccountsMu.Unlock()
	return q.editLocked(f)
}

func (q *Quotas) editLocked(f func(t *tree.Tree) error) (err error) {
	defer q.v.Region.Unguard(q.v.Region.Guard(), &err)
	op := q.v.Alloc.Begin()
	defer op.Done()
	op.KeepBad() // an operation under way may own the lock of the list of bad blocks
	in, err := q.v.Inodes.EditOrOwn(op, layout.QuotaIno)
	if err != nil {
		return err
	}
	t := q.open(op, in)
	if err := f(&t); err != nil {
		return err
	}
	in.SetDataRoot(t.Root.Block, t.Root.Height)
	in.AddBlocks(t.Nodes)
	return op.Commit()
}

// read calls f with the tree to read. v.AccountsMu is held.
func (q *Quotas) read(f func(t *tree.Tree) error) (err error) {
	defer q.v.Region.Unguard(q.v.Region.Guard(), &err)
	in, err := q.v.Inodes.View(nil, layout.QuotaIno)
	if err != nil {
		return err
	}
	t := q.open(nil, in)
	return f(&t)
}

func (q *Quotas) readState() (st layout.QuotaState, err error) {
	q.v.AccountsMu.Lock()
	defer q.v.AccountsMu.Unlock()
	err = q.read(func(t *tree.Tree) error {
		p, err := t.Get(layout.QuotaStateKey())
		if err != nil {
			return err
		}
		var ok bool
		if st, ok = layout.DecodeQuotaState(p); !ok {
			return fmt.Errorf("%w: the state of quotas makes no sense", layout.ErrDamaged)
		}
		return nil
	})
	return st, err
}

// SetState changes the state. One fence; durable on return.
func (q *Quotas) SetState(change func(*layout.QuotaState)) error {
	q.v.AccountsMu.Lock()
	defer q.v.AccountsMu.Unlock()
	st := q.State()
	change(&st)
	err := q.editLocked(func(t *tree.Tree) error {
		var b [layout.QuotaStateSize]byte
		layout.EncodeQuotaState(b[:], &st)
		return t.Update(layout.QuotaStateKey(), b[:])
	})
	if err == nil {
		q.setState(st)
	}
	return err
}

// report logs damage, at most so often.
func (q *Quotas) report(err error, key uint64) {
	kind, id, _ := layout.AccountOf(key)
	q.health.Say(slog.LevelError, "an account of a quota cannot be read: it is not limited until a repair", "kind", int(kind), "id", id, "error", err)
}

// readable reports whether an error says that an account is damaged, and not that something else went wrong.
func damaged(err error) bool {
	var lost *journal.LostError
	return errors.As(err, &lost) || media.Confined(err)
}
