package inode

import (
	"pmemfs/pmemfs/internal/extent"
	"pmemfs/pmemfs/internal/layout"
)

// The inode file gives back its end when so many blocks, and such a share of them, are free: less would be needed again soon.
const (
	trimMin   = 64
	trimShare = 8
	// trimPieces bounds the extents that one record takes off.
	trimPieces = 128
	// trimNear is how far from the highest number in use one may be freed for it to be looked for anew: operations that did not
	// happen have reserved numbers behind it.
	trimNear = growMin * layout.InodesPerBlk
)

// noTop stands for a highest number in use that is not known.
const noTop = 1 << 62

// worth returns how many free blocks at the end make it worth while to cut a file of so many.
func worth(blocks uint64) uint64 { return max(trimMin, blocks/trimShare) }

// raise notes that a number is in use.
func (t *Table) raise(ino uint64) {
	for {
		top := t.top.Load()
		if top >= ino || t.top.CompareAndSwap(top, ino) {
			return
		}
	}
}

// Freed is told of each number that has been freed, durably.
func (t *Table) Freed(ino uint64) {
	if ino+trimNear >= t.top.Load() {
		t.loose.Store(true)
	}
}

// Loose reports whether the end of the file may be worth cutting off. It costs two loads while it is not.
func (t *Table) Loose() bool {
	if !t.loose.Load() && t.top.Load() != noTop {
		return false
	}
	blocks := t.a.Inodes.Limit() / layout.InodesPerBlk
	return t.a.Inodes.Avail() >= int64(worth(blocks)-1)*layout.InodesPerBlk
}

// Trim cuts off the end of the file behind the last number in use, if that is worth while; with all, whatever there is. Its blocks
// are free then. quiesce returns when nobody uses an offset any more that Offset returned before: who does holds the lock of the
// inode. The caller holds no such lock. One fence for each 128 extents; durable on return.
func (t *Table) Trim(all bool, quiesce func()) error {
	t.growMu.Lock()
	defer t.growMu.Unlock()
	t.loose.Store(false)
	known := t.top.Load()
	top, err := t.a.Inodes.Top(known + 1)
	if err != nil {
		t.top.Store(t.a.Inodes.Limit()) // and not again for each number that is freed
		return err
	}
	if top != known {
		t.top.CompareAndSwap(known, top) // else somebody has taken a higher one
	}
	in, err := t.View(nil, layout.InodeFileIno)
	if err != nil {
		return err
	}
	have := in.Size() >> layout.BlockShift
	last, _ := layout.InodeFileBlock(top)
	keep := last + 1 + growMin
	if keep%layout.InodeGroupBlocks == 1 {
		keep-- // the bitmap of an inode group without inodes
	}
	least := worth(have)
	if all {
		least = 1
	}
	for have >= keep+least {
		cut := keep
		if list := *t.extents.Load(); len(list) > trimPieces {
			cut = max(cut, list[len(list)-trimPieces].Logical)
		}
		ok, err := t.cut(cut, have, quiesce)
		if err != nil || !ok {
			return err
		}
		have, least = cut, 1
	}
	return nil
}

// cut gives the file blocks from cut on back. ok is false when one of their numbers is in use.
func (t *Table) cut(cut, have uint64, quiesce func()) (ok bool, err error) {
	tail, ok, err := t.a.Inodes.TakeTail(layout.InodeCapacity(cut))
	if err != nil || !ok || len(tail) == 0 {
		return false, err
	}
	old := t.extents.Load()
	done := false
	defer func() {
		if done {
			return
		}
		// An error, or a memory fault. If the fence was refused the record may be durable all the same, so that its numbers and
		// blocks stay taken.
		t.extents.Store(old)
		if t.j.Err() == nil {
			t.a.Inodes.GiveTail(tail)
		}
	}()
	// From here on the numbers are as if they had never been; whoever was about to look at one has done so behind quiesce.
	t.extents.Store(before(*old, cut))
	quiesce()
	op := t.a.Begin()
	defer op.Done()
	op.Frees, op.Trims = true, true
	in, err := t.Edit(op, layout.InodeFileIno)
	if err != nil {
		return false, err
	}
	m := extent.Open(t.j, op, in)
	if _, err := m.Remove(cut, have, trimPieces+1, func(phys, n, _ uint64) error {
		in.AddBlocks(-int64(n))
		return op.FreeBlocks(phys, n)
	}); err != nil {
		return false, err
	}
	in.SetSize(cut << layout.BlockShift)
	if err := op.Commit(); err != nil {
		return false, err
	}
	done = true
	t.a.Inodes.Cut(tail)
	return true, nil
}

// before returns the extents of a map as far as a file block.
func before(list []layout.Extent, end uint64) *[]layout.Extent {
	var kept []layout.Extent
	for _, e := range list {
		if e.Logical >= end {
			break
		}
		e.Len = uint32(min(uint64(e.Len), end-e.Logical))
		kept = append(kept, e)
	}
	return &kept
}
