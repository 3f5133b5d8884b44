package pmemfs

import (
	"errors"
	"sync"

	"pmemfs/pmemfs/internal/alloc"
	"pmemfs/pmemfs/internal/inode"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/xattr"
)

// Bounds of what servers may keep in the image.
const (
	StatesMax     = 4096                  // entries
	StateNameMax  = layout.XattrNameMax   // bytes of a name
	StateValueMax = layout.XattrInlineMax // bytes of a value
)

// states is what servers keep in the image beside files: the attributes of an inode that no client can reach.
type states struct {
	mu      sync.Mutex // held by who changes them
	n       int        // entries
	counted bool       // n counts
}

// State returns a copy of what SetState has stored under a name. ErrNotExist; ErrIO. No fence.
func (fs *FS) State(name string) (value []byte, err error) {
	err = fs.viewStates(func(s *xattr.Set) error {
		v, found, err := s.Get([]byte(name))
		if err == nil && !found {
			err = ErrNotExist
		}
		value = v
		return err
	})
	return value, err
}

// States returns the names of all states, in no order. ErrIO. No fence.
func (fs *FS) States() (names []string, err error) {
	err = fs.viewStates(func(s *xattr.Set) error {
		list, err := s.List()
		for _, name := range list {
			names = append(names, string(name))
		}
		return err
	})
	if errors.Is(err, ErrNotExist) {
		return nil, nil
	}
	return names, err
}

// viewStates calls f with the states. ErrNotExist when there never were any.
func (fs *FS) viewStates(f func(*xattr.Set) error) (err error) {
	const ino = layout.StateIno
	defer fs.finish(&err, ino)
	defer fs.region.Unguard(fs.region.Guard(), &err)
	g, err := fs.enter(ino)
	if err != nil {
		return err
	}
	defer g.RUnlock()
	s := fs.stripes.of(ino)
	s.RLock()
	defer s.RUnlock()
	in, err := fs.inodes.View(nil, ino)
	if errors.Is(err, inode.ErrStale) {
		return ErrNotExist
	}
	if err != nil {
		return err
	}
	set := xattr.Open(fs.j, nil, in, fs.xk0, fs.xk1)
	return f(&set)
}

// SetState keeps a few bytes for a server under a name, in place of what was there: the old or the new ones survive a crash. Names
// begin with the server's own. They are of the image, not of a file, so no client sees them. ErrRange for a name or value
// that is too long; ErrNoSpace when there are StatesMax others. One fence; durable on return.
func (fs *FS) SetState(name string, value []byte) error {
	if len(value) > StateValueMax {
		return ErrRange
	}
	if err := vetXattr([]byte(name), value); err != nil {
		return err
	}
	return fs.editStates(func(s *xattr.Set) error {
		_, found, err := s.Get([]byte(name))
		if err != nil {
			return err
		}
		if !found && fs.states.n >= StatesMax {
			return ErrNoSpace
		}
		return s.Put([]byte(name), value)
	})
}

// DropState forgets what is kept under a name. ErrNotExist. One fence; durable on return.
func (fs *FS) DropState(name string) error {
	return fs.editStates(func(s *xattr.Set) error {
		found, err := s.Remove([]byte(name))
		if err == nil && !found {
			err = ErrNotExist
		}
		return err
	})
}

func (fs *FS) editStates(f func(*xattr.Set) error) (err error) {
	fs.states.mu.Lock()
	defer fs.states.mu.Unlock()
	if !fs.states.counted {
		names, err := fs.States()
		if err != nil {
			return err
		}
		fs.states.n, fs.states.counted = len(names), true
	}
	defer fs.finish(&err, layout.StateIno)
	g, err := fs.enter(layout.StateIno)
	if err != nil {
		return err
	}
	defer g.RUnlock()
	fs.states.counted = false // until it is known what has happened
	for r := (retry{}); ; {
		if err = fs.editState(f); err == nil || !fs.again(err, &r) {
			return err
		}
	}
}

// editState is one attempt of editStates.
func (fs *FS) editState(f func(*xattr.Set) error) (err error) {
	defer fs.region.Unguard(fs.region.Guard(), &err)
	ls := fs.stripes.lock(layout.StateIno)
	defer ls.unlock()
	op := fs.a.Begin()
	defer op.Done()
	in, err := fs.stateInode(op)
	if err != nil {
		return err
	}
	set := xattr.Open(fs.j, op, in, fs.xk0, fs.xk1)
	if err := f(&set); err != nil {
		return err
	}
	in.SetCtime(now())
	in.BumpChange()
	return op.Commit()
}

// stateInode returns the inode of the states to be changed, which is made if there is none.
func (fs *FS) stateInode(op *alloc.Op) (layout.Inode, error) {
	in, err := fs.inodes.Edit(op, layout.StateIno)
	if !errors.Is(err, inode.ErrStale) {
		return in, err
	}
	in, err = fs.inodes.Own(op, layout.StateIno)
	if err != nil {
		return nil, err
	}
	in.SetMode(layout.ModeRegular | 0o600)
	in.SetNlink(1)
	return in, nil
}
