package pmemfs

import (
	"errors"

	"pmemfs/pmemfs/internal/alloc"
	"pmemfs/pmemfs/internal/media"
	"pmemfs/pmemfs/internal/quota"
)

// retry counts the attempts of one call.
type retry struct {
	moves int  // for bad memory
	freed bool // space, for want of it
	over  bool // what the call has done so far is all that it may do
}

// mayRetry is told of an error of an attempt that has changed nothing, by who holds the gate and no stripe. It returns true when
// another attempt may end better.
func (fs *FS) mayRetry(err error, r *retry) bool {
	if r.moves < media.RetriesMax && fs.media.RetryElsewhere(err) {
		r.moves++
		return true
	}
	return fs.freeSpace(err, r)
}

// freeSpace is mayRetry for want of space, or because of a quota. Before anybody is told that there is none, dirty data of others is flushed, which
// may take less, and what could not be freed before is tried again. True once in a call, and only if there was something
// to do. The caller holds the gate and no stripe.
func (fs *FS) freeSpace(err error, r *retry) bool {
	exceeded := errors.Is(err, quota.ErrExceeded)
	if r.freed || !exceeded && !errors.Is(err, alloc.ErrNoSpace) && !errors.Is(err, ErrNoSpace) || fs.j.Err() != nil {
		return false
	}
	r.freed = true
	if exceeded && !fs.dirty.Dirty() && fs.deferred.n.Load() == 0 {
		return false
	}
	if !fs.dirty.Dirty() && fs.deferred.n.Load() == 0 {
		return fs.trim(true)
	}
	fs.dirty.FreeSpace()
	fs.reapAgain()
	fs.trim(true)
	return true
}

// trim lets the inode file give back its end, if that is worth while; with all, whatever is free there. It reports whether there was
// any. What fails is logged: nobody has asked for it. The caller holds the gate, or is Open, and no stripe.
func (fs *FS) trim(all bool) (trimmed bool) {
	if !all && !fs.inodes.Loose() || fs.j.Err() != nil {
		return false
	}
	before := fs.a.Inodes.Limit()
	err := func() (err error) {
		defer fs.region.Unguard(fs.region.Guard(), &err)
		return fs.inodes.Trim(all, fs.stripes.quiesce)
	}()
	if err != nil {
		fs.log.Warn("the inode file could not give back its end", "error", fs.media.Report(err, 0, true))
	}
	return fs.a.Inodes.Limit() < before
}
