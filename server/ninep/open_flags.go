package ninep

import (
	"pmemfs/pmemfs"
)

// Flags of open(2) on Linux, which Tlopen and Tlcreate carry wherever the server runs. What becomes of each says the package comment.
const (
	openAccess    = 0o3
	openWriteOnly = 0o1
	openReadWrite = 0o2
	openCreate    = 0o100
	openExclusive = 0o200
	openNoTTY     = 0o400
	openTruncate  = 0o1000
	openAppend    = 0o2000
	openNonblock  = 0o4000
	openDataSync  = 0o10000
	openAsync     = 0o20000
	openDirect    = 0o40000
	openLargeFile = 0o100000
	openDirectory = 0o200000
	openNoFollow  = 0o400000
	openNoAtime   = 0o1000000
	openCloseExec = 0o2000000
	openSync      = 0o4000000

	openKnown = openAccess | openCreate | openExclusive | openNoTTY | openTruncate | openAppend | openNonblock | openDataSync | openAsync |
		openDirect | openLargeFile | openDirectory | openNoFollow | openNoAtime | openCloseExec | openSync
)

// rights are what a file is opened for.
type rights struct{ read, write, truncate, append bool }

// rightsOf reads them from flags, for a fid that is to become that of an open file. What nobody knows is refused, as O_PATH and O_TMPFILE
// are.
func (c *call) rightsOf(f *fid, flags uint32) (r rights, no errno) {
	access := flags & openAccess
	switch {
	case f.open, f.xattr != nil:
		return r, eBadF
	case access > openReadWrite, flags&^openKnown != 0:
		return r, eInval
	}
	r = rights{access != openWriteOnly, access != 0, flags&openTruncate != 0, flags&openAppend != 0}
	c.s.asked(r)
	return r, ok
}

// plainMode reports whether a mode has nothing but permissions, and the type that a request makes in any case.
func plainMode(mode uint32, t pmemfs.FileType) bool {
	typ := mode >> 12
	return typ == 0 || typ == uint32(t)
}
