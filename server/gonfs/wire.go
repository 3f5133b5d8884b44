package gonfs

import (
	"math"
	"time"

	"pmemfs/pmemfs"
	"pmemfs/server/rpc"
)

// Procedures of NFS version 3 (RFC 1813 section 3.3).
const (
	procNull        = 0
	procGetattr     = 1
	procSetattr     = 2
	procLookup      = 3
	procAccess      = 4
	procReadlink    = 5
	procRead        = 6
	procWrite       = 7
	procCreate      = 8
	procMkdir       = 9
	procSymlink     = 10
	procMknod       = 11
	procRemove      = 12
	procRmdir       = 13
	procRename      = 14
	procLink        = 15
	procReaddir     = 16
	procReaddirPlus = 17
	procFsstat      = 18
	procFsinfo      = 19
	procPathconf    = 20
	procCommit      = 21
)

// Values of ftype3, createmode3, time_how and stable_how (RFC 1813 sections 2.6, 3.3.8, 2.5 and 3.3.7).
const (
	typeRegular = 1
	typeDir     = 2
	typeBlock   = 3
	typeChar    = 4
	typeSymlink = 5
	typeSocket  = 6
	typeFIFO    = 7

	createUnchecked = 0
	createGuarded   = 1
	createExclusive = 2

	dontChange      = 0
	setToServerTime = 1
	setToClientTime = 2

	fileSync = 2
)

// fattrBytes is the length of fattr3.
const fattrBytes = 84

var wireType = map[pmemfs.FileType]uint32{
	pmemfs.TypeRegular: typeRegular,
	pmemfs.TypeDir:     typeDir,
	pmemfs.TypeBlock:   typeBlock,
	pmemfs.TypeChar:    typeChar,
	pmemfs.TypeSymlink: typeSymlink,
	pmemfs.TypeSocket:  typeSocket,
	pmemfs.TypeFIFO:    typeFIFO,
}

// putFattr writes fattr3 (RFC 1813 section 2.5).
func putFattr(e *rpc.Encoder, fsid uint64, a *pmemfs.Attr) {
	e.Uint32(wireType[a.Type])
	e.Uint32(a.Mode & 0o7777)
	e.Uint32(a.Nlink)
	e.Uint32(a.UID)
	e.Uint32(a.GID)
	e.Uint64(a.Size)
	e.Uint64(a.Used)
	e.Uint32(a.Major)
	e.Uint32(a.Minor)
	e.Uint64(fsid)
	e.Uint64(a.Ino)
	putTime(e, a.Atime)
	putTime(e, a.Mtime)
	putTime(e, a.Ctime)
}

// putPostOp writes post_op_attr; a may be nil.
func putPostOp(e *rpc.Encoder, fsid uint64, a *pmemfs.Attr) {
	e.Bool(a != nil)
	if a != nil {
		putFattr(e, fsid, a)
	}
}

// putWcc writes wcc_data. The attributes before the operation are sent only if nothing but this operation came between
// them and those after it, which the change counter tells: a client that trusted them otherwise would miss the change
// of another (RFC 1813 section 2.6, weak cache consistency).
func putWcc(e *rpc.Encoder, fsid uint64, pre, post *pmemfs.Attr) {
	atomic := pre != nil && post != nil && pre.Handle == post.Handle && post.Change == pre.Change+1
	e.Bool(atomic)
	if atomic {
		e.Uint64(pre.Size)
		putTime(e, pre.Mtime)
		putTime(e, pre.Ctime)
	}
	putPostOp(e, fsid, post)
}

// putTime writes nfstime3, whose seconds end in 2106.
func putTime(e *rpc.Encoder, ns int64) {
	sec, frac := ns/int64(time.Second), ns%int64(time.Second)
	if ns < 0 {
		sec, frac = 0, 0
	}
	if sec > math.MaxUint32 {
		sec, frac = math.MaxUint32, 0
	}
	e.Uint32(uint32(sec))
	e.Uint32(uint32(frac))
}

func decodeTime(d *rpc.Decoder) int64 {
	sec, frac := d.Uint32(), d.Uint32()
	return int64(sec)*int64(time.Second) + int64(min(frac, uint32(time.Second-1)))
}
