package pmemfs

import (
	"pmemfs/pmemfs/internal/data"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/writeback"
)

// WriteUnstable is Write where a fence is cheap, and stable is true. Elsewhere the bytes may be buffered in memory, and stable is
// false: then a power cut, or the end of the process without Close, may lose them, in whole blocks, until a Commit. Every
// other call sees them as written. Bounded: what is too much is flushed at once. Whether bytes that were answered
// unstable may have been lost is seen from Verifier: read before this call, and after Commit, it is the same if nothing was.
//
// Errors: those of Write.
func (fs *FS) WriteUnstable(c *Cred, call *Call, h Handle, p []byte, off uint64) (n int, stable bool, a Attr, err error) {
	if err := fs.changeable(h); err != nil {
		return 0, true, a, err
	}
	if !fs.CheapFence() && len(p) > 0 && len(p) <= writeback.WriteMax {
		if err := fs.markUnclean(); err != nil {
			return 0, false, a, err
		}
		ok, a, err := fs.buffer(c, call, h, p, off)
		if err != nil {
			return 0, false, a, err
		}
		if ok {
			return len(p), false, a, nil
		}
	}
	n, a, err = fs.Write(c, call, h, p, off)
	return n, true, a, err
}

// buffer buffers p, after all that a write would be refused for. ok is false when there is no room for it; the file has been flushed
// then.
func (fs *FS) buffer(c *Cred, call *Call, h Handle, p []byte, off uint64) (ok bool, a Attr, err error) {
	if off > data.SizeMax || uint64(len(p)) > data.SizeMax-off {
		return false, a, ErrFileTooBig
	}
	ch := change{fs: fs, call: call, ino: h.Ino}
	body := func() error {
		in, err := fs.writable(c, call, h)
		if err == nil {
			err = fs.j.Err()
		}
		if err == nil && off+uint64(len(p)) > in.Size() {
			err = fs.mayGrow(in)
		}
		if err != nil {
			return err
		}
		var before, after [layout.InodeSize]byte
		ok, err = fs.dirty.Write(in, p, off, now(), c.UID != 0, before[:], after[:])
		if err != nil || !ok {
			return err
		}
		call.setPost(0, before[:])
		call.setNext(0, after[:])
		call.committed()
		a = attrOf(after[:])
		return nil
	}
	err = ch.run(func() error {
		ch.lock(h.Ino)
		return ch.record(body)
	})
	return ok, a, err
}

// Commit makes the bytes from off on, n of them or to the end of the file if n is 0, durable that were answered unstable;
// and others of the file, as it pleases. An error says that some may be lost, and Verifier has changed.
//
// Errors: ErrIsDir and ErrInvalid for what is no regular file; change errors, of which some data may be lost.
func (fs *FS) Commit(call *Call, h Handle, off, n uint64) error {
	if h.Snap != 0 { // it is durable
		return fs.view(call, h, vetRegular)
	}
	ch := change{fs: fs, call: call, ino: h.Ino}
	body := func() error {
		in, err := fs.inodes.Get(nil, h.Ino, h.Gen)
		if err != nil {
			return err
		}
		call.setPost(0, in)
		if err := vetRegular(in); err != nil {
			return err
		}
		if err := fs.j.Err(); err != nil {
			return err
		}
		if d := fs.dirty.Of(h.Ino); d != nil && d.Gen() == h.Gen {
			var before [layout.InodeSize]byte
			d.Overlay(before[:], in) // what the writes were answered with
			call.setPost(0, before[:])
		}
		ch.tries.over = true // what cannot be flushed now is lost: another attempt would find nothing and succeed
		err = fs.dirty.Flush(h.Ino)
		call.setNext(0, in)
		call.committed()
		return err
	}
	return ch.run(func() error {
		ch.lock(h.Ino)
		return ch.record(body)
	})
}

// Verifier returns the write verifier of RFC 1813 section 3.3.7. It changes exactly when bytes that were answered unstable
// may have been lost: with an Open after a mount that had answered some and did not end with Close, and when some could not
// be flushed.
func (fs *FS) Verifier() uint64 { return fs.dirty.Verifier() }

// markUnclean makes the image say that what was answered unstable may be lost. One fence, once in a mount; durable on return.
func (fs *FS) markUnclean() (err error) {
	defer fs.finish(&err, layout.VerifierIno)
	return fs.dirty.MarkUnclean()
}
