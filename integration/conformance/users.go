package conformance

import "syscall"

// The errors that cases expect.
const (
	EACCES       = syscall.EACCES
	EEXIST       = syscall.EEXIST
	EFBIG        = syscall.EFBIG
	EINVAL       = syscall.EINVAL
	EISDIR       = syscall.EISDIR
	ELOOP        = syscall.ELOOP
	ENAMETOOLONG = syscall.ENAMETOOLONG
	ENOENT       = syscall.ENOENT
	ENOTDIR      = syscall.ENOTDIR
	ENOTEMPTY    = syscall.ENOTEMPTY
	EDQUOT       = syscall.EDQUOT
	EROFS        = syscall.EROFS
	EXDEV        = syscall.EXDEV
	ENXIO        = syscall.ENXIO
	EPERM        = syscall.EPERM
	ESTALE       = syscall.ESTALE
	EAGAIN       = syscall.EAGAIN
	EBUSY        = syscall.EBUSY
	EOPNOTSUPP   = syscall.EOPNOTSUPP
)

// The users of cases.
var (
	alice  = User{UID: 1000, GID: 1000}
	bob    = User{UID: 1001, GID: 1001}
	mate   = User{UID: 1002, GID: 1000}                            // of alice's group by its own
	friend = User{UID: 1003, GID: 5, Groups: []uint32{7, 1000, 9}} // of alice's group by a supplementary one
	root   = User{}
	most   = User{UID: 1<<32 - 2, GID: 1<<32 - 2, Groups: []uint32{1}} // large numbers are users like others
)

// classes are the users that a file of alice's distinguishes, and which three bits of its mode are theirs.
var classes = []struct {
	name  string
	user  User
	shift int
}{
	{"owner", alice, 6}, {"group", mate, 3}, {"supplementary group", friend, 3}, {"others", bob, 0},
}
