package quota

import (
	"errors"

	"pmemfs/pmemfs/internal/inode"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/tree"
)

// Info is an account as others see it.
type Info struct {
	Kind layout.AccountKind
	ID   uint32
	layout.Account
	Used    layout.Usage // with what is prepaid
	Damaged bool         // what it has used is not known, and its limits do not count
}

// info returns the account as others see it.
func (a *account) info() Info {
	a.mu.Lock()
	defer a.mu.Unlock()
	kind, id, _ := layout.AccountOf(a.key)
	return Info{Kind: kind, ID: id, Account: a.rec, Used: a.used, Damaged: a.j == nil}
}

// Get returns an account. ErrNoAccount says that nothing was ever charged to it and it has no limits.
func (q *Quotas) Get(kind layout.AccountKind, id uint32) (Info, error) {
	a, err := q.find(layout.AccountKey(kind, id), leaveMissing)
	if err != nil {
		return Info{Kind: kind, ID: id}, err
	}
	defer q.release(a)
	return a.info(), nil
}

// Edit changes the record of an account, which is made if need be. One fence, more for a new account; durable on return.
func (q *Quotas) Edit(kind layout.AccountKind, id uint32, change func(*layout.Account)) error {
	a, err := q.find(layout.AccountKey(kind, id), makeMissing)
	if err != nil {
		return err
	}
	defer q.release(a)
	if a.j == nil {
		return errRecord
	}
	return q.saveLimits(a, change)
}

// saveLimits stores the record of an account, changed if change is not nil. One fence; durable on return.
func (q *Quotas) saveLimits(a *account, change func(*layout.Account)) error {
	q.v.AccountsMu.Lock()
	defer q.v.AccountsMu.Unlock()
	a.mu.Lock()
	rec := a.rec
	a.mu.Unlock()
	if change != nil {
		change(&rec)
	}
	err := q.editLocked(func(t *tree.Tree) error {
		var b [layout.AccountPayload]byte
		layout.EncodeAccount(b[:], &rec)
		return t.Update(a.key, b[:])
	})
	if err != nil || change == nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	change(&a.rec)
	q.vetDeadlines(a)
	return nil
}

// listed bounds the accounts that one hold of the tree's lock reads.
const listed = 256

// Each calls f with the accounts from a key on, in ascending order, until f returns false. Accounts that are made or changed meanwhile may
// be as before.
func (q *Quotas) Each(from uint64, f func(Info) bool) error {
	for {
		keys, err := q.keysFrom(from)
		if err != nil || len(keys) == 0 {
			return err
		}
		for _, key := range keys {
			kind, id, _ := layout.AccountOf(key)
			info, err := q.Get(kind, id)
			if err != nil && !errors.Is(err, ErrNoAccount) {
				return err
			}
			if err == nil && !f(info) {
				return nil
			}
		}
		from = keys[len(keys)-1] + 1
	}
}

func (q *Quotas) keysFrom(from uint64) (keys []uint64, err error) {
	q.v.AccountsMu.Lock()
	defer q.v.AccountsMu.Unlock()
	err = q.read(func(t *tree.Tree) error {
		var c tree.Cursor
		err := t.SeekGE(&c, max(from, layout.AccountKey(layout.AccountUser, 0)))
		for ; err == nil && c.Valid() && len(keys) < listed; err = t.Next(&c) {
			if _, _, ok := layout.AccountOf(c.Key()); !ok {
				return nil
			}
			keys = append(keys, c.Key())
		}
		return err
	})
	if errors.Is(err, inode.ErrStale) {
		return nil, nil
	}
	return keys, err
}

// clearBatch is how many accounts one record clears.
const clearBatch = 64

// Clear makes all accounts say that nothing is used. Nothing is charged for meanwhile, and nobody is inside a call. One fence for each 64
// accounts; durable on return.
func (q *Quotas) Clear() error {
	for from := uint64(0); ; {
		keys, err := q.keysFrom(from)
		if err != nil || len(keys) == 0 {
			return err
		}
		keys = keys[:min(len(keys), clearBatch)]
		if err := q.clear(keys); err != nil {
			return err
		}
		from = keys[len(keys)-1] + 1
	}
}

func (q *Quotas) clear(keys []uint64) (err error) {
	defer q.v.Region.Unguard(q.v.Region.Guard(), &err)
	op := q.v.Alloc.Begin()
	defer op.Done()
	var cleared []*account
	for _, key := range keys {
		a, err := q.find(key, leaveMissing)
		if err != nil {
			return err
		}
		defer q.release(a)
		if a.j != nil && a.used != (layout.Usage{}) {
			op.Tx.Charge(a.j, layout.Usage{Blocks: -a.used.Blocks, Inodes: -a.used.Inodes})
			cleared = append(cleared, a)
		}
	}
	if len(cleared) == 0 {
		return nil
	}
	if err := op.Commit(); err != nil {
		return err
	}
	for _, a := range cleared {
		a.give(a.used, 0)
	}
	return nil
}
