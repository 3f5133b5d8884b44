package pmem

import (
	"errors"
	"fmt"
)

// Errors of Open and CreateFile.
var (
	// ErrLocked is returned by Open and CreateFile when another open region, in this process or in
	// another one, holds a lock that excludes the one asked for.
	ErrLocked = errors.New("image is in use")

	// ErrExists is returned by CreateFile when the file exists and Force is not set. It is not touched.
	ErrExists = errors.New("file exists")

	// ErrFileType is returned by Open and CreateFile for anything but a regular file or, for Open, a
	// devdax character device: directories, block devices, pipes.
	ErrFileType = errors.New("neither a regular file nor a devdax device")

	// ErrMode is returned by Open for a DAX device that is not in the mode devdax.
	ErrMode = errors.New("the DAX device is not in the mode devdax")

	// ErrSize is returned by Open for an empty file or one too large for the address space, and by
	// CreateFile and NewMemory for a size that is not positive or that is too large.
	ErrSize = errors.New("unusable size")

	// ErrDomain is returned by Open and NewMemory when the domain asked for by name does not exist or
	// needs instructions that this CPU or this build does not have.
	ErrDomain = errors.New("persistence domain not available")

	// ErrOptions is returned by Open for options that contradict each other, or that the file cannot
	// honour (a private mapping of a devdax device).
	ErrOptions = errors.New("options cannot be combined")
)

// Errors of a region in use.
var (
	// ErrBounds is returned when a range or segment does not lie within the region. Nothing was stored,
	// flushed or fenced.
	ErrBounds = errors.New("range outside the region")

	// ErrReadOnly is returned by Persist, WriteThrough and ZeroThrough on a region opened ReadOnly.
	ErrReadOnly = errors.New("region is read-only")

	// ErrClosed is returned by Persist, WriteThrough and ZeroThrough after Close.
	ErrClosed = errors.New("region is closed")

	// ErrSync is returned when msync failed, now or in an earlier call on this region: what
	// was stored since the last success may or may not be durable, and no later call can tell.
	ErrSync = errors.New("synchronising the image failed")
)

// A FaultError says that a load from or store to the mapping raised a memory fault: the memory is
// poisoned, or, if Host is not nil, the host of the file is the reason.
type FaultError struct {
	Path string // the region's path
	Off  int64  // where in the region, in bytes, rounded down to the page: the CPU reports no better
	Len  int64  // bytes of the page
	Host error  // ErrHostSpace, ErrHostIO or ErrHostShort; nil for bad memory
}

// Error names the image, the offset of the page and what the host could not do.
func (e *FaultError) Error() string {
	if e.Host != nil {
		return fmt.Sprintf("%s: the page at offset %d: %v", e.Path, e.Off, e.Host)
	}
	return fmt.Sprintf("%s: memory fault in the page at offset %d", e.Path, e.Off)
}

// Unwrap returns Host.
func (e *FaultError) Unwrap() error { return e.Host }

// boundsError describes a range that is not in the region.
func (r *Region) boundsError(off, n int64) error {
	return fmt.Errorf("%s: range of %d bytes at offset %d, size %d: %w", r.path, n, off, r.Size(), ErrBounds)
}
