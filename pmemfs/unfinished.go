package pmemfs

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"pmemfs/pmemfs/internal/data"
	"pmemfs/pmemfs/internal/layout"
)

// unfinishedMax bounds the orphans that are remembered for another try. The index on the medium has all of them.
const unfinishedMax = 1 << 16

// unfinished are the orphans that could not be finished: removed files whose space is still taken, and truncated files with
// blocks behind their end. The change itself is durable, so it has succeeded; what is left is tried again by SyncAll, by
// whoever finds no space, and by the next open. Until then a truncated file does not grow: its old bytes would be back.
type unfinished struct {
	n       atomic.Int64 // of them, so that nobody takes the lock while there are none
	mu      sync.Mutex   // leaf
	files   map[uint64]struct{}
	unknown bool // there may be others: the index could not be read, or there were too many
}

// add remembers an orphan.
func (u *unfinished) add(ino uint64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.files == nil {
		u.files = map[uint64]struct{}{}
	}
	if len(u.files) >= unfinishedMax {
		u.unknown = true
	} else {
		u.files[ino] = struct{}{}
	}
	u.count()
}

// drop forgets an orphan that is finished.
func (u *unfinished) drop(ino uint64) {
	if u.n.Load() == 0 {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.files, ino)
	u.count()
}

// doubt says that any file may be one of them.
func (u *unfinished) doubt() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.unknown = true
	u.count()
}

func (u *unfinished) count() {
	n := int64(len(u.files))
	if u.unknown {
		n++
	}
	u.n.Store(n)
}

// has reports whether an inode is an unfinished orphan, and may whether it could be one.
func (u *unfinished) has(ino uint64) (has, may bool) {
	if u.n.Load() == 0 {
		return false, false
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	_, has = u.files[ino]
	return has, has || u.unknown
}

// list returns those that are known.
func (u *unfinished) list() []uint64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Sorted(maps.Keys(u.files))
}

// reapOrKeep finishes an orphan whose stripe is held, after the record that made it one. That record is durable, so its
// operation has succeeded, whatever becomes of the rest.
func (fs *FS) reapOrKeep(ino uint64) {
	if err := fs.reapGuarded(ino); err != nil {
		fs.unfinished.add(ino)
		fs.log.Warn("a removed or truncated file could not be freed yet", "inode", ino, "error", fs.media.Report(err, ino, true))
	}
}

// reapLater is reapOrKeep for who holds no stripe.
func (fs *FS) reapLater(ino uint64) {
	ls := fs.stripes.lock(ino)
	defer ls.unlock()
	fs.reapOrKeep(ino)
}

// reapGuarded is reapLocked where memory may fault.
func (fs *FS) reapGuarded(ino uint64) (err error) {
	defer fs.region.Unguard(fs.region.Guard(), &err)
	if err := fs.reapLocked(ino); err != nil {
		return err
	}
	fs.unfinished.drop(ino)
	return nil
}

// reapAgain tries the unfinished orphans once more. The caller holds a gate and no stripe.
func (fs *FS) reapAgain() {
	if fs.unfinished.n.Load() == 0 || fs.j.Err() != nil {
		return
	}
	for _, ino := range fs.unfinished.list() {
		fs.reapLater(ino)
	}
}

// mayGrow makes sure that nothing which a truncation has left can be seen when the file of in gets blocks or a larger size.
// The stripe of the inode is held exclusively, and no operation has begun. in is on the medium, and may have changed afterwards.
func (fs *FS) mayGrow(in layout.Inode) error {
	ino := in.Ino()
	if _, may := fs.unfinished.has(ino); !may {
		return nil
	}
	left, err := data.WrittenFrom(fs.j, in, layout.BlocksFor(in.Size()))
	if err != nil || !left {
		return err
	}
	return fs.reapGuarded(ino)
}
