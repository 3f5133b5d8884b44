package traffic

import "strconv"

// Status is what became of a call: 0 if all was well, else the protocol's own number, or one of RPC itself.
type Status uint32

// refused is the flag of a status of RPC.
const refused Status = 1 << 31

// Refused is the status of a call that its procedure has not seen. reason is one of the constants below.
func Refused(reason uint32) Status { return refused | Status(reason) }

// Reasons for that: accept_stat of RFC 5531 section 9, and what denies a call.
const (
	ProgUnavail  = 1
	ProgMismatch = 2
	ProcUnavail  = 3
	GarbageArgs  = 4
	SystemErr    = 5
	RPCMismatch  = 6
	AuthError    = 7
)

var refusals = [...]string{ProgUnavail: "PROG_UNAVAIL", ProgMismatch: "PROG_MISMATCH", ProcUnavail: "PROC_UNAVAIL", GarbageArgs: "GARBAGE_ARGS",
	SystemErr: "SYSTEM_ERR", RPCMismatch: "RPC_MISMATCH", AuthError: "AUTH_ERROR"}

var nfsNames = map[Status]string{
	1: "NFS3ERR_PERM", 2: "NFS3ERR_NOENT", 5: "NFS3ERR_IO", 6: "NFS3ERR_NXIO", 13: "NFS3ERR_ACCES", 17: "NFS3ERR_EXIST", 18: "NFS3ERR_XDEV",
	19: "NFS3ERR_NODEV", 20: "NFS3ERR_NOTDIR", 21: "NFS3ERR_ISDIR", 22: "NFS3ERR_INVAL", 27: "NFS3ERR_FBIG", 28: "NFS3ERR_NOSPC", 30: "NFS3ERR_ROFS",
	31: "NFS3ERR_MLINK", 63: "NFS3ERR_NAMETOOLONG", 66: "NFS3ERR_NOTEMPTY", 69: "NFS3ERR_DQUOT", 70: "NFS3ERR_STALE", 71: "NFS3ERR_REMOTE",
	10001: "NFS3ERR_BADHANDLE", 10002: "NFS3ERR_NOT_SYNC", 10003: "NFS3ERR_BAD_COOKIE", 10004: "NFS3ERR_NOTSUPP", 10005: "NFS3ERR_TOOSMALL",
	10006: "NFS3ERR_SERVERFAULT", 10007: "NFS3ERR_BADTYPE", 10008: "NFS3ERR_JUKEBOX",
}

// statusNames are the names of statuses, by protocol. Of 9P they are the error numbers of Linux.
var statusNames = [len(protocols)]map[Status]string{
	NFS3: nfsNames, NFSACL: nfsNames,
	Mount: {1: "MNT3ERR_PERM", 2: "MNT3ERR_NOENT", 5: "MNT3ERR_IO", 13: "MNT3ERR_ACCES", 20: "MNT3ERR_NOTDIR", 22: "MNT3ERR_INVAL",
		63: "MNT3ERR_NAMETOOLONG", 10004: "MNT3ERR_NOTSUPP", 10006: "MNT3ERR_SERVERFAULT"},
	NLM: {1: "NLM4_DENIED", 2: "NLM4_DENIED_NOLOCKS", 3: "NLM4_BLOCKED", 4: "NLM4_DENIED_GRACE_PERIOD", 5: "NLM4_DEADLCK", 6: "NLM4_ROFS",
		7: "NLM4_STALE_FH", 8: "NLM4_FBIG", 9: "NLM4_FAILED"},
	NSM:    {1: "STAT_FAIL"},
	RQuota: {2: "Q_NOQUOTA", 3: "Q_EPERM"},
	NineP: {1: "EPERM", 2: "ENOENT", 4: "EINTR", 5: "EIO", 6: "ENXIO", 7: "E2BIG", 9: "EBADF", 11: "EAGAIN", 12: "ENOMEM", 13: "EACCES", 16: "EBUSY",
		17: "EEXIST", 18: "EXDEV", 20: "ENOTDIR", 21: "EISDIR", 22: "EINVAL", 24: "EMFILE", 27: "EFBIG", 28: "ENOSPC", 30: "EROFS", 31: "EMLINK",
		34: "ERANGE", 35: "EDEADLK", 36: "ENAMETOOLONG", 37: "ENOLCK", 39: "ENOTEMPTY", 40: "ELOOP", 61: "ENODATA", 71: "EPROTO", 75: "EOVERFLOW",
		90: "EMSGSIZE", 95: "EOPNOTSUPP", 116: "ESTALE", 122: "EDQUOT"},
}

// StatusName is how a protocol calls a status: "OK" for 0.
func (p Protocol) StatusName(s Status) string {
	if s == 0 {
		return "OK"
	}
	if reason := s &^ refused; s&refused != 0 && int(reason) < len(refusals) {
		return refusals[reason]
	}
	if name, ok := statusNames[p][s]; ok {
		return name
	}
	return "status " + strconv.FormatUint(uint64(s), 10)
}
