// Package nfswire is what NFS version 3 looks like on the wire: the numbers of RFC 1813, its statuses and how the
// engine's errors become one, and the encoding of attributes. All NFS stacks share it.
//
// Concurrency: everything here is a pure function of its arguments, which belong to the caller.
package nfswire

// Programs, both served in version 3 (RFC 1813 sections 3 and 5).
const (
	ProgNFS   = 100003
	ProgMount = 100005
	Version   = 3
)

// Procedures (RFC 1813 section 3.3).
const (
	ProcNull        = 0
	ProcGetattr     = 1
	ProcSetattr     = 2
	ProcLookup      = 3
	ProcAccess      = 4
	ProcReadlink    = 5
	ProcRead        = 6
	ProcWrite       = 7
	ProcCreate      = 8
	ProcMkdir       = 9
	ProcSymlink     = 10
	ProcMknod       = 11
	ProcRemove      = 12
	ProcRmdir       = 13
	ProcRename      = 14
	ProcLink        = 15
	ProcReaddir     = 16
	ProcReaddirPlus = 17
	ProcFsstat      = 18
	ProcFsinfo      = 19
	ProcPathconf    = 20
	ProcCommit      = 21
	ProcCount       = 22
)

// Values of ftype3 (RFC 1813 section 2.6).
const (
	TypeRegular = 1
	TypeDir     = 2
	TypeBlock   = 3
	TypeChar    = 4
	TypeSymlink = 5
	TypeSocket  = 6
	TypeFIFO    = 7
)

// Values of createmode3 (section 3.3.8).
const (
	CreateUnchecked = 0
	CreateGuarded   = 1
	CreateExclusive = 2
)

// Values of stable_how (section 3.3.7).
const (
	Unstable = 0
	DataSync = 1
	FileSync = 2
)

// Values of time_how (section 2.6).
const (
	dontChange      = 0
	setToServerTime = 1
	setToClientTime = 2
)

// Bits of ACCESS (section 3.3.4).
const (
	AccessRead    = 0x01
	AccessLookup  = 0x02
	AccessModify  = 0x04
	AccessExtend  = 0x08
	AccessDelete  = 0x10
	AccessExecute = 0x20
)

// Properties of FSINFO (section 3.3.19).
const (
	FSFLink        = 0x01
	FSFSymlink     = 0x02
	FSFHomogeneous = 0x08
	FSFCanSetTime  = 0x10
)

// Lengths in bytes.
const (
	HandleMax = 64   // NFS3_FHSIZE
	NameMax   = 255  // what the engine takes
	PathMax   = 4095 // of a symbolic link's target, likewise

	FattrBytes  = 84             // fattr3
	PostOpBytes = 4 + FattrBytes // post_op_attr with attributes
	WccBytes    = 4 + 24 + PostOpBytes
)
