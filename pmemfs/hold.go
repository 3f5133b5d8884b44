package pmemfs

import (
	"errors"

	"pmemfs/pmemfs/internal/inode"
	"pmemfs/pmemfs/internal/layout"
)

// Hold says that a file is open: it survives the removal of its last name until as many calls of Release. It is not
// kept on the medium.
//
// Errors: read errors.
func (fs *FS) Hold(h Handle) error {
	return fs.view(nil, h, func(layout.Inode) error {
		if h.Snap != 0 {
			return nil // it stays as long as its snapshot
		}
		fs.refsMu.Lock()
		defer fs.refsMu.Unlock()
		fs.refs[h.Ino]++
		fs.open.Store(int64(len(fs.refs)))
		return nil
	})
}

// Release undoes a Hold. When it was the last one of a file without a name, the file is freed; durable on return, unless that
// has to be tried again.
//
// Errors: read errors.
func (fs *FS) Release(h Handle) error {
	if h.Snap != 0 {
		return nil
	}
	ch := change{fs: fs, ino: h.Ino}
	return ch.run(func() error {
		if !fs.release(h.Ino) {
			return nil
		}
		ch.tries.over = true // the reference is gone
		nameless, err := fs.nameless(h.Ino)
		if nameless {
			ch.orphan, ch.trims = h.Ino, true
		}
		return err
	})
}

// release drops a reference to a file, and reports whether it was the last one.
func (fs *FS) release(ino uint64) (last bool) {
	fs.refsMu.Lock()
	defer fs.refsMu.Unlock()
	fs.refs[ino]--
	if last = fs.refs[ino] <= 0; last {
		delete(fs.refs, ino)
		fs.open.Store(int64(len(fs.refs)))
	}
	return last
}

// nameless reports whether a number means a file that has no name. It need not be the one that was open: a rollback frees that, and the
// number is used again.
func (fs *FS) nameless(ino uint64) (is bool, err error) {
	defer fs.region.Unguard(fs.region.Guard(), &err)
	s := fs.stripes.of(ino)
	s.RLock()
	defer s.RUnlock()
	in, err := fs.inodes.View(nil, ino)
	if errors.Is(err, inode.ErrStale) {
		return false, nil
	}
	return err == nil && in.Nlink() == 0, err
}

// held reports whether a file is open. Its stripe is held exclusively, so that nobody is about to open it.
func (fs *FS) held(ino uint64) bool {
	if fs.open.Load() == 0 {
		return false
	}
	fs.refsMu.Lock()
	defer fs.refsMu.Unlock()
	return fs.refs[ino] > 0
}
