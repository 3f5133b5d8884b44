package pmemfs

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"pmemfs/pmemfs/internal/alloc"
	"pmemfs/pmemfs/internal/data"
	"pmemfs/pmemfs/internal/dir"
	"pmemfs/pmemfs/internal/inode"
	"pmemfs/pmemfs/internal/journal"
	"pmemfs/pmemfs/internal/kvstore"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/locks"
	"pmemfs/pmemfs/internal/media"
	"pmemfs/pmemfs/internal/pmem"
	"pmemfs/pmemfs/internal/quota"
	"pmemfs/pmemfs/internal/recovery"
	"pmemfs/pmemfs/internal/snapshot"
	"pmemfs/pmemfs/internal/xattr"
)

// Error is what every operation's error is or wraps. Compare with errors.Is.
type Error struct {
	errno syscall.Errno
	text  string
}

// Error returns the text.
func (e *Error) Error() string { return e.text }

// Errno returns the POSIX error number, for protocols to map.
func (e *Error) Errno() syscall.Errno { return e.errno }

// Is makes an Error equal to the error of io/fs and os that says the same.
func (e *Error) Is(target error) bool {
	switch target {
	case fs.ErrNotExist, fs.ErrExist, fs.ErrPermission:
		return e.errno.Is(target)
	case fs.ErrInvalid:
		return e.errno == syscall.EINVAL
	}
	if n, ok := target.(syscall.Errno); ok {
		return n == e.errno
	}
	return false
}

// Names and handles.
var (
	// ErrNotExist is returned when a name does not exist.
	ErrNotExist = &Error{syscall.ENOENT, "no such file or directory"}
	// ErrExist is returned when a name exists that must not.
	ErrExist = &Error{syscall.EEXIST, "file exists"}
	// ErrNotDir is returned when a directory is needed and the file is none.
	ErrNotDir = &Error{syscall.ENOTDIR, "not a directory"}
	// ErrIsDir is returned when the file must not be a directory.
	ErrIsDir = &Error{syscall.EISDIR, "is a directory"}
	// ErrNotEmpty is returned when a directory to be removed or replaced has entries.
	ErrNotEmpty = &Error{syscall.ENOTEMPTY, "directory not empty"}
	// ErrNameTooLong is returned for a name of more than NameMax bytes or a target of more than SymlinkMax.
	ErrNameTooLong = &Error{syscall.ENAMETOOLONG, "name too long"}
	// ErrStale is returned for a handle whose file is gone.
	ErrStale = &Error{syscall.ESTALE, "stale file handle"}
	// ErrTooManyLinks is returned when a link count would exceed 2^31 - 1.
	ErrTooManyLinks = &Error{syscall.EMLINK, "too many links"}
	// ErrCrossesQuota is returned for a link or a rename from a directory tree with a quota into another one, or out of it.
	ErrCrossesQuota = &Error{syscall.EXDEV, "crosses the border of a quota"}
)

// Permission and arguments.
var (
	// ErrPerm is returned when only the owner or root may do this.
	ErrPerm = &Error{syscall.EPERM, "operation not permitted"}
	// ErrAccess is returned when the mode bits refuse.
	ErrAccess = &Error{syscall.EACCES, "permission denied"}
	// ErrInvalid is returned for an argument that makes no sense.
	ErrInvalid = &Error{syscall.EINVAL, "invalid argument"}
	// ErrNotSync is returned when the guard of a Setattr does not match.
	ErrNotSync = &Error{syscall.EAGAIN, "file changed since the guard was read"}
	// ErrFileTooBig is returned for an offset beyond 8 EiB.
	ErrFileTooBig = &Error{syscall.EFBIG, "file too large"}
	// ErrNoXattr is returned when an extended attribute does not exist.
	ErrNoXattr = &Error{syscall.ENODATA, "no such attribute"}
	// ErrRange is returned for an attribute name or value that is too long.
	ErrRange = &Error{syscall.ERANGE, "attribute too long"}
	// ErrNotSupported is returned for an operation that the file's type does not have.
	ErrNotSupported = &Error{syscall.EOPNOTSUPP, "operation not supported"}
	// ErrNoData is returned by SeekData and SeekHole from an offset beyond the end of the file.
	ErrNoData = &Error{syscall.ENXIO, "no data beyond that offset"}
)

// Locks.
var (
	// ErrConflict is returned when another owner's lock or reservation is in the way.
	ErrConflict = &Error{syscall.EAGAIN, "locked by another owner"}
	// ErrDeadlock is returned for a lock that would never be granted, since its owner would wait for itself.
	ErrDeadlock = &Error{syscall.EDEADLK, "resource deadlock avoided"}
	// ErrNoLocks is returned when a client has as many locks, or requests for them, as it may.
	ErrNoLocks = &Error{syscall.ENOLCK, "no locks available"}
)

// ErrTooMany is returned when there are as many snapshots, or holds of one, as there may be.
var ErrTooMany = &Error{syscall.EMLINK, "as many as there may be"}

// The medium.
var (
	// ErrNoSpace is returned when no block is free, or when the host of the image has none for it.
	ErrNoSpace = &Error{syscall.ENOSPC, "no space left on device"}
	// ErrQuota is returned when a user, a group or a directory tree has as much as it may.
	ErrQuota = &Error{syscall.EDQUOT, "disk quota exceeded"}
	// ErrIO is returned when the medium is damaged or refuses.
	ErrIO = &Error{syscall.EIO, "input/output error"}
	// ErrReadOnly is returned for changes of a filesystem that is open for reading or has failed.
	ErrReadOnly = &Error{syscall.EROFS, "read-only filesystem"}
	// ErrWouldBlock is returned by a call that was not to wait (Call.NoWait) and would have had to.
	ErrWouldBlock = &Error{syscall.EWOULDBLOCK, "would have to wait"}
	// ErrClosed is returned after Close.
	ErrClosed = &Error{syscall.EBADF, "filesystem is closed"}
	// ErrBusy is returned when a file is in use in a way that forbids the operation.
	ErrBusy = &Error{syscall.EBUSY, "in use"}
	// ErrLocked is returned by Open and Format when another process has the image open.
	ErrLocked = &Error{syscall.EBUSY, "image is in use by another process"}
	// ErrNotImage is returned by Open when the file is not a pmemfs image.
	ErrNotImage = &Error{syscall.EINVAL, "not a pmemfs image"}
	// ErrVersion is returned by Open for an image of a format, or with a feature, that this program does not know.
	ErrVersion = &Error{syscall.EOPNOTSUPP, "the image needs another version of pmemfs"}
	// ErrDamaged is returned by Open when the image is damaged or truncated.
	ErrDamaged = &Error{syscall.EIO, "image is damaged"}
)

// MissingError is in the chain of the error of an Open of an image that has not all of its blocks, or shares some, when they cannot be
// had. Options.Sparse opens it as it is.
type MissingError struct {
	Holes  int64 // bytes of the image that have no blocks on the host's disk
	Shared int64 // bytes that have blocks which other files have too
	Size   int64 // of the image, in bytes
	Free   int64 // in the host's filesystem, in bytes; negative if that is not known
	cause  *pmem.MissingError
}

// Error says how much is missing of how much, and what keeps it from being had.
func (e *MissingError) Error() string { return e.cause.Error() }

// Unwrap returns what the system said.
func (e *MissingError) Unwrap() error { return e.cause }

// ChecksumError is in the chain of the ErrIO that a call returns when a block of file data is not as its checksum says.
type ChecksumError struct {
	Ino    uint64
	Off    uint64 // of the block in the file, in bytes
	Block  uint64 // of the image
	Stored uint32 // checksum in the image
	Found  uint32 // checksum of what the block holds
	cause  error
}

// Error names the inode, the position in the file and the block.
func (e *ChecksumError) Error() string { return e.cause.Error() }

// Unwrap returns the cause.
func (e *ChecksumError) Unwrap() error { return e.cause }

// mapErr replaces the errors of lower floors by those of this package, keeping the cause in the text and the chain.
func mapErr(err error) error {
	var own *Error
	var fault *pmem.FaultError
	var sum *data.SumError
	var snap *snapshot.Error
	switch {
	case err == nil || errors.As(err, &own):
		return err
	case errors.As(err, &sum):
		return fmt.Errorf("%w: %w", ErrIO, &ChecksumError{sum.Ino, sum.Off, sum.Block, sum.Stored, sum.Found, err})
	case errors.As(err, &snap):
		return snapshotErr(snap)
	case errors.Is(err, alloc.ErrNoSpace):
		return ErrNoSpace
	case errors.Is(err, quota.ErrExceeded):
		return ErrQuota
	case errors.Is(err, quota.ErrNoAccount):
		return ErrNotExist
	case errors.Is(err, quota.ErrAudited):
		return fmt.Errorf("%w: %w", ErrBusy, err)
	case errors.Is(err, inode.ErrStale):
		return ErrStale
	case errors.Is(err, locks.ErrConflict):
		return ErrConflict
	case errors.Is(err, locks.ErrDeadlock):
		return ErrDeadlock
	case errors.Is(err, locks.ErrFull):
		return ErrNoLocks
	case errors.Is(err, locks.ErrGone):
		return ErrStale
	case errors.Is(err, kvstore.ErrNotFound):
		return ErrNotExist
	case errors.Is(err, kvstore.ErrLength):
		return ErrRange
	case errors.Is(err, kvstore.ErrKey):
		return ErrInvalid
	case errors.Is(err, dir.ErrFull), errors.Is(err, xattr.ErrFull), errors.Is(err, kvstore.ErrFull):
		return fmt.Errorf("%w: %w", ErrNoSpace, err)
	case errors.Is(err, journal.ErrFailed), errors.Is(err, journal.ErrReadOnly):
		return fmt.Errorf("%w: %w", ErrReadOnly, err)
	case errors.Is(err, pmem.ErrHostSpace):
		return fmt.Errorf("%w: %w", ErrNoSpace, err)
	case errors.Is(err, layout.ErrDamaged), errors.As(err, &fault):
		return fmt.Errorf("%w: %w", ErrIO, err)
	}
	return fmt.Errorf("%w: %w", ErrIO, err)
}

// damaged reports whether an error of an operation is about one damaged or unreadable object.
func damaged(err error) bool { return errors.Is(err, ErrIO) && media.Confined(err) }

// finish is deferred by every operation, before the guard, so that it runs after it and after the locks are released. ino
// is the inode that the operation was about, 0 for none: a fault of the medium is named after it.
func (fs *FS) finish(errp *error, ino uint64) {
	if *errp != nil {
		fs.media.ReportSum(*errp)
		*errp = mapErr(fs.media.Report(*errp, ino, false))
	}
}

// mapOpenErr is mapErr for Open, Format and their kin.
func mapOpenErr(path string, err error) error {
	var base error
	var fault *pmem.FaultError
	if m := (*pmem.MissingError)(nil); errors.As(err, &m) {
		err = &MissingError{m.Holes, m.Shared, m.Size, m.Free, m}
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, pmem.ErrHostSpace), errors.Is(err, syscall.ENOSPC):
		base = ErrNoSpace
	case errors.As(err, &fault):
		base = ErrIO
	case errors.Is(err, pmem.ErrLocked):
		return fmt.Errorf("%s: %w", path, ErrLocked)
	case errors.Is(err, pmem.ErrExists):
		return fmt.Errorf("%s: %w", path, ErrExist)
	case errors.Is(err, layout.ErrNotImage), errors.Is(err, pmem.ErrSize), errors.Is(err, pmem.ErrFileType):
		base = ErrNotImage
	case errors.Is(err, layout.ErrVersion):
		base = ErrVersion
	case errors.Is(err, layout.ErrDamaged), errors.Is(err, recovery.ErrTruncated):
		base = ErrDamaged
	}
	return &openError{path, base, err}
}

// openError is why an image could not be opened or made. It is base, if that is not nil, and cause, and says neither what cause says of them
// already nor the path twice.
type openError struct {
	path        string
	base, cause error
}

func (e *openError) Error() string {
	text := e.cause.Error()
	if e.base != nil && !strings.Contains(text, e.base.Error()) {
		text = e.base.Error() + ": " + text
	}
	if !strings.Contains(text, e.path) {
		text = e.path + ": " + text
	}
	return text
}

func (e *openError) Unwrap() []error {
	if e.base == nil {
		return []error{e.cause}
	}
	return []error{e.base, e.cause}
}
