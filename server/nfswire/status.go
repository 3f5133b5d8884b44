package nfswire

import (
	"errors"
	"fmt"
	"syscall"

	"pmemfs/pmemfs"
	"pmemfs/server/handle"
)

// Status is nfsstat3 (RFC 1813 section 2.6).
type Status uint32

// The values of Status.
const (
	OK             Status = 0
	ErrPerm        Status = 1
	ErrNoEnt       Status = 2
	ErrIO          Status = 5
	ErrAcces       Status = 13
	ErrExist       Status = 17
	ErrXDev        Status = 18
	ErrNotDir      Status = 20
	ErrIsDir       Status = 21
	ErrInval       Status = 22
	ErrFBig        Status = 27
	ErrNoSpc       Status = 28
	ErrROFS        Status = 30
	ErrMLink       Status = 31
	ErrNameTooLong Status = 63
	ErrNotEmpty    Status = 66
	ErrDQuot       Status = 69
	ErrStale       Status = 70
	ErrBadHandle   Status = 10001
	ErrNotSync     Status = 10002
	ErrBadCookie   Status = 10003
	ErrNotSupp     Status = 10004
	ErrTooSmall    Status = 10005
	ErrServerFault Status = 10006
	ErrJukebox     Status = 10008
	ErrBadType     Status = 10007
)

var byErrno = map[syscall.Errno]Status{
	syscall.EPERM:        ErrPerm,
	syscall.ENOENT:       ErrNoEnt,
	syscall.EIO:          ErrIO,
	syscall.EACCES:       ErrAcces,
	syscall.EEXIST:       ErrExist,
	syscall.EXDEV:        ErrXDev,
	syscall.ENOTDIR:      ErrNotDir,
	syscall.EISDIR:       ErrIsDir,
	syscall.EINVAL:       ErrInval,
	syscall.EFBIG:        ErrFBig,
	syscall.ENOSPC:       ErrNoSpc,
	syscall.EDQUOT:       ErrDQuot,
	syscall.EROFS:        ErrROFS,
	syscall.EMLINK:       ErrMLink,
	syscall.ENAMETOOLONG: ErrNameTooLong,
	syscall.ENOTEMPTY:    ErrNotEmpty,
	syscall.ESTALE:       ErrStale,
	syscall.EOPNOTSUPP:   ErrNotSupp,
	syscall.EBADF:        ErrServerFault, // the engine is closed
}

// StatusOf maps an error of the engine, of a handle, or a Status, to the protocol's. What has no number of its own is an
// I/O error.
func StatusOf(err error) Status {
	if err == nil {
		return OK
	}
	var s Status
	switch {
	case errors.As(err, &s):
		return s
	case errors.Is(err, pmemfs.ErrNotSync):
		return ErrNotSync
	case errors.Is(err, handle.ErrForeign):
		return ErrStale
	case errors.Is(err, handle.ErrBad):
		return ErrBadHandle
	}
	var no syscall.Errno
	var e *pmemfs.Error
	if errors.As(err, &e) {
		no = e.Errno()
	} else if !errors.As(err, &no) {
		return ErrIO
	}
	if s, ok := byErrno[no]; ok {
		return s
	}
	return ErrIO
}

// Error lets a Status travel as an error.
func (s Status) Error() string { return fmt.Sprintf("nfs status %d", uint32(s)) }
