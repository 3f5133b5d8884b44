package pmemfs

import (
	"pmemfs/pmemfs/internal/alloc"
	"pmemfs/pmemfs/internal/data"
	"pmemfs/pmemfs/internal/layout"
)

// Allocate makes sure that later writes to [off, off+n) find space, as fallocate(2) does; the nodes of a badly split
// extent tree come from a reserve of a few blocks. The file grows to off+n unless
// keepSize. Durable on return; a fence for each 64 extents.
//
// Errors: ErrInvalid for no bytes, ErrFileTooBig; those of Write.
func (fs *FS) Allocate(c *Cred, call *Call, h Handle, off, n uint64, keepSize bool) error {
	return fs.spaceCall(c, call, h, off, n, true, func(op *alloc.Op, in layout.Inode, off, end uint64) (uint64, error) {
		next, err := data.Allocate(op, in, off, end)
		if err == nil && next == end && !keepSize && end > in.Size() {
			in.SetSize(end)
		}
		return next, err
	})
}

// PunchHole makes [off, off+n) read as zeros and frees its whole blocks; the size stays. Durable on return; a fence for
// each 256 extents.
//
// Errors: those of Allocate.
func (fs *FS) PunchHole(c *Cred, call *Call, h Handle, off, n uint64) error {
	return fs.spaceCall(c, call, h, off, n, false, func(op *alloc.Op, in layout.Inode, off, end uint64) (uint64, error) {
		op.Frees = true
		return data.Punch(op, in, off, end)
	})
}

// spaceStep is one record of a change of [off, end). next is where the next one goes on.
type spaceStep func(op *alloc.Op, in layout.Inode, off, end uint64) (next uint64, err error)

// spaceCall makes a change of [off, off+n) record by record. grows says that it maps blocks, maybe behind the end.
func (fs *FS) spaceCall(c *Cred, call *Call, h Handle, off, n uint64, grows bool, step spaceStep) error {
	if err := fs.changeable(h); err != nil {
		return err
	}
	switch {
	case n == 0:
		return ErrInvalid
	case off > data.SizeMax || n > data.SizeMax-off:
		return ErrFileTooBig
	}
	end, next := off+n, off
	ch := change{fs: fs, call: call, ino: h.Ino}
	body := func() error {
		old, err := fs.writable(c, call, h)
		if err == nil && grows {
			err = fs.mayGrow(old)
		}
		if err != nil {
			return err
		}
		op := ch.begin()
		in, err := fs.inodes.Shadow(op, h.Ino)
		if err != nil {
			return err
		}
		next, err = step(op, in, off, end)
		if err != nil {
			return err
		}
		stampModified(in, now())
		ch.call.setNext(0, in)
		return nil
	}
	return ch.run(func() error {
		ch.lock(h.Ino)
		ch.flush(h.Ino)
		for off < end {
			if err := ch.record(body); err != nil {
				return err // another attempt goes on from off
			}
			off = next
		}
		return nil
	})
}

// SeekData returns the first offset at or after off that holds data, ErrNoData when there is none. No fence.
//
// Errors: ErrNoData; those of Read.
func (fs *FS) SeekData(c *Cred, call *Call, h Handle, off uint64) (uint64, error) {
	at, size, err := fs.seek(c, call, h, off, false)
	if err == nil && at >= size {
		return 0, ErrNoData
	}
	return at, err
}

// SeekHole returns the first offset at or after off that is in a hole; the end of the file is one. No fence.
//
// Errors: those of SeekData.
func (fs *FS) SeekHole(c *Cred, call *Call, h Handle, off uint64) (uint64, error) {
	at, _, err := fs.seek(c, call, h, off, true)
	return at, err
}

func (fs *FS) seek(c *Cred, call *Call, h Handle, off uint64, hole bool) (at, size uint64, err error) {
	err = fs.view(call, h, func(in layout.Inode) error {
		if err := vetRegular(in); err != nil {
			return err
		}
		if err := fs.allowData(c, call, in, AccessRead); err != nil {
			return err
		}
		if size = in.Size(); off >= size {
			return ErrNoData
		}
		var err error
		at, err = data.Seek(fs.j, in, off, hole)
		return err
	})
	return at, size, err
}
