package pmemfs

import (
	"pmemfs/pmemfs/internal/data"
	"pmemfs/pmemfs/internal/layout"
)

// vetRegular returns an error unless in is a regular file.
func vetRegular(in layout.Inode) error {
	switch in.Mode() & layout.ModeType {
	case layout.ModeRegular:
		return nil
	case layout.ModeDir:
		return ErrIsDir
	}
	return ErrInvalid
}

// writable returns the inode of a regular file that c may write to. Its stripe is held.
func (fs *FS) writable(c *Cred, h Handle) (layout.Inode, error) {
	in, err := fs.inodes.Get(nil, h.Ino, h.Gen)
	if err != nil {
		return nil, err
	}
	if err := vetRegular(in); err != nil {
		return nil, err
	}
	return in, allowData(c, in, AccessWrite)
}

// Read fills p from byte offset off and says whether the end of the file was reached. Read permission is needed; the
// owner always has it here, as with NFS servers: what an open checks is Access. It allocates nothing and costs no
// fence; the access time stays.
func (fs *FS) Read(c *Cred, h Handle, p []byte, off uint64) (n int, eof bool, err error) {
	err = fs.view(h, func(in layout.Inode) error {
		if err := vetRegular(in); err != nil {
			return err
		}
		if err := allowData(c, in, AccessRead); err != nil {
			return err
		}
		size := in.Size()
		if off >= size {
			eof = true
			return nil
		}
		p := p[:min(uint64(len(p)), size-off)]
		if err := data.Read(fs.j, in, p, off); err != nil {
			return err
		}
		n, eof = len(p), off+uint64(len(p)) == size
		return nil
	})
	return n, eof, err
}

// Write stores p at byte offset off and returns the attributes after it. Durable on return: one fence for up to 4 KiB,
// two for more, further ones only where free space is so fragmented that a record cannot name all its pieces. Each
// record's part is atomic. A hole before off stays a hole. n is less than len(p) only with an error.
func (fs *FS) Write(c *Cred, h Handle, p []byte, off uint64) (n int, a Attr, err error) {
	defer finish(&err)
	defer fs.region.Unguard(fs.region.Guard(), &err)
	if off > data.SizeMax || uint64(len(p)) > data.SizeMax-off {
		return 0, a, ErrFileTooBig
	}
	g, err := fs.enter(h.Ino)
	if err != nil {
		return 0, a, err
	}
	defer g.RUnlock()
	ls := fs.stripes.lock(h.Ino, 0, 0, 0)
	defer ls.unlock()
	for {
		m, b, err := fs.writeStep(c, h, p[n:], off+uint64(n))
		if err != nil {
			return n, a, err
		}
		n, a = n+m, b
		if n == len(p) {
			return n, a, nil
		}
	}
}

// writeStep is one record of a write.
func (fs *FS) writeStep(c *Cred, h Handle, p []byte, off uint64) (n int, a Attr, err error) {
	old, err := fs.writable(c, h)
	if err != nil {
		return 0, a, err
	}
	if len(p) == 0 {
		return 0, attrOf(old), nil
	}
	op := fs.a.Begin()
	defer op.Done()
	in, err := fs.inodes.Shadow(op, h.Ino)
	if err != nil {
		return 0, a, err
	}
	if n, err = data.Write(op, in, p, off); err != nil {
		return 0, a, err
	}
	if end := off + uint64(n); end > in.Size() {
		in.SetSize(end)
	}
	if c.UID != 0 {
		in.SetMode(in.Mode() &^ killBits(in))
	}
	touch(in, now())
	a = attrOf(in)
	if err := op.Commit(); err != nil {
		return 0, Attr{}, err
	}
	return n, a, nil
}
