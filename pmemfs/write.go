package pmemfs

import (
	"math"

	"pmemfs/pmemfs/internal/data"
)

// Write stores p at byte offset off and returns the attributes after it. Durable on return: one fence for up to 4 KiB,
// two for more, further ones only where free space is so fragmented that a record cannot name all its pieces. Each
// record's part is atomic. A hole before off stays a hole. n is less than len(p) only with an error. What replaces whole
// blocks, or all that a block has, goes elsewhere when the block's memory is bad; ErrIO says that it is and that the rest of
// the block would be lost.
//
// Errors: ErrIsDir and ErrInvalid for what is no regular file; ErrAccess; ErrFileTooBig; change errors.
func (fs *FS) Write(c *Cred, call *Call, h Handle, p []byte, off uint64) (n int, a Attr, err error) {
	if off > data.SizeMax {
		return 0, a, ErrFileTooBig
	}
	return fs.write(c, call, h, p, off)
}

// Append is Write at the end of the file, wherever that is: no other write comes between finding the end and writing there, so what several
// append is all there, each call's bytes together and in their order.
//
// Errors: those of Write.
func (fs *FS) Append(c *Cred, call *Call, h Handle, p []byte) (n int, a Attr, err error) {
	return fs.write(c, call, h, p, atEnd)
}

// atEnd is no offset, but the end of the file.
const atEnd = math.MaxUint64

func (fs *FS) write(c *Cred, call *Call, h Handle, p []byte, off uint64) (n int, a Attr, err error) {
	if err := fs.changeable(h); err != nil {
		return 0, a, err
	}
	w := writing{change: change{fs: fs, call: call, ino: h.Ino}, h: h, p: p, off: off}
	if err := w.run(func() error { return w.attempt(c) }); err != nil {
		return w.n, w.done, err
	}
	return w.n, w.attr, nil
}

// writing is a Write or an Append under way.
type writing struct {
	change
	h    Handle
	p    []byte
	off  uint64 // where p goes, or atEnd
	n    int    // bytes of p that are durable
	m    int    // bytes of the record that is being made
	attr Attr   // after the record that is being made
	done Attr   // after the last one that is durable, if there is more to come
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
			if w.n += w.m; w.n == len(w.p) {
				return nil
			}
			w.done = w.attr
		case w.retryRecord(&err):
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
		w.m, w.attr = 0, attrOf(old)
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
	stampModified(in, now())
	w.attr = attrOf(in)
	w.call.setNext(0, in)
	return nil
}
