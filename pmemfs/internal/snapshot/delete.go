package snapshot

import (
	"errors"
	"fmt"
	"slices"

	"pmemfs/pmemfs/internal/alloc"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/mutation"
	"pmemfs/pmemfs/internal/tree"
)

// What one record of a deletion frees, and how many entries it looks at.
const (
	freeMax = 64
	lookMax = 1024
)

// Delete makes a snapshot be no more. What it alone holds is freed in the background, or before Delete returns if there is none. It waits
// for those who read in the snapshot, and takes no space. The caller holds no gate and no stripe. One fence; durable on return.
//
// Errors: ErrNotFound, ErrHeld; errors that wrap layout.ErrDamaged, and memory faults.
func (s *Set) Delete(name string) error {
	if err := s.Doom(name); err != nil {
		return err
	}
	if s.work == nil {
		s.Reap()
	} else {
		select {
		case s.work <- struct{}{}:
		default: // it has been woken
		}
	}
	return nil
}

// Doom commits that a snapshot is being deleted, and leaves it at that. Errors are those of Delete.
func (s *Set) Doom(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, err := s.v.Enter(layout.SnapshotIno)
	if err != nil {
		return err
	}
	defer g.RUnlock()
	x := s.ByName(name)
	switch {
	case x == nil:
		return ErrNotFound
	case len(x.Holds) > 0:
		return ErrHeld
	}
	x.gate.latch.Lock()
	x.gate.gone = true
	x.gate.latch.Unlock()
	marked := x.Snapshot
	marked.Flags |= layout.SnapshotDeleting
	list := slices.DeleteFunc(slices.Clone(s.All()), func(y *Snapshot) bool { return y == x })
	if err := s.mark(&marked, list); err != nil {
		x.gate.latch.Lock()
		x.gate.gone = false
		x.gate.latch.Unlock()
		return err
	}
	at, _ := slices.BinarySearch(s.doomed, x.Epoch)
	s.doomed = slices.Insert(s.doomed, at, x.Epoch)
	return nil
}

// mark commits the new payload of a snapshot, which takes as many bytes as the old one; list is what snapshots there are then. Operations
// are paused meanwhile, as fewer things may be shared from here on.
func (s *Set) mark(x *layout.Snapshot, list []*Snapshot) error {
	a := s.v.Alloc
	a.Pause()
	paused := true
	resume := func() {
		if paused {
			paused = false
			a.Resume()
		}
	}
	defer resume()
	return s.change(a.BeginPaused(), func(op *alloc.Op, _ layout.Inode, t *tree.Tree) error {
		op.Tx.OnAppended(func() {
			s.publish(list)
			resume()
		})
		if mutation.SnapshotMarked.Off() {
			x.Flags &^= layout.SnapshotDeleting
		}
		return t.Update(x.Epoch, layout.EncodeSnapshot(x))
	})
}

// Start begins to free in the background what deleted snapshots held.
func (s *Set) Start() {
	s.work, s.stop = make(chan struct{}, 1), make(chan struct{})
	s.work <- struct{}{} // what the last mount has left
	s.done.Go("deletion of snapshots", func() {
		for {
			select {
			case <-s.work:
				s.Reap()
			case <-s.stop:
				return
			}
		}
	})
}

// Stop ends the background, in the middle of a deletion if there is one: the next open goes on with it.
func (s *Set) Stop() {
	if s.stop != nil {
		s.ended.Do(func() { close(s.stop) })
		s.done.Wait()
	}
}

func (s *Set) stopped() bool {
	select {
	case <-s.stop:
		return true
	default:
		return false // also without a background
	}
}

// Doomed returns how many deletions are under way.
func (s *Set) Doomed() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.doomed)
}

// Reap frees what deleted snapshots held, as far as it can. What is damaged keeps its snapshot in the table, and the space it holds taken,
// until a repair. The caller holds no gate and no stripe.
func (s *Set) Reap() {
	s.workMu.Lock()
	defer s.workMu.Unlock()
	if err := s.ReapAll(); err != nil && err != ErrStopped {
		s.v.Log.Warn("deleted snapshots could not be freed", "error", err)
	}
}

// ReapAll is Reap for a caller in Work, who is told what went wrong.
func (s *Set) ReapAll() (err error) {
	s.mu.Lock()
	doomed := slices.Clone(s.doomed)
	s.mu.Unlock()
	for _, epoch := range doomed {
		one := s.reap(epoch)
		if one == ErrStopped {
			return one
		}
		if one != nil {
			err = errors.Join(err, fmt.Errorf("the snapshot of epoch %d: %w", epoch, one))
		}
	}
	return err
}

// reap finishes one deletion.
func (s *Set) reap(epoch uint64) error {
	last := layout.KeptBlockKey(s.next(epoch)-1, layout.KeptNumberMax)
	for i := range *s.shards.Load() {
		for from, more := layout.KeptBlockKey(epoch, 0), true; more; {
			if s.stopped() {
				return ErrStopped
			}
			var err error
			if from, more, err = s.free(i, from, last); err != nil {
				return err
			}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g, err := s.v.Enter(layout.SnapshotIno)
	if err != nil {
		return ErrStopped
	}
	defer g.RUnlock()
	err = s.change(s.v.Alloc.Begin(), func(_ *alloc.Op, _ layout.Inode, t *tree.Tree) error { return t.Delete(epoch) })
	if err == nil {
		s.doomed = slices.DeleteFunc(s.doomed, func(e uint64) bool { return e == epoch })
	}
	return err
}

// next returns the epoch of the snapshot in the table that follows one, layout.EpochMax + 1 if there is none.
func (s *Set) next(epoch uint64) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := uint64(layout.EpochMax + 1)
	if i, _ := slices.BinarySearch(s.doomed, epoch+1); i < len(s.doomed) {
		next = s.doomed[i]
	}
	list := s.All()
	if i, _ := find(list, epoch+1); i < len(list) {
		next = min(next, list[i].Epoch)
	}
	return next
}

// free is one record of a deletion: it frees entries of shard i, with keys from one to another, that no snapshot has. It returns the key to
// go on with, if there is more. Entries until snapshots that are being deleted are nobody else's, so that they stay from the look to the record.
func (s *Set) free(i int, from, last uint64) (next uint64, more bool, err error) {
	g, err := s.v.Enter(layout.SnapshotIno)
	if err != nil {
		return from, false, ErrStopped
	}
	defer g.RUnlock()
	keys, list, next, more, err := s.unheld(i, from, last)
	if err != nil || len(keys) == 0 {
		return next, more, err
	}
	return next, more, s.forget(i, keys, list, func(op *alloc.Op) error {
		for n := range list {
			if list[n].Len > 0 {
				if err := op.FreeBlocks(list[n].Start, uint64(list[n].Len)); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// unheld returns entries that no snapshot has, and the key to go on with, if there is more.
func (s *Set) unheld(i int, from, last uint64) (keys []uint64, list []layout.Kept, next uint64, more bool, err error) {
	defer s.v.Region.Unguard(s.v.Region.Guard(), &err)
	sh := &(*s.shards.Load())[i]
	sh.RLock()
	defer sh.RUnlock()
	p, snapshots := s.open(nil, i), s.All()
	var c tree.Cursor
	err = p.blocks.SeekGE(&c, from)
	for looked := 0; err == nil && c.Valid() && c.Key() <= last; err = p.blocks.Next(&c) {
		if looked++; looked > lookMax || len(keys) == freeMax {
			return keys, list, c.Key(), true, nil
		}
		k, err := decode(&c)
		if err != nil {
			return nil, nil, from, false, err
		}
		if until, _ := layout.KeptBlockOf(c.Key()); !held(snapshots, k.Birth, until) {
			keys, list = append(keys, c.Key()), append(list, k)
		}
	}
	return keys, list, 0, false, err
}
