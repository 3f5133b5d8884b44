// Package ninep serves 9P2000.L, the variant of 9P for Linux, straight from the engine, on the transport of package rpc.
//
// # What a fid is
//
// A fid is a file by its handle, the user who attached, and the export: no path is kept, so what other clients and other protocols do
// is seen at once, and a file that is renamed stays the fid's. Only Tremove and Trename go by a name, the one by which the fid was
// found, and fail where the file has it no more. Permissions are the engine's, for the user of the fid; an open fid keeps what it was opened
// for, and its file, also when that has no name any more: the engine frees it when the fid is given up, or at the next start.
//
// Who can connect is believed. The protocol names users and, in requests that make something, a group; their other groups are those that the
// machine of the server knows, or those of files like passwd(5) and group(5).
//
// # Requests
//
// All that can be answered without waiting is answered in place, and other requests beside each other: those that wait for the medium,
// for locks or for other requests. Tflush makes a request that waits for a lock end; it waits for every other one, and is answered after it. Tversion does so with all of them, in place.
//
// A fid never changes once others can see it: to open it, or to lead it elsewhere, puts another fid there. Requests under
// way keep theirs.
//
// # Fields
//
// What becomes of each field of a request that asks for more than its obvious sense. What is not here and not known is EINVAL.
//
//	field                          what becomes of it
//	Tversion tag                   any; clients send 0xffff
//	Tversion msize                 at least 512, and at most what the server takes
//	Tattach afid                   must be none, as there is no Tauth (ENOENT, which clients take for "not needed")
//	Tattach uname, n_uname         the number counts; without one (0xffffffff) the name; who has neither is anonymous
//	Tattach aname                  an export, or a directory below one
//	open: access                   0 to 2; what may be executed may be opened for reading
//	open: O_TRUNC                  truncates, which takes permission to write
//	open: O_APPEND                 each Twrite goes to the end, wherever its offset is; see habits for pages from a cache
//	open: O_DIRECTORY              Tlopen: ENOTDIR of anything else; Tlcreate: EINVAL, as open(2) has it
//	open: O_NOFOLLOW               always so: a symbolic link is ELOOP
//	open: O_EXCL                   Tlcreate: EEXIST; Tlopen: nothing, as the fid is a file that is there
//	open: O_CREAT                  nothing: the message says so
//	open: O_SYNC, O_DSYNC          nothing: every answer to a write says that it is durable
//	open: O_DIRECT                 nothing: the server has no cache of its own
//	open: O_NOATIME                nothing: the access time changes only when it is set
//	open: O_NONBLOCK, O_NOCTTY, FASYNC, O_LARGEFILE, O_CLOEXEC  nothing: they are the client's
//	open: O_PATH, O_TMPFILE        EINVAL
//	mode of what is made           the permissions; the type must be 0 or what the message makes
//	gid of what is made            the group, if it is one (not 0xffffffff)
//	Tmknod major, minor            of a device; else nothing, as mknod(2) has it
//	Tsetattr valid                 all bits of the protocol; ATIME_SET and MTIME_SET only with ATIME and MTIME; CTIME moves with any change
//	Tsetattr uid, gid 0xffffffff   leaves the owner or the group, as chown(2) has it
//	Tsetattr mode                  the permissions; the type cannot change
//	Tgetattr mask                  the answer has everything, and says of the mask's bits which it knows
//	Tgetattr: gen                  32 bits, the version of the qid
//	qid.version                    never changes; no file of the same number has it again (see versionOf); 0 in Rreaddir
//	Treaddir offset                0 or that of an entry; stays right whatever is made or removed
//	Tfsync datasync                nothing: attributes are always synced too
//	Tlock flags                    BLOCK waits; RECLAIM is EOPNOTSUPP: locks end with their session
//	Tgetlock type                  unlock, which Linux sends, asks for locks of either kind
//	Tunlinkat flags                0, or AT_REMOVEDIR
//	Txattrcreate size 0            with XATTR_REPLACE removes the attribute, as Linux does that; with other flags sets an empty one
//
// A request for a name in a directory that has been removed is ENOENT, and so is its list, as Linux shows it; other requests on the fid are
// ESTALE unless it is open. A fid of an attribute is for Tread, Twrite, Tclunk, Tgetattr and Tstatfs; others are EBADF.
//
// Both Tlopen and Tlcreate are meant by "open".
//
// # Concurrency and durability
//
// A Server is for any number of goroutines. Every answer to a change says that it is durable, Rwrite's included; of a Tclunk too, by which
// an attribute is set.
//
// Lock order:
//
//	xattr.mu          the value that a fid writes; held over the engine's setting it
//	  the engine's
//	table.mu          the fids of a session
//	  share.Pool      what all sessions have; a leaf
//	fid.mu            what changes in a fid; a leaf
//	session.mu        what waits; a leaf
package ninep
