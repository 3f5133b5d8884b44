package pmem

import (
	"context"
	"errors"
	"fmt"
	"syscall"
)

// ErrReach is returned by Extend for more than the region can become while it is open.
var ErrReach = errors.New("the process has not set aside enough address space for that")

// ErrShort is returned by Extend for more than a device has.
var ErrShort = errors.New("the device is not that large")

// ExtendOptions says how Extend goes about it.
type ExtendOptions struct {
	Sparse   bool                    // the host allocates what is stored to, when that happens
	Progress func(done, total int64) // told how many bytes are allocated, at least at the end; may be nil
}

// Extend makes the region larger, beside all other calls. A file becomes longer, and the host gives it blocks; a device must have become as
// large. The new part holds whatever is there: zeros, in a file that was not longer already. It is durable on return that the file is
// as long. On an error everything is as it was. undo takes all of it back, as long as nobody has used the new part; it does nothing
// for a file that was longer already.
//
// Errors: ErrReach, ErrShort, ErrReadOnly, ErrClosed, the context's, ENOSPC or what else the system said; all of them name the path.
func (r *Region) Extend(ctx context.Context, size int64, o ExtendOptions) (undo func() error, err error) {
	r.extend.Lock()
	defer r.extend.Unlock()
	if undo, err = r.extendTo(ctx, size, o); err != nil {
		return nil, fmt.Errorf("%s: %w", r.path, pathless(err))
	}
	return undo, nil
}

func (r *Region) extendTo(ctx context.Context, size int64, o ExtendOptions) (undo func() error, err error) {
	nothing := func() error { return nil }
	old := r.Size()
	switch err := r.writable(); {
	case err != nil:
		return nil, err
	case size <= old:
		return nothing, nil
	case size > r.Reach():
		return nil, fmt.Errorf("%w: it can become %s, and %s are wanted", ErrReach, sizeText(r.Reach()), sizeText(size))
	case r.file == nil:
		r.size.Store(size) // memory that has a reach has it already
		return nothing, nil
	}
	g, err := measure(r.file, r.sysfs)
	if err != nil {
		return nil, err
	}
	if g.device && g.size < size {
		return nil, fmt.Errorf("%w: it has %s, and %s are wanted", ErrShort, sizeText(g.size), sizeText(size))
	}
	cut := nothing
	if !g.device {
		if g.size < size {
			cut = func() error { return r.file.Truncate(g.size) }
		}
		err = r.lengthen(ctx, old, max(g.size, size), size, o)
	}
	if err == nil {
		err = r.mapMore(old, size)
	}
	if err != nil {
		return nil, errors.Join(err, cut())
	}
	r.size.Store(size)
	return func() error {
		r.extend.Lock()
		defer r.extend.Unlock()
		r.size.Store(old)
		if from := pageUp(old); from < pageUp(size) {
			if err := unmapOver(r.mem[from:pageUp(size)]); err != nil {
				return fmt.Errorf("%s: %w", r.path, err)
			}
		}
		return cut()
	}, nil
}

// lengthen gives the file a length, and blocks for what is between old and size. What the host has no room for is found out first.
func (r *Region) lengthen(ctx context.Context, old, length, size int64, o ExtendOptions) error {
	if o.Sparse {
		if err := r.file.Truncate(length); err != nil {
			return err
		}
		return r.file.Sync()
	}
	err := vetRoom(r.file, size-old-r.allocatedBehind(old, size))
	if err != nil {
		return err
	}
	for at := old; at < size; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(allocateStep, size-at)
		err := allocate(r.file, at, n)
		if errors.Is(err, errNoAllocate) {
			err = r.fillHoles(at, n)
		}
		if err != nil {
			return err
		}
		at += n
		if o.Progress != nil {
			o.Progress(at-old, size-old)
		}
	}
	return r.file.Sync()
}

// fillHoles writes zeros to a part of the file where it has none yet: behind its end. A file that is longer already keeps what it has.
func (r *Region) fillHoles(at, n int64) error {
	st, err := r.file.Stat()
	if err != nil {
		return err
	}
	if have := st.Size() - at; have > 0 {
		at, n = at+min(have, n), n-min(have, n)
	}
	if n <= 0 {
		return nil
	}
	return writeZeros(r.file, at, n)
}

// allocatedBehind returns how many bytes between two offsets of a file that is longer already may have blocks.
func (r *Region) allocatedBehind(old, size int64) int64 {
	st, err := r.file.Stat()
	if err != nil || st.Size() <= old {
		return 0 // or it will turn out
	}
	blocks := st.Sys().(*syscall.Stat_t).Blocks * 512
	return min(max(blocks-old, 0), min(st.Size(), size)-old)
}

// mapMore maps what the file has between two sizes.
func (r *Region) mapMore(old, size int64) error {
	from, to := pageUp(old), pageUp(size)
	if from >= to {
		return nil // in the last page, which is mapped
	}
	prot := protection(Options{})
	if err := tryMap(r.file, from, to-from, prot, r.flags); err != nil {
		return err
	}
	return mapOver(r.mem[from:to], r.file, from, prot, r.flags)
}

// Present returns how large the region's file or device is now, in bytes. It is the size of the region unless somebody has made it larger.
//
// Errors: what the system said; ErrClosed.
func (r *Region) Present() (int64, error) {
	if r.closed.Load() {
		return 0, ErrClosed
	}
	if r.file == nil {
		return r.Reach(), nil
	}
	g, err := measure(r.file, r.sysfs)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", r.path, pathless(err))
	}
	return g.size, nil
}

// Device reports whether the region is a device, whose size nobody here can change.
func (r *Region) Device() bool { return r.device }
