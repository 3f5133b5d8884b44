package pmemfs

import (
	"errors"
	"math"

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
	c.call().see(0, in)
	if err := vetRegular(in); err != nil {
		return nil, err
	}
	return in, fs.allowData(c, in, AccessWrite)
}

// Read fills p from byte offset off and says whether the end of the file was reached. Read permission is needed; the
// owner always has it here, as with NFS servers: what an open checks is Access. It allocates nothing and costs no
// fence; the access time stays. Without an error and the end of the file, n is less than len(p) only where a block that
// cannot be read follows.
func (fs *FS) Read(c *Cred, h Handle, p []byte, off uint64) (n int, eof bool, err error) {
	n, eof, err = fs.read(c, h, p, off)
	if err != nil && len(p) > 0 && damaged(err) {
		return fs.readBefore(c, h, p, off)
	}
	return n, eof, err
}

func (fs *FS) read(c *Cred, h Handle, p []byte, off uint64) (n int, eof bool, err error) {
	err = fs.view(c.call(), h, func(in layout.Inode) error {
		if err := vetRegular(in); err != nil {
			return err
		}
		if err := fs.allowData(c, in, AccessRead); err != nil {
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

// readBefore reads block by block what lies before the first one that cannot be read, whose error it returns when that is
// the first of all.
func (fs *FS) readBefore(c *Cred, h Handle, p []byte, off uint64) (n int, eof bool, err error) {
	for n < len(p) && !eof {
		at := off + uint64(n)
		end := min(len(p), n+int(layout.BlockSize-at%layout.BlockSize))
		m := 0
		if m, eof, err = fs.read(c, h, p[n:end], at); err != nil {
			switch {
			case errors.Is(err, ErrWouldBlock):
				n = 0
			case n > 0:
				err = nil
			}
			return n, false, err
		}
		n += m
	}
	return n, eof, nil
}

// Write stores p at byte offset off and returns the attributes after it. Durable on return: one fence for up to 4 KiB,
// two for more, further ones only where free space is so fragmented that a record cannot name all its pieces. Each
// record's part is atomic. A hole before off stays a hole. n is less than len(p) only with an error. What replaces whole
// blocks, or all that a block has, goes elsewhere when the block's memory is bad; ErrIO says that it is and that the rest of
// the block would be lost.
func (fs *FS) Write(c *Cred, h Handle, p []byte, off uint64) (n int, a Attr, err error) {
	if off > data.SizeMax {
		return 0, a, ErrFileTooBig
	}
	return fs.write(c, h, p, off)
}

// Append is Write at the end of the file, wherever that is: no other write comes between finding the end and writing there, so what several
// append is all there, each call's bytes together and in their order.
func (fs *FS) Append(c *Cred, h Handle, p []byte) (n int, a Attr, err error) {
	return fs.write(c, h, p, atEnd)
}

// atEnd is no offset, but the end of the file.
const atEnd = math.MaxUint64

func (fs *FS) write(c *Cred, h Handle, p []byte, off uint64) (n int, a Attr, err error) {
	defer fs.finish(&err, h.Ino)
	g, err := fs.enter(h.Ino)
	if err != nil {
		return 0, a, err
	}
	defer g.RUnlock()
	for r := (retry{}); ; {
		m := 0
		m, a, err = fs.writeSteps(c, h, p[n:], off+uint64(n))
		// What is appended lies together, so of that the rest cannot come later.
		if n += m; err == nil || off == atEnd && n > 0 || !fs.relieve(err, &r) {
			return n, a, err
		}
		c.call().anew()
	}
}

// writeSteps writes record by record under the stripe, as far as it gets.
func (fs *FS) writeSteps(c *Cred, h Handle, p []byte, off uint64) (n int, a Attr, err error) {
	ls := fs.stripes.lock(h.Ino, 0, 0, 0)
	defer ls.unlock()
	fs.settle(h.Ino)
	if off == atEnd {
		if off, err = fs.endOf(h); err != nil {
			return 0, a, err
		}
	}
	if uint64(len(p)) > data.SizeMax-off {
		return 0, a, ErrFileTooBig
	}
	for moves := 0; ; {
		m, b, err := fs.writeStep(c, h, p[n:], off+uint64(n))
		if err != nil {
			if moves++; moves <= movesMax && fs.media.RetryWrite(&err, h.Ino) {
				continue
			}
			return n, a, err
		}
		n, a = n+m, b
		if n == len(p) {
			return n, a, nil
		}
	}
}

// endOf returns the size of a file, whose stripe is held.
func (fs *FS) endOf(h Handle) (n uint64, err error) {
	defer fs.region.Unguard(fs.region.Guard(), &err)
	in, err := fs.inodes.Get(nil, h.Ino, h.Gen)
	if err != nil {
		return 0, err
	}
	return in.Size(), vetRegular(in)
}

// movesMax bounds how often a write is tried again, elsewhere, because memory has faulted.
const movesMax = 16

// writeStep is one record of a write.
func (fs *FS) writeStep(c *Cred, h Handle, p []byte, off uint64) (n int, a Attr, err error) {
	defer fs.region.Unguard(fs.region.Guard(), &err)
	old, err := fs.writable(c, h)
	if err != nil {
		return 0, a, err
	}
	if len(p) == 0 {
		return 0, attrOf(old), nil
	}
	if off+uint64(len(p)) > old.Size() {
		if err := fs.mayGrow(old); err != nil {
			return 0, a, err
		}
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
	call := c.call()
	call.expect(0, in)
	if err := call.commit(op); err != nil {
		return 0, Attr{}, err
	}
	return n, a, nil
}
