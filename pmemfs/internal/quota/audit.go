package quota

import (
	"errors"
	"maps"
	"slices"
	"sync/atomic"

	"pmemfs/pmemfs/internal/critical"
	"pmemfs/pmemfs/internal/layout"
)

// Audit finds out what inodes take, one after the other, while operations change them: what an operation changes of an inode that has been
// counted already, it adds.
type Audit struct {
	q      *Quotas
	cursor atomic.Uint64 // inodes below it have been counted
	mu     critical.Mutex
	taken  map[uint64]layout.Usage
}

// Difference is an account that says something else than its inodes.
type Difference struct {
	Kind        layout.AccountKind
	ID          uint32
	Used, Taken layout.Usage // as the account says, and as the inodes do
}

// ErrAudited is returned while another audit is under way.
var ErrAudited = errors.New("accounts are being compared already")

// Begin begins an audit, which has to be ended.
func (q *Quotas) Begin() (*Audit, error) {
	a := &Audit{q: q, taken: map[uint64]layout.Usage{}}
	a.mu.Name("comparison of accounts", 1)
	if !q.audit.CompareAndSwap(nil, a) {
		return nil, ErrAudited
	}
	return a, nil
}

// End ends an audit.
func (a *Audit) End() { a.q.audit.CompareAndSwap(a, nil) }

// Count adds an inode, whose stripe is held.
func (a *Audit) Count(in layout.Inode) {
	if !in.Counted() {
		return
	}
	list, n := keys(in)
	for _, key := range list[:n] {
		a.add(key, layout.Usage{Blocks: int64(in.Blocks()), Inodes: 1})
	}
}

// Counted says that all inodes below a number have been counted. The stripes of those since the last time are held.
func (a *Audit) Counted(below uint64) { a.cursor.Store(below) }

func (a *Audit) add(key uint64, d layout.Usage) {
	a.mu.Lock()
	defer a.mu.Unlock()
	sum := a.taken[key]
	sum.Add(d)
	a.taken[key] = sum
}

// follows reports whether a change of an inode has to be added. Its stripe is held.
func (a *Audit) follows(ino uint64) bool { return a != nil && ino < a.cursor.Load() }

// Compare returns the accounts that differ, in the order of their keys. All inodes have been counted, and nobody is inside a call.
func (a *Audit) Compare() (list []Difference, err error) {
	seen := map[uint64]bool{}
	compare := func(i Info, prepaid int64) {
		key := layout.AccountKey(i.Kind, i.ID)
		seen[key] = true
		i.Used.Blocks -= prepaid
		if taken := a.taken[key]; !i.Damaged && taken != i.Used {
			list = append(list, Difference{i.Kind, i.ID, i.Used, taken})
		}
	}
	err = a.q.Each(0, func(i Info) bool {
		compare(i, a.q.prepaid(layout.AccountKey(i.Kind, i.ID)))
		return true
	})
	for _, key := range slices.Sorted(maps.Keys(a.taken)) {
		if taken := a.taken[key]; !seen[key] && taken != (layout.Usage{}) {
			kind, id, _ := layout.AccountOf(key)
			list = append(list, Difference{kind, id, layout.Usage{}, taken})
		}
	}
	return list, err
}

// prepaid returns how many blocks of what an account has used are for data that is in memory alone.
func (q *Quotas) prepaid(key uint64) int64 {
	a := q.shard(key).get(key)
	if a == nil {
		return 0
	}
	defer q.release(a)
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.prepaid
}
