package pmem

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

// setByFile decides whether long stores go by write(2). An ordinary file's pages are the kernel's, and mapping and system call see the
// same ones. A store through the mapping costs a fault for each page that has never been used, or that has been written back since the
// last store to it; of a page that is overwritten whole it also loads or clears the old content first. A write takes many pages at
// once, and none of that.
func (r *Region) setByFile() {
	r.byFile = r.domain == PageCache && r.file != nil && !r.readOnly
}

// Put stores src at off as Write does, but for its promise about words: what is put is covered by a checksum or by a later fence. Where
// the pages are the kernel's it is a system call, and what the host cannot store is an error and not a fault: a *FaultError with a
// host's reason, behind which a part may have been stored.
func (r *Region) Put(off int64, src []byte) error {
	if !r.files() {
		r.Write(off, src)
		return nil
	}
	dst := r.target(off, int64(len(src)))
	if c := r.rec.Load(); c != nil {
		return c.put(off, dst, func() error { return r.putFile(off, src) })
	}
	return r.putFile(off, src)
}

// PutZeros is Put with n zeros.
func (r *Region) PutZeros(off, n int64) error {
	if !r.files() {
		r.Zero(off, n)
		return nil
	}
	dst := r.target(off, n)
	if c := r.rec.Load(); c != nil {
		return c.put(off, dst, func() error { return r.zeroFile(off, n) })
	}
	return r.zeroFile(off, n)
}

// files reports whether stores go by write(2) now: what a test has poisoned faults in the mapping only.
func (r *Region) files() bool { return r.byFile && r.poisons.Load() == 0 }

// putFile stores src by write(2), which would make a file longer that somebody has cut off.
func (r *Region) putFile(off int64, src []byte) error {
	size, err := sizeOf(r.file)
	if err != nil {
		return r.hostError(off, err)
	}
	if size < off+int64(len(src)) {
		return r.hostError(max(off, size), io.ErrShortWrite)
	}
	for len(src) > 0 {
		n, err := r.file.WriteAt(src, off)
		if err != nil {
			return r.hostError(off+int64(n), err)
		}
		src, off = src[n:], off+int64(n)
	}
	return nil
}

// zeroFile is putFile with zeros.
func (r *Region) zeroFile(off, n int64) error {
	for n > 0 {
		k := min(n, int64(len(zeroPages)))
		if err := r.putFile(off, zeroPages[:k]); err != nil {
			return err
		}
		off, n = off+k, n-k
	}
	return nil
}

// zeroPages is what zeroFile stores. It is never stored to.
var zeroPages [chunkBytes]byte

// hostError says why the host could not store at off, as a fault of the mapping would.
func (r *Region) hostError(off int64, err error) error {
	page := int64(os.Getpagesize())
	fault := &FaultError{Path: r.path, Off: off &^ (page - 1), Len: page, Host: ErrHostIO}
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		fault.Host = ErrHostSpace
	case errors.Is(err, io.ErrShortWrite):
		fault.Host = ErrHostShort
	}
	return fmt.Errorf("%w: %w", fault, pathless(err))
}

// PutSegments stores every segment, and asks the host to begin to write them to its disk. Nothing is durable before a Persist of the
// segments' ranges.
func (r *Region) PutSegments(segs []Segment) error {
	for _, s := range segs {
		if err := r.Put(s.Off, s.Src); err != nil {
			return err
		}
	}
	if r.files() {
		for _, s := range segs {
			startWriting(r.file, s.Off, int64(len(s.Src)))
		}
	}
	return nil
}
