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
func (fs *FS) writable(c *Cred, call *Call, h Handle) (layout.Inode, error) {
	in, err := fs.inodes.Get(nil, h.Ino, h.Gen)
	if err != nil {
		return nil, err
	}
	call.setPost(0, in)
	if err := vetRegular(in); err != nil {
		return nil, err
	}
	return in, fs.allowData(c, call, in, AccessWrite)
}

// Read fills p from byte offset off and says whether the end of the file was reached. Read permission is needed; the
// owner always has it here, as with NFS servers: what an open checks is Access. It allocates nothing and costs no
// fence; the access time stays. Without an error and the end of the file, n is less than len(p) only where a block that
// cannot be read follows.
func (fs *FS) Read(c *Cred, call *Call, h Handle, p []byte, off uint64) (n int, eof bool, err error) {
	n, eof, err = fs.read(c, call, h, p, off)
	if err != nil && len(p) > 0 && damaged(err) {
		return fs.readBefore(c, call, h, p, off)
	}
	return n, eof, err
}

func (fs *FS) read(c *Cred, call *Call, h Handle, p []byte, off uint64) (n int, eof bool, err error) {
	err = fs.view(call, h, func(in layout.Inode) error {
		if err := vetRegular(in); err != nil {
			return err
		}
		if err := fs.allowData(c, call, in, AccessRead); err != nil {
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
func (fs *FS) readBefore(c *Cred, call *Call, h Handle, p []byte, off uint64) (n int, eof bool, err error) {
	for n < len(p) && !eof {
		at := off + uint64(n)
		end := min(len(p), n+int(layout.BlockSize-at%layout.BlockSize))
		m := 0
		if m, eof, err = fs.read(c, call, h, p[n:end], at); err != nil {
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
func (fs *FS) Write(c *Cred, call *Call, h Handle, p []byte, off uint64) (n int, a Attr, err error) {
	if off > data.SizeMax {
		return 0, a, ErrFileTooBig
	}
	return fs.write(c, call, h, p, off)
}

// Append is Write at the end of the file, wherever that is: no other write comes between finding the end and writing there, so what several
// append is all there, each call's bytes together and in their order.
func (fs *FS) Append(c *Cred, call *Call, h Handle, p []byte) (n int, a Attr, err error) {
	return fs.write(c, call, h, p, atEnd)
}

// atEnd is no offset, but the end of the file.
const atEnd = math.MaxUint64

func (fs *FS) write(c *Cred, call *Call, h Handle, p []byte, off uint64) (n int, a Attr, err error) {
	w := writing{change: change{fs: fs, call: call, ino: h.Ino}, h: h, p: p, off: off}
	err = w.run(func() error { return w.attempt(c) })
	return w.n, w.attr, err
}

// writing is a Write or an Append under way.
type writing struct {
	change
	h    Handle
	p    []byte
	off  uint64 // where p goes, or atEnd
	n    int    // bytes of p that are durable
	m    int    // bytes of the record that is being made
	attr Attr   // after the last record
	next Attr   // after the record that is being made
}

// attempt writes record by record under one hold of the lock, as far as it gets.
func (w *writing) attempt(c *Cred) error {
	w.lock(w.h.Ino)
	w.flush(w.h.Ino)
	appends := w.off == atEnd
	if appends {
		if err := w.findEnd(); err != nil {
			return err
		}
	}
	if uint64(len(w.p)) > data.SizeMax-w.off {
		return ErrFileTooBig
	}
	for {
		err := w.record(func() error { return w.body(c) })
		switch {
		case err == nil:
			w.n, w.attr = w.n+w.m, w.next
			if w.n == len(w.p) {
				return nil
			}
		case w.absorb(&err):
		case appends && w.n > 0:
			w.tries.over = true // what is appended lies together, so the rest cannot come later
			return err
		default:
			if appends {
				w.off = atEnd
			}
			return err
		}
	}
}

// findEnd sets off to the size of the file, whose stripe is held.
func (w *writing) findEnd() (err error) {
	defer w.fs.region.Unguard(w.fs.region.Guard(), &err)
	in, err := w.fs.inodes.Get(nil, w.h.Ino, w.h.Gen)
	if err != nil {
		return err
	}
	if err := vetRegular(in); err != nil {
		return err
	}
	w.off = in.Size()
	return nil
}

// body is one record of a write.
func (w *writing) body(c *Cred) error {
	fs, p, off := w.fs, w.p[w.n:], w.off+uint64(w.n)
	old, err := fs.writable(c, w.call, w.h)
	if err != nil {
		return err
	}
	if len(p) == 0 {
		w.m, w.next = 0, attrOf(old)
		return nil
	}
	if off+uint64(len(p)) > old.Size() {
		if err := fs.mayGrow(old); err != nil {
			return err
		}
	}
	op := w.begin()
	in, err := fs.inodes.Shadow(op, w.h.Ino)
	if err != nil {
		return err
	}
	if w.m, err = data.Write(op, in, p, off); err != nil {
		return err
	}
	if end := off + uint64(w.m); end > in.Size() {
		in.SetSize(end)
	}
	if c.UID != 0 {
		in.KillSetID()
	}
	touch(in, now())
	w.next = attrOf(in)
	w.call.setNext(0, in)
	return nil
}
