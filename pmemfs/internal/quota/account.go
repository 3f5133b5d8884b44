package quota

import (
	"errors"

	"pmemfs/pmemfs/internal/critical"
	"pmemfs/pmemfs/internal/inode"
	"pmemfs/pmemfs/internal/journal"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/tree"
)

// Accounts are in memory while an operation or a dirty file refers to them, while a checkpoint is still to store them, and as long as there
// is room.
const (
	shardCount = 16
	shardMax   = 256 // accounts of a shard that may stay
)

type shard struct {
	mu       critical.Mutex
	accounts map[uint64]*account
}

// account is an account in memory.
type account struct {
	key  uint64
	j    *journal.Account // nil for one that is damaged
	refs int              // guarded by shard.mu

	mu      critical.Mutex
	used    layout.Usage // with what operations under way will add, and what is prepaid
	prepaid int64        // blocks, for data that is in memory alone
	rec     layout.Account
}

func (q *Quotas) shard(key uint64) *shard {
	return &q.shards[(key*0x9e3779b97f4a7c15)>>60]
}

// missing says what to do about an account that is not there.
type missing uint8

const (
	leaveMissing missing = iota
	makeMissing
	makeAnyway // also in space that is kept for operations that free some
)

// find returns an account and a reference to it, made with its first charge. ErrNoAccount says that there is none, if it is not to be made.
func (q *Quotas) find(key uint64, o missing) (*account, error) {
	s := q.shard(key)
	if a := s.get(key); a != nil {
		return a, nil
	}
	q.v.AccountsMu.Lock()
	defer q.v.AccountsMu.Unlock()
	if a := s.get(key); a != nil {
		return a, nil
	}
	a := &account{key: key, refs: 1}
	a.mu.Name("account of a quota", 1)
	err := q.load(a)
	if errors.Is(err, ErrNoAccount) && o != leaveMissing {
		if err = q.create(key, o == makeAnyway); err == nil {
			err = q.load(a)
		}
	}
	if err != nil && !errors.Is(err, ErrNoAccount) && damaged(err) {
		q.report(err, key)
		a.j, err = nil, nil
	}
	if err != nil {
		return nil, err
	}
	s.add(q, a)
	return a, nil
}

// get returns an account that is in memory and a reference to it, or nil.
func (s *shard) get(key uint64) *account {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.accounts[key]
	if a != nil {
		a.refs++
	}
	return a
}

// add puts an account into memory and, if there are too many, forgets those that nobody needs. What is damaged stays: it may be read again,
// and would be wrong.
func (s *shard) add(q *Quotas, a *account) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.accounts) >= shardMax {
		for key, old := range s.accounts {
			if old.refs == 0 && old.j != nil && q.v.Journal.Idle(old.j) {
				delete(s.accounts, key)
			}
			if len(s.accounts) < shardMax/2 {
				break
			}
		}
	}
	s.accounts[a.key] = a
}

// release gives a reference back.
func (q *Quotas) release(a *account) {
	s := q.shard(a.key)
	s.mu.Lock()
	defer s.mu.Unlock()
	a.refs--
}

// load reads an account from the medium. v.AccountsMu is held, and the account is in nobody's memory.
func (q *Quotas) load(a *account) error {
	err := q.read(func(t *tree.Tree) error {
		p, err := t.Get(a.key)
		if err != nil {
			return err
		}
		if p == nil {
			return ErrNoAccount
		}
		var ok bool
		if a.rec, ok = layout.DecodeAccount(p); !ok || a.rec.Slot >= layout.BlockOffset(q.v.Super().Blocks) {
			return errRecord
		}
		return nil
	})
	if errors.Is(err, inode.ErrStale) {
		return ErrNoAccount
	}
	if err != nil {
		return err
	}
	if a.j, a.used, err = q.v.Journal.OpenAccount(a.rec.Slot); err != nil {
		return err
	}
	q.vetDeadlines(a)
	return nil
}

// vetDeadlines forgets deadlines of limits that are not exceeded: the medium need not know yet. A limit that is exceeded without a deadline
// has one from now on.
func (q *Quotas) vetDeadlines(a *account) {
	blocks, inodes := a.overSoft()
	now := q.now()
	grace := q.grace(a.key)
	a.rec.BlocksDeadline = deadline(blocks, a.rec.BlocksDeadline, now+grace[0])
	a.rec.InodesDeadline = deadline(inodes, a.rec.InodesDeadline, now+grace[1])
}

func deadline(over bool, have, fresh int64) int64 {
	switch {
	case !over:
		return 0
	case have != 0:
		return have
	}
	return fresh
}

// grace returns how long an account may exceed its soft limits of blocks and of inodes, in ns.
func (q *Quotas) grace(key uint64) [2]int64 {
	kind, _, _ := layout.AccountOf(key)
	i := 2 * (int(kind) - 1)
	g := &q.state.Load().Grace
	return [2]int64{g[i], g[i+1]}
}

// over reports whether a number is above a limit.
func over(n int64, limit uint64) bool { return limit != 0 && n > 0 && uint64(n) > limit }

// overSoft reports which soft limits are exceeded.
func (a *account) overSoft() (blocks, inodes bool) {
	return over(a.used.Blocks, a.rec.SoftBlocks), over(a.used.Inodes, a.rec.SoftInodes)
}

// take adds d, which is not negative, to what an account has used, unless that is more than it may. begins says that a soft limit is exceeded
// now, and its deadline to be stored.
func (q *Quotas) take(a *account, d layout.Usage, capped bool) (begins bool, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	next := a.used
	next.Add(d)
	if a.rec.Limits == (layout.Limits{}) {
		a.used = next
		return false, nil
	}
	now := int64(0)
	if over(next.Blocks, a.rec.SoftBlocks) || over(next.Inodes, a.rec.SoftInodes) {
		now = q.now()
	}
	if capped && (d.Blocks > 0 && refuses(next.Blocks, a.rec.HardBlocks, a.rec.SoftBlocks, a.rec.BlocksDeadline, now) ||
		d.Inodes > 0 && refuses(next.Inodes, a.rec.HardInodes, a.rec.SoftInodes, a.rec.InodesDeadline, now)) {
		return false, ErrExceeded
	}
	a.used = next
	blocks, inodes := a.overSoft()
	grace := q.grace(a.key)
	if blocks && a.rec.BlocksDeadline == 0 {
		a.rec.BlocksDeadline, begins = now+grace[0], true
	}
	if inodes && a.rec.InodesDeadline == 0 {
		a.rec.InodesDeadline, begins = now+grace[1], true
	}
	return begins, nil
}

// refuses reports whether limits keep n from being used.
func refuses(n int64, hard, soft uint64, deadline, now int64) bool {
	return over(n, hard) || over(n, soft) && deadline != 0 && now >= deadline
}

// give takes what is freed, or was held for an operation that has not happened, from what an account has used.
func (a *account) give(d layout.Usage, prepaid int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.used.Blocks -= d.Blocks
	a.used.Inodes -= d.Inodes
	a.prepaid -= prepaid
	blocks, inodes := a.overSoft()
	if !blocks {
		a.rec.BlocksDeadline = 0
	}
	if !inodes {
		a.rec.InodesDeadline = 0
	}
}
