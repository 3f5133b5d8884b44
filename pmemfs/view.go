package pmemfs

import "pmemfs/pmemfs/internal/layout"

// view calls f with the inode that h names, its stripe held to read. It is the frame of all calls that change nothing
// and concern one inode. call may be nil.
func (fs *FS) view(call *Call, h Handle, f func(in layout.Inode) error) (err error) {
	defer fs.finish(&err, h.Ino)
	defer fs.region.Unguard(fs.region.Guard(), &err)
	g, err := fs.enter(h.Ino)
	if err != nil {
		return err
	}
	defer g.RUnlock()
	if h.Snap != 0 {
		return fs.viewSnapshot(call, h, f)
	}
	return fs.viewStable(call, h, f)
}

// viewStable is view inside the gate: apart, since Go makes deferred calls cheap only in functions with few ways out.
func (fs *FS) viewStable(call *Call, h Handle, f func(in layout.Inode) error) error {
	s, err := fs.readStable(h.Ino, call.waits())
	if err != nil {
		return err
	}
	defer s.RUnlock()
	in, err := fs.inodes.Get(nil, h.Ino, h.Gen)
	if err != nil {
		return err
	}
	call.setPost(0, in)
	return f(in)
}

// readStable takes the stripe of an inode to read, when nothing of the inode is in memory alone. Unless it is to wait it
// returns ErrWouldBlock rather than do so, or than make something stable.
func (fs *FS) readStable(ino uint64, wait bool) (*stripe, error) {
	s := fs.stripes.of(ino)
	for {
		if !s.read(wait) {
			return nil, ErrWouldBlock
		}
		if fs.dirty.Of(ino) == nil {
			return s, nil
		}
		s.RUnlock()
		if !wait {
			return nil, ErrWouldBlock
		}
		fs.dirty.FlushFile(ino)
	}
}
