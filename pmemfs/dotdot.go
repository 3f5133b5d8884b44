package pmemfs

import "pmemfs/pmemfs/internal/layout"

// holdParents takes renameMu to read, so that no directory changes its parent. It returns false rather than wait, unless wait says so.
func (fs *FS) holdParents(wait bool) bool {
	if wait {
		fs.renameMu.RLock()
		return true
	}
	return fs.renameMu.TryRLock()
}

// isWithin reports whether a directory has above it all that a call must not leave. A chain of parents that cannot be followed ends
// nowhere. renameMu is held. It returns ErrWouldBlock rather than wait, unless wait says so.
func (fs *FS) isWithin(c *Call, dir Handle, wait bool) (bool, error) {
	missing := c.Within
	ino := dir.Ino
	// No path is longer than there are inodes: a longer one is a circle, on a damaged image.
	for left := fs.j.Counts().Inodes; left >= 0 && ino != layout.RootIno; left-- {
		parent, ok := fs.stepUp(ino, wait)
		switch {
		case !ok:
			return false, ErrWouldBlock
		case parent == Handle{}:
			return false, nil
		}
		for i := range missing {
			if missing[i] == parent {
				missing[i] = Handle{}
			}
		}
		if missing == [2]Handle{} {
			return true, nil
		}
		ino = parent.Ino
	}
	return false, nil
}

// stepUp returns the parent of a directory; the zero Handle if it cannot be read. ok is false if a lock would have to be waited for.
func (fs *FS) stepUp(ino uint64, wait bool) (parent Handle, ok bool) {
	var again, late bool
	fs.viewNow(ino, wait, &again, func(in layout.Inode) {
		if in.IsDir() {
			parent.Ino = in.Parent()
		}
	})
	if parent.Ino != 0 {
		found := false
		fs.viewNow(parent.Ino, wait, &late, func(in layout.Inode) { parent.Gen, found = in.Gen(), true })
		if !found {
			parent = Handle{}
		}
	}
	return parent, !again && !late
}

// viewNow calls f with an inode under its stripe, if it is there. late becomes true if that would have to be waited for.
func (fs *FS) viewNow(ino uint64, wait bool, late *bool, f func(layout.Inode)) {
	s := fs.stripes.of(ino)
	if !s.read(wait) {
		*late = true
		return
	}
	defer s.RUnlock()
	var err error
	defer fs.region.Unguard(fs.region.Guard(), &err) // what faults is not there
	in, err := fs.inodes.View(nil, ino)
	if err == nil {
		f(in)
	}
}

// parentsFor takes renameMu to read for a batch of Readdir that has ".." in it, if the call is bounded, and reports whether it did, and whether
// the directory is within the bounds. It returns ErrWouldBlock rather than wait, unless wait says so.
func (fs *FS) parentsFor(c *Call, h Handle, cookie uint64, wait bool) (held, within bool, err error) {
	if cookie >= cookieDotDot || !c.bounded() {
		return false, true, nil
	}
	if !fs.holdParents(wait) {
		return false, false, ErrWouldBlock
	}
	within, err = fs.isWithin(c, h, wait)
	return true, within, err
}
