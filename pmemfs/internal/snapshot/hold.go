package snapshot

import (
	"slices"

	"pmemfs/pmemfs/internal/alloc"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/tree"
)

// Hold keeps a snapshot from being deleted until Release is called with the same tag: a name of up to layout.HoldNameMax bytes. A tag that
// is there already stays. One fence; durable on return. Errors: ErrNotFound, ErrName, ErrFull, and those of Create for the medium.
func (s *Set) Hold(name, tag string) error {
	if !layout.SnapshotName(tag) || len(tag) > layout.HoldNameMax {
		return ErrName
	}
	return s.edit(name, func(x *layout.Snapshot) (bool, error) {
		switch {
		case slices.Contains(x.Holds, tag):
			return false, nil
		case len(x.Holds) == layout.HoldsMax:
			return false, ErrFull
		}
		x.Holds = append(slices.Clone(x.Holds), tag)
		return true, nil
	})
}

// Release ends a hold. One fence; durable on return. Errors: ErrNotFound for a snapshot or a tag that is not there, and those of the medium.
func (s *Set) Release(name, tag string) error {
	return s.edit(name, func(x *layout.Snapshot) (bool, error) {
		at := slices.Index(x.Holds, tag)
		if at < 0 {
			return false, ErrNotFound
		}
		x.Holds = slices.Delete(slices.Clone(x.Holds), at, at+1)
		return true, nil
	})
}

// edit commits what f makes of a snapshot's line. f returns false if there is nothing to do.
func (s *Set) edit(name string, f func(x *layout.Snapshot) (bool, error)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, err := s.v.Enter(layout.SnapshotIno)
	if err != nil {
		return err
	}
	defer g.RUnlock()
	old := s.ByName(name)
	if old == nil {
		return ErrNotFound
	}
	x := *old
	if changed, err := f(&x.Snapshot); err != nil || !changed {
		return err
	}
	err = s.change(s.v.Alloc.Begin(), func(_ *alloc.Op, _ layout.Inode, t *tree.Tree) error {
		if err := t.Delete(x.Epoch); err != nil {
			return err
		}
		return t.Insert(x.Epoch, layout.EncodeSnapshot(&x.Snapshot))
	})
	if err == nil {
		list := slices.Clone(s.All())
		at, _ := find(list, x.Epoch)
		list[at] = &x
		s.list.Store(&list)
	}
	return err
}
