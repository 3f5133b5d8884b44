package snapshot

import (
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/tree"
)

// Entry is a snapshot with the space that only it holds.
type Entry struct {
	layout.Snapshot
	Alone uint64 // blocks that would be free without it
}

// listChunk is how many entries are read under one hold of a shard's latch.
const listChunk = 4096

// List returns the snapshots, oldest first, each with what only it holds, and what all of them hold together. It reads the lists of kept
// blocks, so that it costs what has changed since the oldest snapshot. Changes that are made meanwhile may be in it or not. No fence.
// Errors wrap layout.ErrDamaged, or are memory faults.
func (s *Set) List() (list []Entry, sum Space, err error) {
	all := s.All()
	list = make([]Entry, len(all))
	for i, x := range all {
		list[i].Snapshot = x.Snapshot
	}
	if s.shards.Load() == nil {
		return list, sum, nil
	}
	for i := range *s.shards.Load() {
		for from, more := uint64(0), true; more; {
			if from, more, err = s.count(i, from, all, list); err != nil {
				return nil, sum, err
			}
		}
	}
	sum, err = s.Space()
	return list, sum, err
}

// count adds some entries of a shard to what snapshots hold alone. It returns the key to go on with.
func (s *Set) count(i int, from uint64, all []*Snapshot, list []Entry) (next uint64, more bool, err error) {
	defer s.v.Region.Unguard(s.v.Region.Guard(), &err)
	sh := &(*s.shards.Load())[i]
	sh.RLock()
	defer sh.RUnlock()
	p := s.open(nil, i)
	var c tree.Cursor
	err = p.blocks.SeekGE(&c, from)
	for range listChunk {
		if err != nil || !c.Valid() {
			return 0, false, err
		}
		k, err := decode(&c)
		if err != nil {
			return 0, false, err
		}
		until, _ := layout.KeptBlockOf(c.Key())
		first, _ := find(all, k.Birth)
		if first < len(all) && all[first].Epoch <= until && (first+1 == len(all) || all[first+1].Epoch > until) {
			list[first].Alone += uint64(k.Len)
		}
		if err = p.blocks.Next(&c); err != nil {
			return 0, false, err
		}
	}
	if !c.Valid() {
		return 0, false, nil
	}
	return c.Key(), true, nil
}
