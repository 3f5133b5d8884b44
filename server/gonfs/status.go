package gonfs

import (
	"errors"
	"fmt"
	"syscall"

	"pmemfs/pmemfs"
	"pmemfs/server/handle"
)

// status is nfsstat3 (RFC 1813 section 2.6).
type status uint32

const (
	nfsOK             status = 0
	nfsErrPerm        status = 1
	nfsErrNoEnt       status = 2
	nfsErrIO          status = 5
	nfsErrAcces       status = 13
	nfsErrExist       status = 17
	nfsErrXDev        status = 18
	nfsErrNotDir      status = 20
	nfsErrIsDir       status = 21
	nfsErrInval       status = 22
	nfsErrFBig        status = 27
	nfsErrNoSpc       status = 28
	nfsErrROFS        status = 30
	nfsErrMLink       status = 31
	nfsErrNameTooLong status = 63
	nfsErrNotEmpty    status = 66
	nfsErrStale       status = 70
	nfsErrBadHandle   status = 10001
	nfsErrNotSync     status = 10002
	nfsErrNotSupp     status = 10004
	nfsErrTooSmall    status = 10005
	nfsErrServerFault status = 10006
	nfsErrBadType     status = 10007
)

var byErrno = map[syscall.Errno]status{
	syscall.EPERM:        nfsErrPerm,
	syscall.ENOENT:       nfsErrNoEnt,
	syscall.EIO:          nfsErrIO,
	syscall.EACCES:       nfsErrAcces,
	syscall.EEXIST:       nfsErrExist,
	syscall.EXDEV:        nfsErrXDev,
	syscall.ENOTDIR:      nfsErrNotDir,
	syscall.EISDIR:       nfsErrIsDir,
	syscall.EINVAL:       nfsErrInval,
	syscall.EFBIG:        nfsErrFBig,
	syscall.ENOSPC:       nfsErrNoSpc,
	syscall.EROFS:        nfsErrROFS,
	syscall.EMLINK:       nfsErrMLink,
	syscall.ENAMETOOLONG: nfsErrNameTooLong,
	syscall.ENOTEMPTY:    nfsErrNotEmpty,
	syscall.ESTALE:       nfsErrStale,
	syscall.EOPNOTSUPP:   nfsErrNotSupp,
	syscall.EBADF:        nfsErrServerFault, // the engine is closed
}

// errPanic stands for a panic in a call that go-nfs made into this package.
var errPanic = errors.New("gonfs: panic while serving a request")

// statusOf maps an engine's or adapter's error to the protocol's. What has no number of its own is an I/O error.
func statusOf(err error) status {
	if err == nil {
		return nfsOK
	}
	var s status
	switch {
	case errors.As(err, &s):
		return s
	case errors.Is(err, pmemfs.ErrNotSync):
		return nfsErrNotSync
	case errors.Is(err, errPanic):
		return nfsErrServerFault
	}
	var no syscall.Errno
	var e *pmemfs.Error
	if errors.As(err, &e) {
		no = e.Errno()
	} else if !errors.As(err, &no) {
		return nfsErrIO
	}
	if s, ok := byErrno[no]; ok {
		return s
	}
	return nfsErrIO
}

// handleStatus is why a handle does not count.
func handleStatus(err error) status {
	if errors.Is(err, handle.ErrForeign) {
		return nfsErrStale
	}
	return nfsErrBadHandle
}

// Error lets a status travel as an error.
func (s status) Error() string { return fmt.Sprintf("nfs status %d", uint32(s)) }
