package pmemfs

import (
	"maps"
	"slices"
	"sync/atomic"

	"pmemfs/pmemfs/internal/critical"
	"pmemfs/pmemfs/internal/data"
	"pmemfs/pmemfs/internal/layout"
)

// deferredMax bounds the orphans that are remembered for another try. The index on the medium has all of them.
const deferredMax = 1 << 16

// deferredOrphans are the orphans that could not be finished: removed files whose space is still taken, and truncated files with
// blocks behind their end. The change itself is durable, so it has succeeded; what is left is tried again by SyncAll, by
// whoever finds no space, and by the next open. Until then a truncated file does not grow: its old bytes would be back.
type deferredOrphans struct {
	n       atomic.Int64   // of them, so that nobody takes the lock while there are none
	mu      critical.Mutex // leaf
	files   map[uint64]struct{}
	unknown bool // there may be others: the index could not be read, or there were too many
}

// add remembers an orphan.
func (d *deferredOrphans) add(ino uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.files == nil {
		d.files = map[uint64]struct{}{}
	}
	if len(d.files) >= deferredMax {
		d.unknown = true
	} else {
		d.files[ino] = struct{}{}
	}
	d.count()
}

// drop forgets an orphan that is finished.
func (d *deferredOrphans) drop(ino uint64) {
	if d.n.Load() == 0 {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.files, ino)
	d.count()
}

// doubt says that any file may be one of them.
func (d *deferredOrphans) doubt() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.unknown = true
	d.count()
}

func (d *deferredOrphans) count() {
	n := int64(len(d.files))
	if d.unknown {
		n++
	}
	d.n.Store(n)
}

// has reports whether an inode is a deferred orphan, and may whether it could be one.
func (d *deferredOrphans) has(ino uint64) (has, may bool) {
	if d.n.Load() == 0 {
		return false, false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	_, has = d.files[ino]
	return has, has || d.unknown
}

// list returns those that are known.
func (d *deferredOrphans) list() []uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Sorted(maps.Keys(d.files))
}

// reapOrDefer finishes an orphan whose stripe is held, after the record that made it one. That record is durable, so its
// operation has succeeded, whatever becomes of the rest.
func (fs *FS) reapOrDefer(ino uint64) {
	if err := fs.reap(ino); err != nil {
		fs.deferred.add(ino)
		fs.log.Warn("a removed or truncated file could not be freed yet", "inode", ino, "error", fs.media.Report(err, ino, true))
	}
}

// reapLater is reapOrDefer for who holds no stripe.
func (fs *FS) reapLater(ino uint64) {
	ls := fs.stripes.lock(ino)
	defer ls.unlock()
	fs.reapOrDefer(ino)
}

// reapAgain tries the deferred orphans once more. The caller holds a gate and no stripe.
func (fs *FS) reapAgain() {
	if fs.deferred.n.Load() == 0 || fs.j.Err() != nil {
		return
	}
	for _, ino := range fs.deferred.list() {
		fs.reapLater(ino)
	}
}

// mayGrow makes sure that nothing which a truncation has left can be seen when the file of in gets blocks or a larger size.
// The stripe of the inode is held exclusively, and no operation has begun. in is on the medium, and may have changed afterwards.
func (fs *FS) mayGrow(in layout.Inode) error {
	ino := in.Ino()
	if _, may := fs.deferred.has(ino); !may {
		return nil
	}
	left, err := data.WrittenFrom(fs.j, in, layout.BlocksFor(in.Size()))
	if err != nil || !left {
		return err
	}
	return fs.reap(ino)
}
