package pmemfs

import (
	"errors"
	"slices"

	"pmemfs/pmemfs/internal/inode"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/quota"
)

// QuotaDifference is an account that says something else than the files that it is charged for.
type QuotaDifference struct {
	Kind       QuotaKind
	ID         uint32
	UsedBytes  int64 // as the account says
	UsedFiles  int64
	TakenBytes int64 // as the files do
	TakenFiles int64
}

// CheckQuotas compares what accounts say with what files take, beside all traffic, and returns those that differ. It reads every inode, some
// under one hold of their locks; in the end nobody is inside a call while the accounts are read. Nothing is changed: Repair does that. No fence.
//
// Errors: ErrNotExist while accounting is off; ErrBusy while files are still being counted, or another call of CheckQuotas is under way; read
// errors.
func (fs *FS) CheckQuotas() (list []QuotaDifference, err error) {
	defer fs.finish(&err, layout.QuotaIno)
	var a *quota.Audit
	if err := fs.quotaCall(func(q *quota.Quotas) (err error) {
		if q.State().Walk != layout.WalkDone {
			return ErrBusy
		}
		a, err = q.Begin()
		return err
	}); err != nil {
		return nil, err
	}
	defer a.End()
	for first := uint64(layout.RootIno); first < fs.a.Inodes.Limit(); first += walkBatch {
		if err := fs.auditBatch(a, first); err != nil {
			return nil, err
		}
	}
	for i := range fs.gates {
		fs.gates[i].Lock()
		defer fs.gates[i].Unlock()
	}
	if fs.closed {
		return nil, ErrClosed
	}
	diffs, err := a.Compare()
	for _, d := range diffs {
		list = append(list, QuotaDifference{
			QuotaKind(d.Kind), d.ID, d.Used.Blocks << layout.BlockShift, d.Used.Inodes, d.Taken.Blocks << layout.BlockShift, d.Taken.Inodes,
		})
	}
	return list, err
}

// auditBatch counts some inodes under one hold of their stripes. One that is damaged takes what nobody knows.
func (fs *FS) auditBatch(a *quota.Audit, first uint64) (err error) {
	g, err := fs.enter(first)
	if err != nil {
		return err
	}
	defer g.RUnlock()
	var buf [walkBatch]int
	for i := range buf {
		buf[i] = stripeOf(first + uint64(i))
	}
	slices.Sort(buf[:])
	for _, i := range slices.Compact(buf[:]) {
		fs.stripes[i].RLock()
		defer fs.stripes[i].RUnlock()
	}
	defer fs.region.Unguard(fs.region.Guard(), &err)
	for ino := first; ino < first+walkBatch; ino++ {
		in, err := fs.inodes.View(nil, ino)
		switch {
		case err == nil:
			a.Count(in)
		case !errors.Is(err, inode.ErrStale):
			return err
		}
	}
	a.Counted(first + walkBatch)
	return nil
}
