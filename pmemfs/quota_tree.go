package pmemfs

import (
	"errors"

	"pmemfs/pmemfs/internal/inode"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/quota"
)

// SetTreeQuota limits a directory and all below it, and returns the number of its account, which SetQuota takes too. What is there already is
// given to the account in the background, directories first (Quota.Converting); what is made from then on belongs to it from the start. A
// directory tree below that has a quota keeps its own account, and the outer one is not charged for it. Names and links do not cross the
// border (ErrCrossesQuota). One fence, for a new quota more; durable on return.
//
// Errors: ErrNotDir; those of SetQuota.
func (fs *FS) SetTreeQuota(dir Handle, l QuotaLimits) (id uint32, err error) {
	limits, err := l.blocks()
	if err != nil {
		return 0, err
	}
	if dir.Snap != 0 {
		return 0, ErrReadOnly
	}
	if err := fs.view(nil, dir, func(in layout.Inode) error {
		if !in.IsDir() {
			return ErrNotDir
		}
		return nil
	}); err != nil {
		return 0, err
	}
	if err := fs.EnableQuotas(); err != nil {
		return 0, err
	}
	fs.walker.setMu.Lock()
	defer fs.walker.setMu.Unlock()
	err = fs.quotaCall(func(q *quota.Quotas) error {
		var have bool
		if id, have, err = fs.treeAccount(q, dir); err != nil {
			return err
		}
		return q.Edit(layout.AccountProject, id, func(a *layout.Account) {
			a.Limits = limits
			if !have || a.State == layout.ProjectLeaves {
				a.State = layout.ProjectGrows
			}
			a.Root, a.RootGen = dir.Ino, dir.Gen
		})
	})
	if err == nil {
		fs.beginQuotaWalks()
	}
	return id, err
}

// treeAccount finds the account of a directory, or the number that it may have: one whose directory is gone and that nothing is charged to,
// or a new one.
func (fs *FS) treeAccount(q *quota.Quotas, dir Handle) (id uint32, have bool, err error) {
	reuse, last := uint32(0), uint32(0)
	err = q.Each(layout.AccountKey(layout.AccountProject, 0), func(i quota.Info) bool {
		last = i.ID
		root := Handle{Ino: i.Root, Gen: i.RootGen}
		if have = root == dir && i.State != layout.ProjectNone; have {
			id = i.ID
			return false
		}
		if reuse == 0 && i.Used == (layout.Usage{}) && !i.Damaged && (i.State == layout.ProjectNone || i.State == layout.ProjectSet && fs.isGone(root)) {
			reuse = i.ID
		}
		return true
	})
	switch {
	case err != nil || have:
		return id, have, err
	case reuse != 0:
		return reuse, false, nil
	case last == NoID-1:
		return 0, false, ErrNoSpace
	}
	return last + 1, false, nil
}

// RemoveTreeQuota takes the quota of a directory tree away, given the number of its account: what is there belongs to the account of the tree
// around it from then on, if that has one. That is done in the background. One fence; durable on return.
//
// Errors: ErrNotExist; those of SetQuota.
func (fs *FS) RemoveTreeQuota(id uint32) error {
	fs.walker.setMu.Lock()
	defer fs.walker.setMu.Unlock()
	err := fs.quotaCall(func(q *quota.Quotas) error {
		info, err := q.Get(layout.AccountProject, id)
		if err != nil {
			return err
		}
		if info.State == layout.ProjectNone {
			return ErrNotExist
		}
		return q.Edit(layout.AccountProject, id, func(a *layout.Account) { a.Limits, a.State = layout.Limits{}, layout.ProjectLeaves })
	})
	if err == nil {
		fs.beginQuotaWalks()
	}
	return err
}

// TreeQuota returns the quota of the directory tree that a file is in.
//
// Errors: ErrNotExist if there is none, or while accounting is off; read errors.
func (fs *FS) TreeQuota(h Handle) (Quota, error) {
	project := uint32(0)
	err := fs.view(nil, h, func(in layout.Inode) error {
		project = in.Project()
		return nil
	})
	if err != nil {
		return Quota{}, err
	}
	if project == 0 {
		return Quota{}, ErrNotExist
	}
	return fs.QuotaOf(QuotaProject, project)
}

// isGone reports whether a handle leads nowhere.
func (fs *FS) isGone(h Handle) bool {
	err := fs.viewInode(h.Ino, func(in layout.Inode) error {
		if in.Gen() != h.Gen {
			return inode.ErrStale
		}
		return nil
	})
	return errors.Is(err, inode.ErrStale)
}

// viewInode calls f with an inode, whatever its generation. The caller holds a gate and no stripe.
func (fs *FS) viewInode(ino uint64, f func(in layout.Inode) error) (err error) {
	defer fs.region.Unguard(fs.region.Guard(), &err)
	s := fs.stripes.of(ino)
	s.RLock()
	defer s.RUnlock()
	in, err := fs.inodes.View(nil, ino)
	if err != nil {
		return err
	}
	return f(in)
}

// noteMoved is told of a rename: a walk that is converting a directory tree may have looked where the file is going to be, and has to look
// again.
func (fs *FS) noteMoved(from, to *side) {
	if fs.quotas == nil {
		return
	}
	if from.child.Project() != to.parent.Project() || to.child != nil && to.child.Project() != from.parent.Project() {
		fs.walker.moved.Add(1)
	}
}

// convertTrees gives the trees that are due to their accounts, or takes them away.
func (fs *FS) convertTrees() error {
	var due []quota.Info
	err := fs.quotaCall(func(q *quota.Quotas) error {
		return q.Each(layout.AccountKey(layout.AccountProject, 0), func(i quota.Info) bool {
			if i.State == layout.ProjectGrows || i.State == layout.ProjectLeaves {
				due = append(due, i)
			}
			return true
		})
	})
	for i := range due {
		err = errors.Join(err, fs.convertTree(&due[i]))
	}
	return err
}

// convertTree converts one tree: passes over it until one has found nothing, and no file was moved meanwhile that may have got past it.
func (fs *FS) convertTree(i *quota.Info) error {
	root := Handle{Ino: i.Root, Gen: i.RootGen}
	from, to, err := fs.conversion(i, root)
	for left := err == nil; left; {
		moved := fs.walker.moved.Load()
		n := 0
		n, err = fs.convertPass(root, from, to)
		left = err == nil && (n > 0 || fs.walker.moved.Load() != moved)
	}
	if err != nil && !errors.Is(err, error(ErrStale)) { // a directory that is gone has nothing below it
		return err
	}
	return fs.quotaCall(func(q *quota.Quotas) error {
		return q.Edit(layout.AccountProject, i.ID, func(a *layout.Account) {
			switch {
			case a.State == layout.ProjectGrows && i.State == a.State:
				a.State = layout.ProjectSet
			case a.State == layout.ProjectLeaves && i.State == a.State:
				a.State, a.Root, a.RootGen, a.Replaced = layout.ProjectNone, 0, 0, 0
			}
		})
	})
}

// conversion says which project the inodes of a tree have and which they get. What the directory had before is stored first: behind its own
// conversion nobody could tell.
func (fs *FS) conversion(i *quota.Info, root Handle) (from, to uint32, err error) {
	var has uint32
	var parent uint64
	if err := fs.view(nil, root, func(in layout.Inode) error {
		has, parent = in.Project(), in.Parent()
		return nil
	}); err != nil {
		return 0, 0, err
	}
	replaced := i.Replaced
	switch {
	case i.State == layout.ProjectGrows && has != i.ID:
		replaced = has
	case i.State == layout.ProjectLeaves && root.Ino == layout.RootIno:
		replaced = 0
	case i.State == layout.ProjectLeaves && has == i.ID:
		if err := fs.quotaCall(func(*quota.Quotas) error {
			return fs.viewInode(parent, func(in layout.Inode) error {
				replaced = in.Project()
				return nil
			})
		}); err != nil {
			return 0, 0, err
		}
	}
	if replaced != i.Replaced {
		if err := fs.quotaCall(func(q *quota.Quotas) error {
			return q.Edit(layout.AccountProject, i.ID, func(a *layout.Account) { a.Replaced = replaced })
		}); err != nil {
			return 0, 0, err
		}
	}
	if i.State == layout.ProjectLeaves {
		return i.ID, replaced, nil
	}
	return replaced, i.ID, nil
}

// visit is a directory that a pass is in.
type visit struct {
	dir    Handle
	cookie uint64
}

// convertPass converts what of a tree has one project to another, each directory before what is in it, so that what is made there meanwhile
// has the new one. It does not enter trees of other projects. It returns how many it has converted.
func (fs *FS) convertPass(root Handle, from, to uint32) (n int, err error) {
	convert := func(in layout.Inode) bool {
		if in.Project() != from {
			return false
		}
		in.SetProject(to)
		return true
	}
	if n, err = fs.changeBatch([]uint64{root.Ino}, func(in layout.Inode) bool { return in.Gen() == root.Gen && convert(in) }); err != nil {
		return n, err
	}
	for stack := []visit{{dir: root}}; len(stack) > 0; {
		top := &stack[len(stack)-1]
		var all, dirs []uint64
		more := false
		err := fs.Readdir(&Cred{}, nil, top.dir, top.cookie, false, func(e *DirEntry) bool {
			top.cookie = e.Cookie
			if e.Cookie != cookieDot && e.Cookie != cookieDotDot {
				all = append(all, e.Ino)
			}
			if e.Type == TypeDir && e.Cookie != cookieDot && e.Cookie != cookieDotDot {
				dirs = append(dirs, e.Ino)
			}
			more = len(all) == walkBatch
			return !more
		})
		if err != nil && !errors.Is(err, error(ErrStale)) && !damaged(err) {
			return n, err
		}
		if !more {
			stack = stack[:len(stack)-1]
		}
		converted, err := fs.changeBatch(all, convert)
		if n += converted; err != nil {
			return n, err
		}
		if stack, err = fs.enterDirs(stack, dirs, to); err != nil {
			return n, err
		}
	}
	return n, nil
}

// enterDirs adds the directories that have a project.
func (fs *FS) enterDirs(stack []visit, dirs []uint64, project uint32) ([]visit, error) {
	err := fs.quotaCall(func(*quota.Quotas) error {
		for _, ino := range dirs {
			err := fs.viewInode(ino, func(in layout.Inode) error {
				if in.IsDir() && in.Project() == project {
					stack = append(stack, visit{dir: Handle{Ino: in.Ino(), Gen: in.Gen()}})
				}
				return nil
			})
			if err != nil && !errors.Is(err, inode.ErrStale) && !damaged(mapErr(err)) {
				return err
			}
		}
		return nil
	})
	return stack, err
}

// recount makes an inode that a rollback restores one of the accounts that there are now. It is counted, and belongs to no tree that has no
// quota any more.
func (fs *FS) recount(in layout.Inode) error {
	if !fs.quotas.Counts() {
		in.SetFlags(in.Flags() &^ layout.FlagCounted)
		return nil
	}
	in.SetFlags(in.Flags() | layout.FlagCounted)
	if in.Project() == 0 {
		return nil
	}
	info, err := fs.quotas.Get(layout.AccountProject, in.Project())
	switch {
	case errors.Is(err, quota.ErrNoAccount), err == nil && info.State == layout.ProjectNone:
		in.SetProject(0)
		return nil
	}
	return err
}

// reconvertTrees says that all trees with quotas are to be walked again: a rollback has restored what they had before. The walks begin later.
func (fs *FS) reconvertTrees() error {
	if fs.quotas == nil {
		return nil
	}
	var ids []uint32
	if err := fs.quotas.Each(layout.AccountKey(layout.AccountProject, 0), func(i quota.Info) bool {
		if i.State == layout.ProjectSet {
			ids = append(ids, i.ID)
		}
		return true
	}); err != nil {
		return err
	}
	for _, id := range ids {
		if err := fs.quotas.Edit(layout.AccountProject, id, func(a *layout.Account) { a.State = layout.ProjectGrows }); err != nil {
			return err
		}
	}
	return nil
}
