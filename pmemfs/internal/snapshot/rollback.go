package snapshot

import (
	"pmemfs/pmemfs/internal/alloc"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/mutation"
	"pmemfs/pmemfs/internal/tree"
)

// Work calls f while no deletion is at work, and none will be. The caller holds no gate and no stripe.
func (s *Set) Work(f func() error) error {
	s.workMu.Lock()
	defer s.workMu.Unlock()
	return f()
}

// Newer returns the snapshots that are newer than one, oldest first.
func (s *Set) Newer(epoch uint64) []*Snapshot {
	list := s.All()
	i, _ := find(list, epoch+1)
	return list[i:]
}

// Frozen calls f while the table stays as it is, but for what f does to it. The caller holds no gate; f may take them.
func (s *Set) Frozen(f func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return f()
}

// Rollback returns the epoch of the snapshot to which a rollback is under way, 0 for none. The table is frozen.
func (s *Set) Rollback() uint64 { return s.table.Rollback }

// SetRollback commits that a rollback to the snapshot of an epoch is under way, or, with 0, that it is done. The table is frozen. One fence; durable on
// return.
func (s *Set) SetRollback(epoch uint64) error {
	table := s.table
	if table.Rollback = epoch; mutation.RollbackNamed.Off() {
		s.table.Rollback = epoch
		return nil
	}
	err := s.change(s.v.Alloc.Begin(), func(_ *alloc.Op, _ layout.Inode, t *tree.Tree) error {
		return t.Update(0, layout.EncodeTable(&table))
	})
	if err == nil {
		s.table = table
	}
	return err
}

// Each calls f with entries of the lists of kept blocks that are kept until the snapshot of an epoch or later ones, but before another. It
// reads them in steps: step calls what it is given while the volume is there. Nobody else uses the shards, or f sees what there is at one
// instant after another.
func (s *Set) Each(since, before uint64, step func(func() error) error, f func(until uint64, k layout.Kept) error) error {
	for i := range s.Shards() {
		from, more := layout.KeptBlockKey(since, 0), true
		for more {
			var list []layout.Kept
			var keys []uint64
			if err := step(func() (err error) {
				list, keys, from, more, err = s.some(i, from, layout.KeptBlockKey(before-1, layout.KeptNumberMax))
				return err
			}); err != nil {
				return err
			}
			for n := range list {
				until, _ := layout.KeptBlockOf(keys[n])
				if err := f(until, list[n]); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// some returns entries of a shard, with keys from one to another, and the key to go on with, if there is more.
func (s *Set) some(i int, from, last uint64) (list []layout.Kept, keys []uint64, next uint64, more bool, err error) {
	defer s.v.Region.Unguard(s.v.Region.Guard(), &err)
	sh := &(*s.shards.Load())[i]
	sh.RLock()
	defer sh.RUnlock()
	p := s.open(nil, i)
	var c tree.Cursor
	err = p.blocks.SeekGE(&c, from)
	for ; err == nil && c.Valid() && c.Key() <= last; err = p.blocks.Next(&c) {
		if len(list) == lookMax {
			return list, keys, c.Key(), true, nil
		}
		k, err := decode(&c)
		if err != nil {
			return nil, nil, 0, false, err
		}
		list, keys = append(list, k), append(keys, c.Key())
	}
	return list, keys, 0, false, err
}

// Revive is a part of a rollback: it takes entries of blocks that the snapshot of an epoch, the newest, has off the list of shard i, if
// their owner has them again. It returns the key to go on with, if there is more. The caller holds all gates.
func (s *Set) Revive(i int, epoch, from uint64, again func(owner uint64) (bool, error)) (next uint64, more bool, err error) {
	list, keys, next, more, err := s.some(i, max(from, layout.KeptBlockKey(epoch, 0)), layout.KeptBlockKey(layout.EpochMax, layout.KeptNumberMax))
	if err != nil {
		return 0, false, err
	}
	n := 0 // those that live files have
	for x := range list {
		if list[x].Flags&layout.KeptInode != 0 || list[x].Birth > epoch {
			continue
		}
		ok, err := again(list[x].Owner)
		if err != nil {
			return 0, false, err
		}
		if ok && !mutation.RollbackRevives.Off() {
			list[n], keys[n] = list[x], keys[x]
			n++
		}
	}
	for at := 0; at < n; at += freeMax {
		end := min(at+freeMax, n)
		if err := s.forget(i, keys[at:end], list[at:end], nil); err != nil {
			return 0, false, err
		}
	}
	return next, more, nil
}

// forget commits that entries of a shard are gone, and what also logs with that.
func (s *Set) forget(i int, keys []uint64, list []layout.Kept, also func(op *alloc.Op) error) (err error) {
	defer s.v.Region.Unguard(s.v.Region.Guard(), &err)
	op := s.v.Alloc.Begin()
	defer op.Done()
	op.Frees = true
	if op.Allocator().AnyBad() {
		op.Own(s.v.OwnMu) // before the latch
	}
	op.HoldUntilDone(&(*s.shards.Load())[i].Latch)
	p := s.open(op, i)
	for n, key := range keys {
		if err := p.drop(key, &list[n]); err != nil {
			return err
		}
	}
	p.patch(op)
	if also != nil {
		if err := also(op); err != nil {
			return err
		}
	}
	return op.Commit()
}

// Shards returns how many shards there are.
func (s *Set) Shards() int {
	if shards := s.shards.Load(); shards != nil {
		return len(*shards)
	}
	return 0
}
