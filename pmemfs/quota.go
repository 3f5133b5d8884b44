package pmemfs

import (
	"fmt"
	"strconv"
	"time"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/quota"
)

// QuotaKind says whose quota it is.
type QuotaKind uint8

// Kinds of quotas.
const (
	QuotaUser    = QuotaKind(layout.AccountUser)
	QuotaGroup   = QuotaKind(layout.AccountGroup)
	QuotaProject = QuotaKind(layout.AccountProject) // of a directory and all below it
)

// QuotaLimits are how much may be used; 0 is no limit. Bytes are counted in blocks of 4 KiB that files, directories and attributes take. A soft
// limit may be exceeded for the grace time of its kind, and counts like a hard one after that, until less is used again.
type QuotaLimits struct {
	HardBytes, SoftBytes uint64
	HardFiles, SoftFiles uint64
}

// Quota is an account: what somebody uses, and may.
type Quota struct {
	Kind QuotaKind
	ID   uint32 // of the user or group, or a number of the directory tree that the image gives it
	QuotaLimits
	UsedBytes     uint64 // with what is answered and in memory alone
	UsedFiles     uint64 // of all types
	BytesDeadline int64  // when the soft limit counts like a hard one, ns since 1970; 0 while it is not exceeded
	FilesDeadline int64
	Dir           Handle // of a directory tree; zero if it has no quota any more
	Converting    bool   // the tree is being given to its account, or taken from it: what is used is not yet, or still, counted
	Damaged       bool   // what is used cannot be read, and the limits do not count
}

// QuotaGrace is how long soft limits may be exceeded.
type QuotaGrace struct {
	Bytes, Files time.Duration
}

// QuotaStatus is how accounting stands.
type QuotaStatus struct {
	On       bool // what is used is counted
	Counting bool // files from before are still being counted
}

// QuotaStatus returns how accounting stands.
//
// Errors: ErrClosed.
func (fs *FS) QuotaStatus() (QuotaStatus, error) {
	g, err := fs.enter(0)
	if err != nil {
		return QuotaStatus{}, err
	}
	defer g.RUnlock()
	if fs.quotas == nil {
		return QuotaStatus{}, nil
	}
	return QuotaStatus{On: true, Counting: fs.quotas.State().Walk != layout.WalkDone}, nil
}

// SetQuota limits a user or a group, or a directory tree that has a quota by its number. The first quota of an image turns accounting on. One
// fence, for a user that has no account yet more; durable on return. What is used already may be more than the limits: then it cannot grow.
//
// Errors: ErrInvalid for a kind, for the user or group 0, whom limits do not bind, and for a soft limit above the hard one; ErrNotExist for a
// tree without a quota; ErrNoSpace; change errors.
func (fs *FS) SetQuota(kind QuotaKind, id uint32, l QuotaLimits) (err error) {
	limits, err := l.blocks()
	if err != nil {
		return err
	}
	switch {
	case kind != QuotaUser && kind != QuotaGroup && kind != QuotaProject:
		return ErrInvalid
	case id == 0 || id == NoID:
		return fmt.Errorf("%w: number %d cannot be limited", ErrInvalid, id)
	}
	if err := fs.EnableQuotas(); err != nil {
		return err
	}
	return fs.quotaCall(func(q *quota.Quotas) error {
		if kind == QuotaProject {
			if info, err := q.Get(layout.AccountProject, id); err != nil || info.State == layout.ProjectNone {
				return ErrNotExist
			}
		}
		return q.Edit(layout.AccountKind(kind), id, func(a *layout.Account) { a.Limits = limits })
	})
}

// blocks returns the limits as the image has them.
func (l QuotaLimits) blocks() (layout.Limits, error) {
	b := layout.Limits{
		HardBlocks: layout.BlocksFor(l.HardBytes), SoftBlocks: layout.BlocksFor(l.SoftBytes), HardInodes: l.HardFiles, SoftInodes: l.SoftFiles,
	}
	if b.HardBlocks != 0 && b.SoftBlocks > b.HardBlocks || b.HardInodes != 0 && b.SoftInodes > b.HardInodes {
		return b, fmt.Errorf("%w: a soft limit above the hard one", ErrInvalid)
	}
	return b, nil
}

// ClearQuota takes the limits of a user or a group away. What is used is counted as before. One fence; durable on return.
//
// Errors: ErrNotExist without an account; those of SetQuota.
func (fs *FS) ClearQuota(kind QuotaKind, id uint32) error {
	if kind != QuotaUser && kind != QuotaGroup {
		return ErrInvalid
	}
	return fs.quotaCall(func(q *quota.Quotas) error {
		if _, err := q.Get(layout.AccountKind(kind), id); err != nil {
			return err
		}
		return q.Edit(layout.AccountKind(kind), id, func(a *layout.Account) { a.Limits = layout.Limits{} })
	})
}

// SetQuotaGrace sets how long soft limits of a kind may be exceeded. Deadlines that have begun stay. One fence; durable on return.
//
// Errors: ErrInvalid for a kind or a negative time; those of SetQuota.
func (fs *FS) SetQuotaGrace(kind QuotaKind, grace QuotaGrace) error {
	if kind < QuotaUser || kind > QuotaProject || grace.Bytes < 0 || grace.Files < 0 {
		return ErrInvalid
	}
	if err := fs.EnableQuotas(); err != nil {
		return err
	}
	return fs.quotaCall(func(q *quota.Quotas) error {
		return q.SetState(func(s *layout.QuotaState) {
			s.Grace[2*kind-2], s.Grace[2*kind-1] = int64(grace.Bytes), int64(grace.Files)
		})
	})
}

// QuotaGraceOf returns how long soft limits of a kind may be exceeded.
//
// Errors: ErrInvalid for a kind; ErrNotExist while accounting is off; ErrClosed.
func (fs *FS) QuotaGraceOf(kind QuotaKind) (g QuotaGrace, err error) {
	if kind < QuotaUser || kind > QuotaProject {
		return g, ErrInvalid
	}
	err = fs.quotaCall(func(q *quota.Quotas) error {
		s := q.State()
		g = QuotaGrace{time.Duration(s.Grace[2*kind-2]), time.Duration(s.Grace[2*kind-1])}
		return nil
	})
	return g, err
}

// QuotaOf returns an account. No fence.
//
// Errors: ErrNotExist for one that nothing was ever charged to and that has no limits, or while accounting is off; read errors.
func (fs *FS) QuotaOf(kind QuotaKind, id uint32) (a Quota, err error) {
	err = fs.quotaCall(func(q *quota.Quotas) error {
		info, err := q.Get(layout.AccountKind(kind), id)
		a = quotaOf(info)
		return err
	})
	return a, err
}

// QuotaCursor is where a list of accounts goes on; 0 is the beginning.
type QuotaCursor uint64

// String returns the cursor as ParseQuotaCursor reads it.
func (c QuotaCursor) String() string { return strconv.FormatUint(uint64(c), 16) }

// ParseQuotaCursor is the inverse of String.
//
// Errors: those of strconv.ParseUint.
func ParseQuotaCursor(s string) (QuotaCursor, error) {
	n, err := strconv.ParseUint(s, 16, 64)
	return QuotaCursor(n), err
}

// Left returns how long the soft limits of bytes and files may still be exceeded: 0 where one is not exceeded, and less if its time is over.
func (q *Quota) Left() (bytes, files time.Duration) {
	t := now()
	left := func(deadline int64) time.Duration {
		switch {
		case deadline == 0:
			return 0
		case deadline == t:
			return -1
		}
		return time.Duration(deadline - t)
	}
	return left(q.BytesDeadline), left(q.FilesDeadline)
}

// Cursor is where a list goes on that begins with the account.
func (q *Quota) Cursor() QuotaCursor {
	return QuotaCursor(layout.AccountKey(layout.AccountKind(q.Kind), q.ID))
}

// Quotas calls f with all accounts from a cursor on, users first, then groups, then directory trees, each by number, until f returns false. f
// may call the filesystem. No fence.
//
// Errors: ErrNotExist while accounting is off; read errors.
func (fs *FS) Quotas(from QuotaCursor, f func(Quota) bool) (err error) {
	for next, more := uint64(from), true; more && err == nil; {
		var some []Quota
		err = fs.quotaCall(func(q *quota.Quotas) error {
			more = false
			return q.Each(next, func(info quota.Info) bool {
				some = append(some, quotaOf(info))
				next = layout.AccountKey(info.Kind, info.ID) + 1
				more = len(some) == batchEntries
				return !more
			})
		})
		for _, a := range some {
			if !f(a) {
				return err
			}
		}
	}
	return err
}

func quotaOf(i quota.Info) Quota {
	return Quota{
		Kind: QuotaKind(i.Kind), ID: i.ID, QuotaLimits: QuotaLimits{
			HardBytes: i.HardBlocks << layout.BlockShift, SoftBytes: i.SoftBlocks << layout.BlockShift, HardFiles: i.HardInodes, SoftFiles: i.SoftInodes,
		},
		UsedBytes: uint64(max(i.Used.Blocks, 0)) << layout.BlockShift, UsedFiles: uint64(max(i.Used.Inodes, 0)),
		BytesDeadline: i.BlocksDeadline, FilesDeadline: i.InodesDeadline, Dir: Handle{Ino: i.Root, Gen: i.RootGen},
		Converting: i.State == layout.ProjectGrows || i.State == layout.ProjectLeaves, Damaged: i.Damaged,
	}
}

// quotaCall is the frame of calls that concern accounts.
func (fs *FS) quotaCall(f func(q *quota.Quotas) error) (err error) {
	defer fs.finish(&err, layout.QuotaIno)
	g, err := fs.enter(layout.QuotaIno)
	if err != nil {
		return err
	}
	defer g.RUnlock()
	if fs.quotas == nil {
		return ErrNotExist
	}
	return f(fs.quotas)
}
