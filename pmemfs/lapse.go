package pmemfs

import (
	"time"

	"pmemfs/pmemfs/safego"
)

// What was answered unstable is stored in the background when it has been kept for keptAge, and at once when it is much. Else a
// client that never sends its COMMIT would hold memory and promised space for ever.

// lapseSoon makes sure that what has just been kept will be stored.
func (fs *FS) lapseSoon() {
	if fs.noBackground {
		return
	}
	u := &fs.unstable
	u.mu.Lock()
	defer u.mu.Unlock()
	after := keptAge
	if fs.muchKept() {
		after = 0
	}
	switch {
	case u.ended:
	case u.timer == nil:
		u.timer = safego.AfterFunc(after, "storing unstable writes", fs.lapse)
	case after == 0 && !u.hurried:
		u.hurried = true
		u.timer.Reset(0)
	}
}

// muchKept reports whether what is kept, or promised for it, is too much to wait.
func (fs *FS) muchKept() bool {
	return fs.unstable.bytes.Load() > keptEarly ||
		fs.a.Promised() > (fs.a.Blocks.Avail()+fs.a.Blocks.Quarantined())/keptShare
}

// lapse stores what has been kept for long, or everything if that is much, and comes again while anything is left.
func (fs *FS) lapse() {
	g, err := fs.enter(0)
	if err != nil {
		return
	}
	defer g.RUnlock()
	u := &fs.unstable
	u.mu.Lock()
	u.hurried = false
	u.mu.Unlock()
	fs.storeOlder(time.Now().Add(-keptAge))
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.ended {
		return
	}
	// Another one may have been set meanwhile. There is never more than one, or each would bring the next.
	if u.timer != nil {
		u.timer.Stop()
		u.timer = nil
	}
	first, ok := u.oldest()
	if !ok {
		return
	}
	after := max(keptAge-time.Since(first), 0)
	if u.hurried {
		after = 0 // the one that was stopped was to come at once
	}
	u.timer = safego.AfterFunc(after, "storing unstable writes", fs.lapse)
}

// storeOlder stores what is kept since a time before limit, or all while it is much. The caller holds a gate and no stripe.
func (fs *FS) storeOlder(limit time.Time) {
	much := fs.muchKept()
	for _, ino := range fs.unstable.inosSince(limit, much) {
		fs.settleFile(ino)
	}
}

// inosSince returns the inodes of which something has been kept since before limit, or all of them.
func (u *unstable) inosSince(limit time.Time, all bool) (list []uint64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for ino, k := range u.files {
		if all || !k.since.After(limit) {
			list = append(list, ino)
		}
	}
	return list
}

// oldest returns since when something is kept. u.mu is held.
func (u *unstable) oldest() (first time.Time, ok bool) {
	for _, k := range u.files {
		if !ok || k.since.Before(first) {
			first, ok = k.since, true
		}
	}
	return first, ok
}

// end stops the timer, for good.
func (u *unstable) end() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.ended = true
	if u.timer != nil {
		u.timer.Stop()
	}
}
