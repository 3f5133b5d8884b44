// Package quotas is the quotas that a configuration names, and has an image keep to them.
//
// What a configuration does not name it leaves alone: quotas that were set by a command stay, and so does one that the configuration has
// lost. Limits that it names are those of the image after each start and each reload.
//
// # Concurrency and durability
//
// Apply may be called beside all traffic. Limits are durable when it returns. What is right already costs no fence.
package quotas

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"pmemfs/pmemfs"
	"pmemfs/server/export"
)

// Quota is limits of a user, a group, or a directory and all below it. A limit that is nil stays as it is; 0 is none.
type Quota struct {
	Kind pmemfs.QuotaKind
	ID   uint32 // of the user or the group
	Path string // of a tree: its directory in the image, absolute and cleaned

	Bytes, SoftBytes *uint64
	Files, SoftFiles *uint64
}

// Errors of quotas.
var (
	ErrWhose   = errors.New("a quota is for one of a user, a group and a path")
	ErrNobody  = errors.New("root cannot be limited, and nobody has the number 4294967295")
	ErrPath    = errors.New("a path of a quota is absolute and cleaned, as in the image")
	ErrNoLimit = errors.New("a quota has a limit: bytes, soft_bytes, files, soft_files")
	ErrSoft    = errors.New("a soft limit is above the hard one")
	ErrTwice   = errors.New("two quotas are for the same")
)

// Validate refuses quotas that could not be set.
//
// Errors: ErrWhose, ErrNobody, ErrPath, ErrNoLimit, ErrSoft and ErrTwice, with whose quota it is.
func Validate(list []Quota) error {
	for i := range list {
		q := &list[i]
		if err := q.validate(); err != nil {
			return fmt.Errorf("quota of %v: %w", q, err)
		}
		if slices.ContainsFunc(list[:i], func(o Quota) bool { return o.Kind == q.Kind && o.ID == q.ID && o.Path == q.Path }) {
			return fmt.Errorf("quota of %v: %w", q, ErrTwice)
		}
	}
	return nil
}

func (q *Quota) validate() error {
	switch q.Kind {
	case pmemfs.QuotaUser, pmemfs.QuotaGroup:
		if q.Path != "" {
			return ErrWhose
		}
		if q.ID == 0 || q.ID == pmemfs.NoID {
			return ErrNobody
		}
	case pmemfs.QuotaProject:
		if q.ID != 0 {
			return ErrWhose
		}
		if !path.IsAbs(q.Path) || path.Clean(q.Path) != q.Path || strings.ContainsRune(q.Path, 0) {
			return ErrPath
		}
	default:
		return ErrWhose
	}
	if q.Bytes == nil && q.SoftBytes == nil && q.Files == nil && q.SoftFiles == nil {
		return ErrNoLimit
	}
	if above(q.SoftBytes, q.Bytes) || above(q.SoftFiles, q.Files) {
		return ErrSoft
	}
	return nil
}

// above reports whether a soft limit is above the hard one that is named with it.
func above(soft, hard *uint64) bool { return soft != nil && hard != nil && *hard != 0 && *soft > *hard }

// String says whose quota it is.
func (q *Quota) String() string {
	switch q.Kind {
	case pmemfs.QuotaUser:
		return fmt.Sprintf("user %d", q.ID)
	case pmemfs.QuotaGroup:
		return fmt.Sprintf("group %d", q.ID)
	}
	return q.Path
}

// Failure is a quota that an image has not taken.
type Failure struct {
	Quota *Quota
	Err   error // pmemfs.ErrNotExist or pmemfs.ErrNotDir for a path that is no directory
}

// Missing reports whether the quota is of a directory that is not there.
func (f *Failure) Missing() bool {
	return f.Quota.Kind == pmemfs.QuotaProject && (errors.Is(f.Err, pmemfs.ErrNotExist) || errors.Is(f.Err, pmemfs.ErrNotDir))
}

// Apply sets those limits of an image that are others than the list, which is valid, says. It returns how many quotas it has set, and
// those that it could not.
func Apply(eng *pmemfs.FS, list []Quota) (set int, failures []Failure) {
	for i := range list {
		changed, err := list[i].apply(eng)
		switch {
		case err != nil:
			failures = append(failures, Failure{&list[i], err})
		case changed:
			set++
		}
	}
	return set, failures
}

// apply sets the limits of one account, unless it has them.
func (q *Quota) apply(eng *pmemfs.FS) (changed bool, err error) {
	var dir pmemfs.Handle
	var now pmemfs.Quota
	if q.Kind == pmemfs.QuotaProject {
		a, werr := export.Walk(eng, q.Path)
		if werr != nil {
			return false, werr
		}
		dir = a.Handle
		now, err = OfTree(eng, dir)
	} else {
		now, err = eng.QuotaOf(q.Kind, q.ID)
	}
	if err != nil && !errors.Is(err, pmemfs.ErrNotExist) {
		return false, err
	}
	known, next := err == nil, now.QuotaLimits
	for _, x := range []struct{ to, from *uint64 }{
		{&next.HardBytes, q.Bytes}, {&next.SoftBytes, q.SoftBytes}, {&next.HardFiles, q.Files}, {&next.SoftFiles, q.SoftFiles},
	} {
		if x.from != nil {
			*x.to = *x.from
		}
	}
	if known && same(next, now.QuotaLimits) {
		return false, nil
	}
	if q.Kind == pmemfs.QuotaProject {
		_, err = eng.SetTreeQuota(dir, next)
	} else {
		err = eng.SetQuota(q.Kind, q.ID, next)
	}
	return err == nil, err
}

// blockBytes is what an image counts in, and rounds limits up to.
const blockBytes = 4096

// same reports whether limits are the same as an image has them.
func same(next, has pmemfs.QuotaLimits) bool {
	up := func(n uint64) uint64 { return n/blockBytes + (n%blockBytes+blockBytes-1)/blockBytes }
	return up(next.HardBytes) == up(has.HardBytes) && up(next.SoftBytes) == up(has.SoftBytes) &&
		next.HardFiles == has.HardFiles && next.SoftFiles == has.SoftFiles
}

// OfTree returns the account of a directory, which the directory itself may not have been given yet.
//
// Errors: pmemfs.ErrNotExist if it has none; those of pmemfs.FS.Quotas.
func OfTree(eng *pmemfs.FS, dir pmemfs.Handle) (found pmemfs.Quota, err error) {
	trees := pmemfs.Quota{Kind: pmemfs.QuotaProject}
	err = eng.Quotas(trees.Cursor(), func(q pmemfs.Quota) bool {
		if q.Dir == dir {
			found = q
		}
		return found.ID == 0
	})
	if err == nil && found.ID == 0 {
		err = pmemfs.ErrNotExist
	}
	return found, err
}
