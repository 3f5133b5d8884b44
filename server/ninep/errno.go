package ninep

import (
	"errors"
	"fmt"

	"pmemfs/pmemfs"
)

// errno is an error number of Linux, which is what Rlerror carries, wherever the server runs.
type errno uint32

// Those that the server has reasons of its own for.
const (
	ok         errno = 0
	eNoEnt     errno = 2
	eIntr      errno = 4
	eIO        errno = 5
	eBadF      errno = 9
	eNoMem     errno = 12
	eAccess    errno = 13
	eBusy      errno = 16
	eXDev      errno = 18
	eNotDir    errno = 20
	eIsDir     errno = 21
	eInval     errno = 22
	eMFile     errno = 24
	eROFS      errno = 30
	ePerm      errno = 1
	eTooBig    errno = 7
	eNXIO      errno = 6
	eLoop      errno = 40
	eProto     errno = 71
	eMsgSize   errno = 90
	eNotSupp   errno = 95
	eStale     errno = 116
	eNoData    errno = 61
	eRange     errno = 34
	eOverflow  errno = 75
	eDeadlock  errno = 35
	eNoLocks   errno = 37
	eNameLong  errno = 36
	eNotEmpty  errno = 39
	eManyLinks errno = 31
	eNoSpace   errno = 28
	eQuota     errno = 122
	eFileBig   errno = 27
	eExist     errno = 17
	eAgain     errno = 11
)

// Error lets an errno travel as an error.
func (n errno) Error() string { return fmt.Sprintf("errno %d", uint32(n)) }

// byError are the errors of the engine: their own numbers are those of the system that the server runs on.
var byError = map[*pmemfs.Error]errno{
	pmemfs.ErrNotExist: eNoEnt, pmemfs.ErrExist: eExist, pmemfs.ErrNotDir: eNotDir, pmemfs.ErrIsDir: eIsDir,
	pmemfs.ErrNotEmpty: eNotEmpty, pmemfs.ErrNameTooLong: eNameLong, pmemfs.ErrStale: eStale, pmemfs.ErrTooManyLinks: eManyLinks,
	pmemfs.ErrPerm: ePerm, pmemfs.ErrAccess: eAccess, pmemfs.ErrInvalid: eInval, pmemfs.ErrNotSync: eAgain,
	pmemfs.ErrFileTooBig: eFileBig, pmemfs.ErrNoXattr: eNoData, pmemfs.ErrRange: eRange, pmemfs.ErrNotSupported: eNotSupp,
	pmemfs.ErrNoData: eNXIO, pmemfs.ErrConflict: eAgain, pmemfs.ErrDeadlock: eDeadlock, pmemfs.ErrNoLocks: eNoLocks,
	pmemfs.ErrNoSpace: eNoSpace, pmemfs.ErrQuota: eQuota, pmemfs.ErrCrossesQuota: eXDev, pmemfs.ErrIO: eIO, pmemfs.ErrReadOnly: eROFS, pmemfs.ErrClosed: eIO, pmemfs.ErrBusy: eBusy,
}

// errnoOf maps an error of the engine, or an errno. What has no number of its own is an I/O error.
func errnoOf(err error) errno {
	if err == nil {
		return ok
	}
	var n errno
	if errors.As(err, &n) {
		return n
	}
	var e *pmemfs.Error
	if errors.As(err, &e) {
		if n, known := byError[e]; known {
			return n
		}
	}
	return eIO
}
