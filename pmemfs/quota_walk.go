package pmemfs

import (
	"errors"
	"slices"
	"sync/atomic"

	"pmemfs/pmemfs/internal/critical"
	"pmemfs/pmemfs/internal/inode"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/media"
	"pmemfs/pmemfs/internal/quota"
	"pmemfs/pmemfs/safego"
)

// quotaWalker changes inodes in the background: it counts those from before the first quota, and gives directory trees to their accounts or
// takes them away. What is left to be done is on the medium, so it goes on after a crash.
type quotaWalker struct {
	mu      critical.Mutex // one walk at a time
	setMu   critical.Mutex // one change of a directory tree's quota at a time
	running atomic.Bool
	again   atomic.Bool
	ended   atomic.Bool
	group   safego.Group
	moved   atomic.Uint64 // names of inodes that have another project than their directory, that were moved
}

// errStopped ends a walk, as the filesystem is being closed.
var errStopped = errors.New("the filesystem is being closed")

// end stops the walks, and waits for them.
func (w *quotaWalker) end() {
	w.ended.Store(true)
	w.group.Wait()
}

// beginQuotaWalks does what is to be done with inodes, in the background unless there is none.
func (fs *FS) beginQuotaWalks() {
	if fs.quotas == nil || fs.readOnly {
		return
	}
	w := &fs.walker
	w.again.Store(true)
	switch {
	case fs.noBackground:
		fs.runQuotaWalks()
	case w.running.CompareAndSwap(false, true):
		w.group.Go("quota walks", func() {
			for more := true; more; {
				fs.runQuotaWalks()
				w.running.Store(false)
				// Who asked after the last look, and found it running, relies on it.
				more = w.again.Load() && !w.ended.Load() && w.running.CompareAndSwap(false, true)
			}
		})
	}
}

// runQuotaWalks makes all walks that are due. What fails is logged, and is due again with the next open or the next change of a quota.
func (fs *FS) runQuotaWalks() {
	w := &fs.walker
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.again.Swap(false) && !w.ended.Load() {
		err := fs.countInodes()
		if err == nil {
			err = fs.convertTrees()
		}
		if err != nil && !errors.Is(err, errStopped) && !errors.Is(err, ErrClosed) {
			fs.log.Warn("files could not be counted for quotas", "error", err)
		}
	}
}

// walkBatch is how many inodes a walk looks at under one hold of their locks, and changes in one record.
const walkBatch = 32

// countInodes counts every inode that is not, or first takes that back from all of them.
func (fs *FS) countInodes() error {
	switch fs.quotas.State().Walk {
	case layout.WalkDone:
		return nil
	case layout.WalkClears:
		if err := fs.clearCounts(); err != nil {
			return err
		}
	}
	if err := fs.eachBatch(func(in layout.Inode) bool {
		if in.Counted() {
			return false
		}
		in.SetFlags(in.Flags() | layout.FlagCounted)
		return true
	}); err != nil {
		return err
	}
	return fs.endCount()
}

// endCount says that all inodes are counted, unless somebody wants all of them counted anew meanwhile: what has been counted goes then.
func (fs *FS) endCount() error {
	return fs.quotaCall(func(q *quota.Quotas) error {
		return q.SetState(func(s *layout.QuotaState) {
			if s.Walk == layout.WalkCounts {
				s.Walk = layout.WalkDone
			}
		})
	})
}

// RecountQuotas counts anew what all files take, in the background: until the first part of that is done, which takes the flag that a file is
// counted from all of them, nothing is charged for or limited. It goes on after a crash. One fence; durable on return. Accounts that are
// Damaged stay so: Repair makes them anew.
//
// Errors: ErrNotExist while accounting is off; change errors.
func (fs *FS) RecountQuotas() (err error) {
	defer fs.finish(&err, layout.QuotaIno)
	err = func() error {
		for i := range fs.gates {
			fs.gates[i].Lock()
			defer fs.gates[i].Unlock()
		}
		switch {
		case fs.closed:
			return ErrClosed
		case fs.quotas == nil:
			return ErrNotExist
		}
		if err := fs.j.Err(); err != nil {
			return err
		}
		if err := fs.dirty.FlushAll(); err != nil {
			return err
		}
		return fs.quotas.SetState(func(s *layout.QuotaState) { s.Walk = layout.WalkClears })
	}()
	if err == nil {
		fs.beginQuotaWalks()
	}
	return err
}

// clearCounts takes the flag from all inodes and then clears all accounts. Nothing is charged for meanwhile, and new inodes have no flag.
func (fs *FS) clearCounts() error {
	if err := fs.eachBatch(func(in layout.Inode) bool {
		if !in.Counted() {
			return false
		}
		in.SetFlags(in.Flags() &^ layout.FlagCounted)
		return true
	}); err != nil {
		return err
	}
	for i := range fs.gates {
		fs.gates[i].Lock()
		defer fs.gates[i].Unlock()
	}
	if fs.closed {
		return ErrClosed
	}
	if err := fs.dirty.FlushAll(); err != nil {
		return err
	}
	if err := fs.quotas.Clear(); err != nil {
		return err
	}
	return fs.quotas.SetState(func(s *layout.QuotaState) { s.Walk = layout.WalkCounts })
}

// eachBatch calls change with every inode but the filesystem's own; it changes those for which that returns true.
func (fs *FS) eachBatch(change func(in layout.Inode) bool) error {
	var inos [walkBatch]uint64
	for first := uint64(layout.RootIno); first < fs.a.Inodes.Limit(); first += walkBatch {
		for i := range inos {
			inos[i] = first + uint64(i)
		}
		if _, err := fs.changeBatch(inos[:], change); err != nil {
			return err
		}
	}
	return nil
}

// changeBatch changes inodes in one record, those for which change returns true. It is called with a copy first. It returns how many. Accounts are charged
// for them whatever their limits say. What is damaged is left out. One fence if there were any; durable on return. No lock is held.
func (fs *FS) changeBatch(inos []uint64, change func(in layout.Inode) bool) (n int, err error) {
	if fs.walker.ended.Load() {
		return 0, errStopped
	}
	if len(inos) == 0 {
		return 0, nil
	}
	g, err := fs.enter(inos[0])
	if err != nil {
		return 0, err
	}
	defer g.RUnlock()
	for tries := (retry{}); ; {
		n, err = fs.changeLocked(inos, change)
		if err == nil || !fs.mayRetry(err, &tries) {
			break
		}
	}
	if err == nil || fs.j.Err() != nil || !media.Confined(err) {
		return n, err
	}
	if len(inos) == 1 {
		fs.log.Warn("a damaged file is not counted for quotas", "inode", inos[0], "error", fs.media.Report(err, inos[0], false))
		return 0, nil
	}
	n = 0
	for i := range inos {
		one, err := fs.changeBatch(inos[i:i+1], change)
		if n += one; err != nil {
			return n, err
		}
	}
	return n, nil
}

// changeLocked is changeBatch inside the gate: it takes the stripes in ascending order.
func (fs *FS) changeLocked(inos []uint64, change func(in layout.Inode) bool) (n int, err error) {
	var buf [walkBatch]int
	idx := buf[:0]
	for _, ino := range inos {
		idx = append(idx, stripeOf(ino))
	}
	slices.Sort(idx)
	for _, i := range slices.Compact(idx) {
		fs.stripes[i].Lock()
		defer fs.stripes[i].Unlock()
	}
	for _, ino := range inos {
		fs.dirty.FlushOrLose(ino)
	}
	defer fs.region.Unguard(fs.region.Guard(), &err)
	op := fs.a.Begin()
	defer op.Done()
	op.Uncapped = true
	for _, ino := range inos {
		in, err := fs.inodes.View(nil, ino)
		if errors.Is(err, inode.ErrStale) {
			continue
		}
		if err != nil {
			return 0, err
		}
		var next [layout.InodeSize]byte
		copy(next[:], in)
		if !change(next[:]) {
			continue
		}
		shadow, err := fs.inodes.Shadow(op, ino)
		if err != nil {
			return 0, err
		}
		change(shadow) // not the copy: the shadow may say by now that a snapshot has the inode
		n++
	}
	if n == 0 {
		return 0, nil
	}
	return n, op.Commit()
}
